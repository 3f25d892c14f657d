"""What a drill needs of the Fairboard that it hurts, be it on servers of its own or a whole cluster."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Protocol

from cli.embedded.identity import Identity
from config.settings import Settings
from drills.link import Link
from services.resources import Resources


class Hurtable(Protocol):
    """One part of a site."""

    def kill(self) -> None:
        """End it at once, with all its processes."""

    def terminate(self) -> None:
        """End it in an orderly way."""

    def freeze(self) -> None:
        """Stop it with all its processes; open connections get no answer."""

    def thaw(self) -> None:
        """Let it go on."""

    def start(self) -> None:
        """Start it again. Harmless while it runs."""

    @property
    def pids(self) -> list[int]:
        """Its processes, the main one first."""


class Site(Protocol):
    """A running Fairboard whose parts can be hurt. What is not said of a method holds of both kinds."""

    name: str
    links: Mapping[str, Link]
    """Proxies between parts: `web-database`, `web-redis`, `leaderboard-broker` and so on. None on a cluster."""
    trust: ssl.SSLContext | None

    @property
    def urls(self) -> Sequence[str]:
        """Where clients go."""

    @property
    def settings(self) -> Settings:
        """How to reach the servers past all links."""

    @property
    def parts(self) -> Mapping[str, Hurtable]:
        """Every part by its name."""

    @property
    def primary(self) -> Hurtable:
        """PostgreSQL, or the node of the primary."""

    @property
    def board(self) -> Hurtable:
        """The board's Redis, or its master."""

    @property
    def broker(self) -> Hurtable:
        """Celery's Redis."""

    @property
    def identity(self) -> Identity | None:
        """Who runs PostgreSQL; None: who runs us."""

    def ask(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Ask PostgreSQL something, or change it, as its owner."""

    def resources(self) -> Resources:
        """The services' resources on the same servers, for looking inside."""

    def ready(self) -> bool:
        """Whether a request would be served now."""

    def whole(self) -> bool:
        """Whether one more of anything may be taken away."""

    def heal(self) -> None:
        """Start what has ended, thaw what is frozen, and let everything pass."""

    def differences(self) -> list[str]:
        """What `fairboard verify` finds."""

    def command(self, *arguments: str) -> str:
        """What a `fairboard` command prints. Raises AssertionError if it fails."""
