"""All players together: who cheats, which address each comes from, and how it all ends."""

from __future__ import annotations

import random
import signal
import socket
import sys
import threading
import time
from itertools import cycle, islice

import httpx

from cli.simulate.cheats import CHEATS
from cli.simulate.player import Player, World

SUMMARY_SECONDS = 30.0
RAMP_SECONDS = 0.15
LONGEST_RAMP_SECONDS = 15.0
FAREWELL_SECONDS = 0.5


def kinds(players: int, cheats: int) -> list[str]:
    """The kind of each of the players; never more than half of them cheat."""
    crooked = min(cheats, players // 2)
    return list(islice(cycle(CHEATS), crooked)) + ["honest"] * (players - crooked)


def own_address(url: str, index: int) -> str | None:
    """An address of this machine for one player alone, where the server is on this machine too; else None.

    Registering and logging in are limited by address, and real players do not all come from one.
    """
    host = httpx.URL(url).host
    if not sys.platform.startswith("linux") or not (host == "localhost" or host.startswith("127.")):
        return None
    address = f"127.77.{index // 250}.{index % 250 + 1}"
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))
    except OSError:
        return None
    return address


class Crowd:
    """Runs every player on a thread of its own: they wait nearly all of the time, so that threads are cheap."""

    def __init__(self, world: World, players: int, cheats: int, seed: str) -> None:
        self.world = world
        self.players: list[Player] = []
        for index, seat in enumerate(world.roster.seats(kinds(players, cheats))):
            make = CHEATS.get(seat.kind, Player)
            rng = random.Random(f"{seed}:{index}")
            self.players.append(make(world, seat, rng, own_address(world.url, index)))
        self._threads = [self._thread(player) for player in self.players]

    def run(self, duration: float) -> None:
        """Play for `duration` seconds, or until interrupted where it is 0. Returns within a second of the end."""
        ends = time.monotonic() + (duration or float("inf"))
        try:
            for thread in self._threads:
                thread.start()
            self._watch(ends)
        except KeyboardInterrupt:
            # Whoever started us may send both signals; the second must not cut the farewell short.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        finally:
            self._part()

    def _thread(self, player: Player) -> threading.Thread:
        ramp = min(RAMP_SECONDS * len(self.players), LONGEST_RAMP_SECONDS)
        # Daemons, because a call that is under way when the end comes is not waited for.
        return threading.Thread(target=player.run, args=(player.rng.uniform(0, ramp),), daemon=True)

    def _watch(self, ends: float) -> None:
        since = time.monotonic()
        while (left := ends - time.monotonic()) > 0:
            self.world.stop.wait(min(SUMMARY_SECONDS, left))
            now = time.monotonic()
            playing = sum(thread.is_alive() for thread in self._threads)
            self.world.journal.summarise(now - since, playing, len(self._threads))
            since = now

    def _part(self) -> None:
        self.world.stop.set()
        deadline = time.monotonic() + FAREWELL_SECONDS
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self.world.journal.close()
