"""Clients that hold the board's socket and write down each board they are sent."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from drills.history import History, Sighting
from drills.people import Person

BOARDS = {"leaderboard:initial": False, "leaderboard:update": True}
AGAIN_SECONDS = 0.3
SILENCE_SECONDS = 3.0
"""A connection whose peer has vanished is given up after this time, as a browser's client does by its heartbeat."""
JOIN = json.dumps({"event": "join", "data": {"room": "leaderboard"}})


async def follow(
    number: int, url: str, person: Person, history: History, now: Callable[[], float], trust: ssl.SSLContext | None
) -> None:
    """Follow the board until cancelled, and come back whenever the connection breaks."""
    connection = 0
    while True:
        connection += 1
        try:
            async with _open(url, person, trust) as socket:
                await socket.send(JOIN)
                async for text in socket:
                    _note(json.loads(text), history, number, connection, now())
        except (OSError, TimeoutError, WebSocketException):
            pass  # The drill has broken it, or what is behind it.
        await asyncio.sleep(AGAIN_SECONDS)


def _open(url: str, person: Person, trust: ssl.SSLContext | None) -> Any:
    more: dict[str, Any] = {"ssl": trust} if trust is not None and url.startswith("https") else {}
    return connect(
        url.replace("http", "ws", 1) + "/ws",
        additional_headers={"Authorization": f"Bearer {person.access}"},
        compression=None,
        proxy=None,
        open_timeout=SILENCE_SECONDS,
        ping_interval=SILENCE_SECONDS,
        ping_timeout=SILENCE_SECONDS,
        close_timeout=0.2,
        create_connection=ClientConnection,
        **more,
    )


def _note(frame: dict[str, Any], history: History, number: int, connection: int, at: float) -> None:
    if (published := BOARDS.get(frame["event"])) is not None:
        rows = tuple((row["userId"], row["score"]) for row in frame["data"]["leaderboard"])
        history.sightings.append(Sighting(number, connection, at, frame["data"]["version"], rows, published))
