"""Node.js as Playwright's wheel brings it, so that a machine needs none of its own."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from tempfile import NamedTemporaryFile
from typing import Any, Self

import playwright

from tests.processes import ROOT

NODE = Path(playwright.__file__).parent / "driver" / "node"
CLIENT = ROOT / "web" / "static" / "fairboard" / "fairboard.js"
FAKES = ROOT / "tests" / "support" / "fakes.mjs"


def program(body: str, **values: Any) -> str:
    """A module around the body of a function, which has the client, the `values`, and what `fakes.mjs` exports."""
    given = "\n".join(f"const {name} = {json.dumps(value)};" for name, value in values.items())
    return f"""
        import * as client from "{CLIENT.as_uri()}";
        const {{ Fairboard, FairboardError, browserStore, canonicalJson, checksum, canProve }} = client;
        {given}
        const result = await (async () => {{ {body} }})();
        console.log("RESULT " + JSON.stringify(result ?? null));
    """


def run(body: str, *, fakes: bool = False, timeout: float = 30, **values: Any) -> Any:
    """What the body returns. It has to end by itself: a timer or a socket that is left open fails the test."""
    imports = f'import {{ clock, pass, player, serve, Socket, tab }} from "{FAKES.as_uri()}";' if fakes else ""
    done = subprocess.run(
        [str(NODE), "--input-type=module", "-"],
        input=imports + program(body, **values),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().split("\n")[-1]
    assert last.startswith("RESULT "), done.stdout
    return json.loads(last.removeprefix("RESULT "))


class Conversation:
    """A program that runs while the test does something else; they tell each other lines of JSON."""

    def __init__(self, body: str, **values: Any) -> None:
        heard = """
            import { createInterface } from "node:readline";
            const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
            const hear = async () => JSON.parse((await lines.next()).value);
            const say = (value) => console.log("SAID " + JSON.stringify(value));
        """
        # The program is a file, because its standard input is for the conversation.
        with NamedTemporaryFile("w", suffix=".mjs", encoding="utf-8", delete=False) as file:
            file.write(heard + program(body, **values) + "process.exit();")
        self._file = Path(file.name)
        self._process = subprocess.Popen(
            [str(NODE), file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._lines: Queue[str] = Queue()
        self._all: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)

    def hears(self, value: object = None) -> None:
        """Tell the program something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def says(self, seconds: float = 20) -> Any:
        """What the program says next."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"The program said nothing more. Before: {''.join(self._all)}") from None
            self._all.append(line)
            if line.startswith(("SAID ", "RESULT ")):
                return json.loads(line.split(" ", 1)[1])

    def until(self, *wanted: object, seconds: float = 30) -> None:
        """Wait until the program has said each of these, in this order, with anything else between."""
        deadline = time.monotonic() + seconds
        for value in wanted:
            while self.says(deadline - time.monotonic()) != value:
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._file.unlink()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
