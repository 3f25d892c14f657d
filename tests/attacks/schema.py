"""Schemathesis at full size: a thousand examples for each call, and calls that follow from each other."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from tests.attacks.outcome import Clock, Outcome
from tests.support.players import sign_up_as
from tests.support.schema import ENDS_THE_SESSION, report, run, without_limits
from tests.support.stack import Stack

WITHOUT_STATE = "examples,coverage,fuzzing"
PHASES = f"{WITHOUT_STATE},stateful"
HOURS = 2
LIFE = "7200"


def examples(stack: Stack, each: int) -> Outcome:
    """So many examples for each call of the document, as an analyst, who may call everything.

    What ends a session has a run of its own, with the other kind of token.
    """
    clock = Clock()
    with without_limits(stack), stack.another_web(ACCESS_TOKEN_SECONDS=LIFE, WEB_WORKERS="2") as web:
        analyst, leaver = (sign_up_as(stack, "analyst", url=web.url) for _ in range(2))
        runs = [
            _run(stack, web.url, analyst.access, f"--exclude-path-regex={ENDS_THE_SESSION}", each, PHASES),
            _run(stack, web.url, leaver.refresh, f"--include-path-regex={ENDS_THE_SESSION}", each, WITHOUT_STATE),
        ]
        analyst.close()
        leaver.close()
    lines = (stack.web.text() + web.part.text()).splitlines()
    errors = sum(" ERROR " in line[:20] or "[ERROR]" in line[:60] for line in lines)
    told = [line for done in runs for line in re.findall(r"^.*(?:generated|Scenarios).*$", done.stdout, re.MULTILINE)]
    found = f"{'; '.join(line.strip(' .') for line in told)}; {errors} errors in the log"
    held = not errors and not any(done.returncode for done in runs)
    if not held:
        print(*(report(done.stdout) for done in runs), sep="\n")
    wanted = "no 5xx, and what the document says"
    return Outcome("schemathesis, stateful too", each, wanted, found, held, clock.seconds)


def _run(stack: Stack, url: str, bearer: str, which: str, each: int, phases: str) -> subprocess.CompletedProcess[str]:
    arguments = [f"--url={url}", f"--header=Authorization: Bearer {bearer}", which, f"--max-examples={each}"]
    with tempfile.TemporaryDirectory() as folder:
        return run(stack, Path(folder), *arguments, phases=phases, seconds=HOURS * 3_600)
