"""The places that a process's sockets take up among those that each player may hold."""

from __future__ import annotations

import uuid
from itertools import count
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from services import socket_leases
from services.resources import Resources
from services.socket_leases import BATCH, RENEW_SECONDS, Lease

if TYPE_CHECKING:
    from web.sockets.member import Member

RELEASE_SECONDS = 0.05
"""Places are given back together, since sockets often close together."""
PAUSE = 0.05


class Places:
    """Holds, renews and frees the places of this process."""

    def __init__(self, resources: Resources) -> None:
        """Nothing is asked of Redis yet."""
        self._resources = resources
        self._process = ""
        self._numbers = count(1)
        self._held: dict[int, Lease] = {}
        self._freed: list[Lease] = []
        self._free_wanted = Event()

    def hold(self, member: Member, user_id: int) -> bool:
        """Whether the player may hold this socket too. Asks Redis, so it may wait."""
        self._process = self._process or uuid.uuid4().hex  # Not before the fork.
        lease = Lease(user_id, f"{self._process}:{next(self._numbers)}")
        ended = [each for each in self._freed if each.user_id == user_id]  # Of which Redis may not have heard yet.
        if not socket_leases.hold(self._resources, lease, self._resources.settings.sockets_per_player, ended):
            return False
        self.free(member)
        self._held[id(member)] = lease
        if member.closing:
            self.free(member)  # It went while Redis was asked.
        return True

    def free(self, member: Member) -> None:
        """Give the place of a socket back, soon."""
        lease = self._held.pop(id(member), None)
        if lease:
            self._freed.append(lease)
            self._free_wanted.set()

    def give_back(self) -> None:
        """One turn: tell Redis of places that are free again."""
        self._free_wanted.wait()
        gevent.sleep(RELEASE_SECONDS)
        self._free_wanted.clear()
        while self._freed:
            batch = self._freed[:BATCH]
            socket_leases.release(self._resources, batch)
            del self._freed[: len(batch)]

    def give_all_back(self) -> None:
        """Tell Redis at once of all that are free again, before this process ends."""
        freed = list(self._freed)
        for start in range(0, len(freed), BATCH):
            socket_leases.release(self._resources, freed[start : start + BATCH])

    def renew(self) -> None:
        """One turn: tell Redis of those that are held, a few at a time."""
        gevent.sleep(RENEW_SECONDS)
        held = list(self._held)
        for start in range(0, len(held), BATCH):
            some = held[start : start + BATCH]
            self._renew_some({number: self._held[number] for number in some if number in self._held})
            gevent.sleep(PAUSE)

    def _renew_some(self, held: dict[int, Lease]) -> None:
        """Those that are given back meanwhile are given back once more: Redis may have heard of that first."""
        socket_leases.renew(self._resources, held.values())
        gone = [lease for number, lease in held.items() if self._held.get(number) is not lease]
        if gone:
            self._freed += gone
            self._free_wanted.set()
