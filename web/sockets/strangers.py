"""Sockets of those who have not said who they are, counted by address, so that nobody takes all places of a process."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from web.sockets.member import Member


class Strangers:
    """Who of this process's sockets is a stranger, and from where."""

    def __init__(self) -> None:
        """Nobody is here yet."""
        self._count: Counter[str] = Counter()
        self._from: dict[Member, str] = {}

    def full(self, address: str, limit: int) -> bool:
        """Whether no more may come from an address, if so many may be here; 0: any number."""
        return 0 < limit <= self._count[address]

    def add(self, member: Member, address: str) -> None:
        """Somebody came who has not said who they are."""
        self._from[member] = address
        self._count[address] += 1

    def remove(self, member: Member) -> None:
        """Somebody said who they are, or left."""
        address = self._from.pop(member, None)
        if address is not None:
            self._count[address] -= 1
            if not self._count[address]:
                del self._count[address]
