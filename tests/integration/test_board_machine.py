"""Anything that can happen to a board, in any order: once it is quiet again, Redis says what PostgreSQL says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import settings as hypothesis_settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from config.catalogue import BOARD
from models.database import snapshot
from services import scoring, verify as verifying
from services.errors import AccountSuspended, ActionAlreadyCompleted, SuspiciousActivity
from services.leaderboard.board import publish
from services.leaderboard.keys import BoardKeys
from services.leaderboard.reading import read_board
from services.leaderboard.rebuild import rebuild
from services.reconcile import drain_outbox, sweep
from services.resources import Resources
from services.review.decisions import Verdict, decide
from services.sessions import Player
from tests.support.ground import Servers
from tests.support.people import People, ranking

KEYS = BoardKeys(BOARD)
POINTS = {"reaction": 100, "typing": 250, "puzzle": 500}
PLAYERS = 12
who = st.integers(0, PLAYERS - 1)


@dataclass
class Case:
    """A case that was decided: whose, the entries that it names with their points, and how it was decided last."""

    player: int
    named: dict[int, int]
    confirmed: bool = False


class Board(RuleBasedStateMachine):
    """Twelve players, an analyst, and a Redis that forgets. `scores` is what everybody ought to have."""

    servers: ClassVar[Servers]
    resources: ClassVar[Resources]

    @initialize()
    def begin(self) -> None:
        self.servers.clean()
        self.people = People(self.resources)
        self.players = self.people.several(PLAYERS)
        self.analyst = self.people.join(role="analyst")
        self.scores = [0] * PLAYERS
        self.suspended: set[int] = set()
        self.cases: dict[int, Case] = {}
        self.version = 0

    @rule(n=who, action=st.sampled_from(sorted(POINTS)))
    def complete(self, n: int, action: str) -> None:
        self._play(n, POINTS[action], lambda player: self.people.complete(player, action).new_score)

    @rule(n=who)
    def complete_once(self, n: int) -> None:
        before = self.scores[n]

        def quiz(player: Player) -> int:
            return scoring.complete_once(self.resources, player, action_type="quiz", data={"answer": "redis"}).new_score

        try:
            self._play(n, 50, quiz)
        except ActionAlreadyCompleted:
            self.scores[n] = before

    @rule(n=who, points=st.sampled_from([1, 100, 250]))
    def crash_between_commit_and_redis(self, n: int, points: int) -> None:
        if n not in self.suspended:
            self.people.earn(self.players[n], points)
            self.scores[n] += points

    @rule(n=who)
    def cheat(self, n: int) -> None:
        expected = AccountSuspended if n in self.suspended else SuspiciousActivity
        with pytest.raises(expected):
            self.people.complete(self.players[n], ms=1)

    @rule(n=who, which=st.sets(st.integers(0, 5), max_size=3))
    def confirm(self, n: int, which: set[int]) -> None:
        entries = self.people.execute(
            "SELECT id, points FROM ledger_entries WHERE user_id = :id AND kind <> 'reversal' ORDER BY id",
            id=self.players[n].user_id,
        )
        named = {entry: points for i, (entry, points) in enumerate(entries) if i in which}
        case = self.people.suspect(self.players[n], *named)
        self.cases[case] = Case(n, named)
        self._decide(case, "confirm")

    @precondition(lambda self: self.cases)
    @rule(pick=st.integers(0, 10**6), verdict=st.sampled_from(["clear", "confirm"]))
    def decide_again(self, pick: int, verdict: Verdict) -> None:
        self._decide(sorted(self.cases)[pick % len(self.cases)], verdict)

    @rule()
    def flush_redis(self) -> None:
        self.resources.redis.flushall()

    @rule(way=st.sampled_from(["stop", "kill"]))
    def restart_redis(self, way: str) -> None:
        getattr(self.servers.redis, way)()
        self.servers.redis.start()

    @rule()
    def drain(self) -> None:
        drain_outbox(self.resources)

    @rule()
    def sweep(self) -> None:
        sweep(self.resources, BOARD)

    @rule()
    def rebuild(self) -> None:
        rebuild(self.resources, BOARD)

    @rule(n=who)
    def rebuild_while_somebody_plays(self, n: int) -> None:
        rebuild(self.resources, BOARD, lambda done, total: self.complete(n, "typing"))

    @rule()
    def read(self) -> None:
        read_board(self.resources, BOARD)

    @rule()
    def publish(self) -> None:
        publication = publish(self.resources, BOARD)
        if publication.outcome == "published":
            assert publication.version > self.version
            self.version = publication.version

    @rule(n=who)
    def doubled_placement(self, n: int) -> None:
        if self.scores[n]:
            self.people.place(self.players[n])

    @invariant()
    def ledger_and_standings_are_always_right(self) -> None:
        if not hasattr(self, "scores"):
            return
        with snapshot(self.resources.engine) as connection:
            assert list(verifying.ledger_differences(connection, lambda *_: None)) == []
            assert list(verifying.fold_differences(connection)) == []
        stored = dict(self.people.execute("SELECT user_id, score FROM standings"))
        assert [stored.get(player.user_id, 0) for player in self.players] == self.scores

    @rule()
    def become_quiet(self) -> None:
        """What beat does every two seconds; after it, everything agrees."""
        sweep(self.resources, BOARD)
        drain_outbox(self.resources)
        assert list(verifying.verify(self.resources, BOARD)) == []
        self.resources.redis.hset(KEYS.published, "at", 0)
        self.publish()
        expected = self.people.top()
        assert ranking(self.resources)[:10] == expected
        for body in (read_board(self.resources, BOARD).body, self._reread()):
            assert [(row["userId"], row["score"]) for row in json.loads(body)["leaderboard"]] == expected
        hidden = {self.players[n].user_id for n in self.suspended}
        assert hidden.isdisjoint(user for user, _ in expected)

    def teardown(self) -> None:
        """However it ended, it can be made quiet."""
        if hasattr(self, "scores"):
            self.become_quiet()

    def _reread(self) -> bytes:
        self.resources.redis.delete(KEYS.top10)
        return read_board(self.resources, BOARD).body

    def _decide(self, number: int, verdict: Verdict) -> None:
        """An entry counts unless a confirmed case names it."""
        case = self.cases[number]
        before = self._void(case.player)
        decide(self.resources, self.analyst, number, verdict, "test")
        case.confirmed = verdict == "confirm"
        after = self._void(case.player)
        self.scores[case.player] += sum(before.values()) - sum(after.values())
        suspended = any(other.confirmed for other in self.cases.values() if other.player == case.player)
        (self.suspended.add if suspended else self.suspended.discard)(case.player)

    def _void(self, n: int) -> dict[int, int]:
        confirmed = [case.named for case in self.cases.values() if case.player == n and case.confirmed]
        return {entry: points for named in confirmed for entry, points in named.items()}

    def _play(self, n: int, points: int, play: Any) -> None:
        if n in self.suspended:
            with pytest.raises(AccountSuspended):
                play(self.players[n])
            return
        self.scores[n] += points
        assert play(self.players[n]) == self.scores[n]


def test_whatever_happens_redis_becomes_equal_to_postgresql(
    servers: Servers, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Board, "servers", servers, raising=False)
    monkeypatch.setattr(Board, "resources", resources, raising=False)
    monkeypatch.setattr(verifying, "SETTLE_SECONDS", 0.0)
    run_state_machine_as_test(Board, settings=hypothesis_settings(max_examples=15, stateful_step_count=30))
