"""Watching the board with the client in JavaScript, against a clock and sockets that do as they are told."""

from __future__ import annotations

from typing import Any

from tests.support.node import run

WATCH = """
    const boards = [], states = [];
    const watcher = {
      onBoard: (board) => boards.push(board.version),
      onState: (state, reason) => states.push(reason ? `${state} ${reason}` : state),
    };
    const refreshed = { accessToken: "new", refreshToken: "next", expiresIn: 900 };
    const shared = { session: known ? player() : null };
    const answers = { "POST /api/auth/refresh": () => refreshed };
    const fetch = serve(answers);
    const fairboard = new Fairboard({ url: "https://here/base/", fetch, WebSocket: Socket, store: tab(shared) });
    const live = fairboard.subscribe(watcher);
    const attempts = () => Socket.all.length;
    await pass();
"""


def watch(body: str, *, known: bool = True, **values: Any) -> Any:
    """What the body returns, while somebody (or nobody known) watches the board."""
    return run(WATCH + body, fakes=True, known=known, **values)
