"""Schemathesis at full size: a thousand examples for each call, and calls that follow from each other."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.attacks.outcome import Clock, Outcome
from tests.support.players import sign_up_as
from tests.support.schema import ENDS_THE_SESSION, report, run, without_limits
from tests.support.stack import Stack

PHASES = "examples,coverage,fuzzing,stateful"
HOURS = 2
LIFE = "7200"


def examples(stack: Stack, each: int) -> Outcome:
    """So many examples for each call of the document, as an analyst, who may call everything."""
    clock = Clock()
    with (
        tempfile.TemporaryDirectory() as folder,
        without_limits(stack),
        stack.another_web(ACCESS_TOKEN_SECONDS=LIFE, WEB_WORKERS="2") as web,
    ):
        analyst = sign_up_as(stack, "analyst", url=web.url)
        done = run(
            stack,
            Path(folder),
            f"--url={web.url}",
            f"--header=Authorization: Bearer {analyst.access}",
            f"--exclude-path-regex={ENDS_THE_SESSION}",
            f"--max-examples={each}",
            phases=PHASES,
            seconds=HOURS * 3_600,
        )
        analyst.close()
    lines = (stack.web.text() + web.part.text()).splitlines()
    errors = sum(" ERROR " in line[:20] or "[ERROR]" in line[:60] for line in lines)
    told = re.findall(r"^.*(?:generated|Scenarios).*$", done.stdout, re.MULTILINE)
    found = f"{'; '.join(line.strip(' .') for line in told)}; {errors} errors in the log"
    held = done.returncode == 0 and not errors
    if not held:
        print(report(done.stdout))
    wanted = "no 5xx, and what the document says"
    return Outcome("schemathesis, stateful too", each, wanted, found, held, clock.seconds)
