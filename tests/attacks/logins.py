"""What a stranger learns and gets by logging in: nothing from the time it takes, and few guesses."""

from __future__ import annotations

import random
import time
from collections import Counter

import httpx
import numpy as np
from scipy import stats

from tests.attacks.outcome import Clock, Outcome
from tests.support.players import PASSWORD, new_name
from tests.support.stack import Stack

ACCOUNTS = 20
NEGLIGIBLE = 0.1
"""Of Cliff's delta, which is 0 where nothing tells the two apart and 1 where everything does."""


def timing(stack: Stack, tries: int, seed: int = 3) -> Outcome:
    """So many failed logins with names that exist and as many with others, mixed: do their times differ?"""
    clock, chance = Clock(), random.Random(seed)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    with stack.another_web(AUTH_NAME_LIMIT="0") as web, httpx.Client(base_url=web.url, trust_env=False) as http:
        known = [new_name() for _ in range(ACCOUNTS)]
        for name in known:
            assert http.post("/api/auth/register", json={"username": name, "password": PASSWORD}).status_code == 201
        order = ["known", "unknown"] * tries
        chance.shuffle(order)
        for kind in ["known", "unknown"] * 5 + order:
            name = chance.choice(known) if kind == "known" else new_name()
            times[kind].append(_failed_login(http, name))
    return _compare(times["known"][5:], times["unknown"][5:], clock)


def _failed_login(http: httpx.Client, name: str) -> float:
    begun = time.perf_counter()
    answer = http.post("/api/auth/login", json={"username": name, "password": "not the passphrase"})
    took = time.perf_counter() - begun
    assert answer.status_code == 401, answer.text
    return took * 1_000


def _compare(known: list[float], unknown: list[float], clock: Clock) -> Outcome:
    ranks = stats.mannwhitneyu(known, unknown)
    shapes = stats.ks_2samp(known, unknown)
    delta = 2 * float(ranks.statistic) / (len(known) * len(unknown)) - 1
    found = (
        f"medians {np.median(known):.2f} and {np.median(unknown):.2f} ms; Mann-Whitney p = {float(ranks.pvalue):.3f}, "
        f"Kolmogorov-Smirnov p = {float(shapes.pvalue):.3f}, Cliff's delta {delta:+.3f}"
    )
    held = abs(delta) < NEGLIGIBLE
    return Outcome("login times of known and unknown names", 2 * len(known), "no telling", found, held, clock.seconds)


def guessing(stack: Stack, tries: int) -> Outcome:
    """Guesses at one name from very many addresses. Few reach the password, and the owner comes in all the time."""
    clock, answers, owner = Clock(), Counter[int](), Counter[int]()
    with (
        stack.another_web(TRUSTED_PROXIES="1", AUTH_ADDRESS_LIMIT="60") as web,
        httpx.Client(base_url=web.url, trust_env=False) as http,
    ):
        account = {"username": new_name(), "password": PASSWORD}
        home = {"X-Forwarded-For": "198.51.100.1"}
        assert http.post("/api/auth/register", json=account, headers=home).status_code == 201
        assert http.post("/api/auth/login", json=account, headers=home).status_code == 200
        for n in range(tries):
            away = {"X-Forwarded-For": f"203.0.113.{n % 250}"}
            guess = account | {"password": f"guess number {n}"}
            answers[http.post("/api/auth/login", json=guess, headers=away).status_code] += 1
            if n % 100 == 0:
                owner[http.post("/api/auth/login", json=account, headers=home).status_code] += 1
    most = 100 * (1 + int(clock.seconds // 60))
    found = f"{answers[401]:,} guesses were compared, {answers[429]:,} refused; the owner's logins: {dict(owner)}"
    held = answers[401] <= most and set(owner) == {200} and set(answers) <= {401, 429}
    wanted = "100 a minute compared, the owner comes in"
    return Outcome("guesses at one name from 250 addresses", tries, wanted, found, held, clock.seconds)
