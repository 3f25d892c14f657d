"""An echo behind our sockets, as the Autobahn test suite wants it, under gunicorn with the leaderboard's worker class.

The rest of the leaderboard is away, and with it what it asks of a client: its size, its pace and its name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import httpx
from flask import Flask, request
from flask_sock import Sock
from simple_websocket import Server

from cli.embedded import free_port
from tests.processes import ROOT, open_folder
from tests.support.stack import READY_SECONDS, Part, wait_for
from web.sockets import frames
from web.sockets.endpoint import NoReader, detach
from web.sockets.loop import Loop
from web.sockets.peer import Peer

sock = Sock()
loop = Loop()


class Echo(Peer):
    """Says everything again."""

    __slots__ = ()

    MAX_MESSAGE: ClassVar[float] = 32 << 20
    MAX_WAITING: ClassVar[int] = 10_000
    MESSAGES_PER_SECOND: ClassVar[float] = 1e9

    def received(self, message: str | bytes) -> None:
        """Send it back as what it was."""
        self.send(frames.text(message) if isinstance(message, str) else frames.encode(frames.BINARY, bytes(message)))


@sock.route("/ws")  # type: ignore[untyped-decorator]  # flask-sock has no types
def live(opened: Server) -> None:
    """Leave the socket to the loop."""
    loop.adopt(Echo(loop, detach(opened)))


def create_app() -> Flask:
    """The application."""
    app = Flask(__name__)
    app.config["SOCK_SERVER_OPTIONS"] = {"thread_class": NoReader}
    app.before_request(_refuse_compression)
    sock.init_app(app)
    return app


def _refuse_compression() -> None:
    """As the leaderboard does."""
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


@contextmanager
def running_echo() -> Iterator[int]:
    """The port on which the echo listens."""
    port = free_port()
    argv = ["gunicorn", "--worker-class", "gevent", "--workers", "1", "--no-control-socket"]
    argv += ["--bind", f"127.0.0.1:{port}", "tests.support.echo:create_app()"]
    with open_folder() as folder:
        part = Part("echo", argv, {**os.environ, "PYTHONPATH": str(ROOT)}, folder / "echo.log")
        part.start()
        try:
            wait_for(lambda: _answers(port), READY_SECONDS, "the echo")
            yield port
        finally:
            part.kill()


def _answers(port: int) -> bool:
    """Gunicorn listens before its worker has loaded the application."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False).status_code == 404
    except httpx.TransportError:
        return False
