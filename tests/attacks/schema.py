"""Schemathesis at full size: a thousand examples for each call, and calls that follow from each other."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import httpx

from tests.attacks.outcome import Clock, Outcome
from tests.support.players import sign_up_as
from tests.support.schema import ENDS_THE_SESSION, report, run, without_limits
from tests.support.stack import Stack

FUZZING, OTHERS = "fuzzing", "examples,coverage,stateful"
"""In runs of their own: after the others, Schemathesis asks some calls only a few times."""
LOST = 1.6
"""So many times more, because some addresses that it makes up are those of no call."""
ALL_BUT_STATE = "examples,coverage,fuzzing"
HOURS = 2
LIFE = "7200"
COUNTED = re.compile(r'fairboard_requests_total\{method="(?P<method>\w+)",route="(?P<route>[^"]+)",.*\} (?P<count>\S+)')


def examples(stack: Stack, each: int) -> Outcome:
    """So many examples for each call of the document, as an analyst, who may call everything.

    What ends a session has a run of its own, with the other kind of token.
    """
    clock = Clock()
    with without_limits(stack), stack.another_web(ACCESS_TOKEN_SECONDS=LIFE, WEB_WORKERS="2") as web:
        analyst, leaver = (sign_up_as(stack, "analyst", url=web.url) for _ in range(2))
        runs = [
            *(
                _run(stack, web.url, analyst.access, f"--exclude-path-regex={ENDS_THE_SESSION}", int(each * LOST), one)
                for one in (FUZZING, OTHERS)
            ),
            _run(stack, web.url, leaver.refresh, f"--include-path-regex={ENDS_THE_SESSION}", each, ALL_BUT_STATE),
        ]
        analyst.close()
        leaver.close()
        asked = asked_for(web.url)
    lines = (stack.web.text() + web.part.text()).splitlines()
    errors = sum(" ERROR " in line[:20] or "[ERROR]" in line[:60] for line in lines)
    told = [line for done in runs for line in re.findall(r"^.*(?:generated|Scenarios).*$", done.stdout, re.MULTILINE)]
    least = min(asked, key=asked.__getitem__)
    told.append(f"{asked[least]:,} requests or more to each of {len(asked)} calls that take input (least: {least})")
    found = f"{'; '.join(line.strip(' .') for line in told)}; {errors} errors in the log"
    held = not errors and not any(done.returncode for done in runs) and asked[least] >= each
    if not held:
        print(*(report(done.stdout) for done in runs), sep="\n")
    wanted = "no 5xx, and what the document says"
    return Outcome("schemathesis, stateful too", each, wanted, found, held, clock.seconds)


def asked_for(url: str) -> dict[str, int]:
    """How many requests a web server has counted to each call of its document that takes input."""
    counted: Counter[str] = Counter()
    for line in httpx.get(f"{url}/metrics", timeout=10, trust_env=False).text.splitlines():
        if found := COUNTED.match(line):
            counted[f"{found['method']} {re.sub('<.*?>', '*', found['route'])}"] += int(float(found["count"]))
    paths = httpx.get(f"{url}/api/openapi.json", timeout=10, trust_env=False).json()["paths"]
    return {
        name: counted[name]
        for path, calls in paths.items()
        for method, call in calls.items()
        if isinstance(call, dict) and ("requestBody" in call or call.get("parameters"))
        for name in [f"{method.upper()} {re.sub('{.*?}', '*', path)}"]
    }


def _run(stack: Stack, url: str, bearer: str, which: str, each: int, phases: str) -> subprocess.CompletedProcess[str]:
    arguments = [f"--url={url}", f"--header=Authorization: Bearer {bearer}", which, f"--max-examples={each}"]
    with tempfile.TemporaryDirectory() as folder:
        return run(stack, Path(folder), *arguments, phases=phases, seconds=HOURS * 3_600)
