"""A small Python client of Fairboard's public HTTP and WebSocket interface.

    from fairboard_client import FairboardClient

    with FairboardClient("http://127.0.0.1:8000") as client:
        client.login("tova", "correct horse battery")
        ticket = client.request_action("reaction")
        ...  # the player plays
        done = client.complete(ticket.action_token, completion_time=1_730)
        print(done.new_score, done.rank)
        with client.subscribe() as boards:
            for board in boards:
                print(board.version, [entry.username for entry in board.leaderboard])

It imports nothing of the server and runs on plain threads as well as under gevent.
"""

from __future__ import annotations

from fairboard_client.backoff import Backoff
from fairboard_client.client import FairboardClient
from fairboard_client.errors import FairboardError, NoAnswerError
from fairboard_client.proof import canonical_json, checksum
from fairboard_client.stream import BoardStream
from fairboard_client.types import Account, Action, Board, Completion, Entry, Profile, Session, Ticket

__all__ = [
    "Account",
    "Action",
    "Backoff",
    "Board",
    "BoardStream",
    "Completion",
    "Entry",
    "FairboardClient",
    "FairboardError",
    "NoAnswerError",
    "Profile",
    "Session",
    "Ticket",
    "canonical_json",
    "checksum",
]
