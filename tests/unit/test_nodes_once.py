"""Nodes that two URLs name."""

from __future__ import annotations

from models.nodes import Node, Nodes


def test_each_node_is_tried_once_though_both_urls_name_it() -> None:
    nodes = Nodes("postgresql://me:x@a,b/board", {}, standby=True, primary="postgresql://me:x@b,c/board")
    assert nodes.addresses == [Node("a", 5432), Node("b", 5432), Node("c", 5432)]
