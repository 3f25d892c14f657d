"""Players who play while a part of Fairboard is killed, and who remember what they were told."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.players import Player, completion_body, crowd
from tests.support.stack import Stack, wait_for
from tests.support.tokens import digest

WIDTH, LAPS = 8, 10
"""Players of one thread who play at the same time, and how often each may play before the limits stop them."""
CLAIM_MS = 1_000


@dataclass
class Memory:
    """What came of each completion: counted, not known, or refused although it was honest."""

    counted: list[str] = field(default_factory=list)
    unknown: list[tuple[Player, dict[str, Any]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


class Load:
    """Threads of honest players. Each lap takes the second that the action takes."""

    def __init__(self, stack: Stack, threads: int = 4) -> None:
        self.stack = stack
        self.memory = Memory()
        self._stop = Event()
        self._threads = [Thread(target=self._play, args=(crowd(stack, WIDTH * LAPS),)) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for_more(self, number: int, seconds: float = 60) -> None:
        """Return when so many more completions have counted."""
        wanted = len(self.memory.counted) + number
        wait_for(lambda: len(self.memory.counted) >= wanted, seconds, f"{number} more completions")

    def _play(self, players: list[Player]) -> None:
        laps = itertools.cycle(players[start : start + WIDTH] for start in range(0, len(players), WIDTH))
        with httpx.Client(base_url=self.stack.url, timeout=6, trust_env=False) as http:
            while not self._stop.is_set():
                self._lap(http, next(laps))
        players[0].close()

    def _lap(self, http: httpx.Client, players: list[Player]) -> None:
        tickets = [(player, token, time.monotonic()) for player in players if (token := self._request(http, player))]
        if not tickets:
            self._stop.wait(0.2)
        for player, token, issued in tickets:
            # The player plays: this second is what the server will look for.
            time.sleep(max(0.0, issued + CLAIM_MS / 1000 + 0.02 - time.monotonic()))
            self._complete(http, player, completion_body(token, CLAIM_MS))

    def _request(self, http: httpx.Client, player: Player) -> str | None:
        try:
            answer = http.post("/api/actions/request", headers=player.headers, json={"actionType": "reaction"})
        except httpx.TransportError:
            return None
        return str(answer.json()["actionToken"]) if answer.status_code == 200 else None

    def _complete(self, http: httpx.Client, player: Player, body: dict[str, Any]) -> None:
        try:
            answer = http.post("/api/actions/complete", headers=player.headers, json=body)
        except httpx.TransportError:
            status, text = 0, "no answer"
        else:
            status, text = answer.status_code, answer.text
        with self.memory.lock:
            if status == 200:
                self.memory.counted.append(digest(body["actionToken"]))
            elif status == 0 or status >= 500:
                self.memory.unknown.append((player, body))
            else:
                self.memory.refused.append(text)

    def settle(self) -> int:
        """Ask again, with the same tokens, about whatever is not known. Returns how many had counted all along."""
        already = 0
        for player, body in self.memory.unknown:
            player.forget_limits()
            with httpx.Client(timeout=20, trust_env=False) as http:
                url = f"{self.stack.url}/api/actions/complete"
                answer = http.post(url, headers=player.headers, json=body)
            code = answer.json().get("code", "OK")
            assert code in {"OK", "TOKEN_ALREADY_USED"}, answer.text
            already += code == "TOKEN_ALREADY_USED"
            self.memory.counted.append(digest(body["actionToken"]))
        self.memory.unknown.clear()
        return already

    def assert_all_in_the_ledger_once(self) -> None:
        """Every completion that counted is there, once, and nothing else of these players is."""
        hashes = self.memory.counted
        assert len(set(hashes)) == len(hashes)
        rows = self.stack.ask(
            "SELECT encode(token_hash, 'hex'), count(*) FROM ledger_entries WHERE encode(token_hash, 'hex') = ANY(%s) "
            "GROUP BY token_hash",
            (hashes,),
        )
        assert {row[0] for row in rows} == set(hashes)
        assert {row[1] for row in rows} <= {1}
