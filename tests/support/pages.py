"""Pages on an origin of their own, as games elsewhere are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Elsewhere:
    """A web server with pages that a test writes."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.pages = {"/": "<!doctype html><title>Elsewhere</title>", "/favicon.ico": ""}

    def add(self, path: str, html: str) -> str:
        """A page; its address."""
        self.pages[path] = f'<!doctype html><meta charset="utf-8"><title>Elsewhere</title>{html}'
        return self.origin + path


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """An origin that is neither the server's nor anybody else's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Elsewhere(server.server_address[1])
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
