"""Names of the board's keys in Redis, and how a player is written in its sorted set.

All keys of one board share a hash tag, so that scripts may touch them together on Redis Cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

LAST_MICROSECOND = 9_999_999_999_999_999
MAX_USER_ID = 999_999_999_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BoardKeys:
    """The keys of one board."""

    board: str

    def _key(self, name: str) -> str:
        return f"leaderboard:{{{self.board}}}:{name}"

    @property
    def standings(self) -> str:
        """Sorted set: score by member."""
        return self._key("standings")

    @property
    def players(self) -> str:
        """Hash: user id to `version|member|username as JSON`."""
        return self._key("players")

    @property
    def top10(self) -> str:
        """The cached answer of GET /api/leaderboard."""
        return self._key("top10")

    @property
    def updates(self) -> str:
        """The channel that frames are published on."""
        return self._key("updates")

    @property
    def causes(self) -> str:
        """The channel that tells what caused a board. Apart from the boards, whose shape is public."""
        return self._key("causes")

    @property
    def generation(self) -> str:
        """Counts how often the top 10 moved, so that a slow reader cannot cache an old board."""
        return self._key("generation")

    @property
    def loaded(self) -> str:
        """Present while the board in Redis is complete."""
        return self._key("loaded")

    @property
    def published(self) -> str:
        """Hash: what was last published."""
        return self._key("published")

    @property
    def doorbell(self) -> str:
        """Present while a recomputation was asked for and has not begun."""
        return self._key("doorbell")

    @property
    def deferred(self) -> str:
        """Present while a later recomputation is scheduled."""
        return self._key("deferred")

    @property
    def cache_lock(self) -> str:
        """Held by the one reader that fills the cache."""
        return self._key("top10:lock")

    @property
    def rebuilding(self) -> str:
        """The name of the rebuild that is under way."""
        return self._key("rebuilding")

    @property
    def no_room(self) -> str:
        """Present while no rebuild begins by itself, because the last one did not fit into Redis."""
        return self._key("rebuild:no_room")

    @property
    def new_standings(self) -> str:
        """The standings of those who are placed during a rebuild."""
        return self._key("rebuild:standings")

    @property
    def new_players(self) -> str:
        """Those who are placed during a rebuild, as in `players`."""
        return self._key("rebuild:players")

    def copy(self, name: str) -> tuple[str, str]:
        """The standings and players that the rebuild of this name prepares."""
        return self._key(f"rebuild:{name}:standings"), self._key(f"rebuild:{name}:players")


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970, exactly: floats lose the last digit."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def member(user_id: int, reached_at: datetime) -> str:
    """A player in the sorted set. Redis puts equal scores in the order of their members, highest first, so both parts

    count down: who reached a score earlier, then who has the lower user id, sorts higher.
    """
    return f"{LAST_MICROSECOND - microseconds(reached_at):016d}:{MAX_USER_ID - user_id:012d}"
