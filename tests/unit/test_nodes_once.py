"""Nodes that two URLs name."""

from __future__ import annotations

from models.nodes import Node, Nodes


def test_each_node_is_tried_once_though_both_urls_name_it() -> None:
    nodes = Nodes("postgresql://me:x@a,b/board", {}, standby=True, primary="postgresql://me:x@b,c/board")
    assert nodes.addresses == [Node("a", 5432), Node("b", 5432), Node("c", 5432)]


def test_the_login_is_that_of_the_url_which_names_it_first() -> None:
    nodes = Nodes("postgresql://reader:x@a/board", {}, standby=True, primary="postgresql://writer:y@a,b/board")
    assert [one["user"] for one in nodes._arguments] == ["reader", "writer"]


def test_one_address_with_two_databases_is_two() -> None:
    nodes = Nodes("postgresql://me:x@a/board_ro", {}, standby=True, primary="postgresql://me:x@a/board")
    assert [one["dbname"] for one in nodes._arguments] == ["board_ro", "board"]
