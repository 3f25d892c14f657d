"""Simulated players: they use the public HTTP interface like anybody else, and a few of them cheat."""

from __future__ import annotations

from cli.simulate.command import simulate

__all__ = ["simulate"]
