"""A server that is as silent as a frozen one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress


@contextmanager
def hanging() -> Iterator[tuple[str, list[object]]]:
    """A server that lets clients connect and says nothing, as a frozen one does; and who came."""
    came: list[object] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, ExitStack() as accepted:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    came.append(accepted.enter_context(listener.accept()[0]))

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", came
