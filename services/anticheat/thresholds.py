"""All thresholds of the detectors, each with where it comes from.

"People" are 50,985 timed solves of three persons, "one person" the 14,366 of one of them, measured over all of his
windows, overlapping ones included. docs/evaluation/README.md names the public original.
A rule has two points: `mild`, where people still are and p is `p_mild`, and `telling`, where p is 1e-9 and the rule
flags alone. The gap between the two is a margin for people who were not measured.
"""

from __future__ import annotations

from dataclasses import dataclass

P_TELLING = 1e-9
LOW = 1e3
"""R that is worth a remark."""
FLAG = 1e5
"""R that flags: honest players reach it once in 100,000 windows at most, where the p-values hold."""
BREAK_SECONDS = 900.0
"""A longer gap is a break between two sittings, and no part of how steadily someone plays."""
HOURLY_CAP = 100
MINIMUM_SLACK = -1.5
"""Seconds by which a claim may exceed what the server saw: two times rounded to seconds are apart by one at most."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One rule: see the module. `source` is where its points come from."""

    rule: str
    family: str
    statistic: str
    telling: float
    mild: float
    least: int
    source: str
    p_mild: float = 1e-3


TABLE = {
    item.rule: item
    for item in (
        Threshold(
            "steady_gaps", "A", "coefficient of variation, last 30 gaps", 0.03, 0.055, 30,
            "least of 1,466 windows of people 0.052; of one person 0.066",
        ),
        Threshold(
            "steady_claims", "A", "coefficient of variation, last 30 claimed times, by action", 0.03, 0.055, 30,
            "least of 1,466 windows of people 0.052; of one person 0.082",
        ),
        Threshold(
            "steady_waits", "A", "coefficient of variation, last 30 times from issue to submission, by action", 0.03,
            0.055, 30, "as steady_claims: the time contains the claimed one",
        ),
        Threshold(
            "narrow_gaps", "A", "quartile range over median, last 120 gaps", 0.06, 0.10, 120,
            "one person 0.105 at least",
        ),
        Threshold(
            "no_long_gaps", "A", "98th percentile over median, last 240 gaps", 1.12, 1.33, 240,
            "one person 1.43 at least",
        ),
        Threshold(
            "no_long_idles", "A", "98th percentile over median, last 230 idle times", 1.25, 1.7, 230,
            "one person 1.87 at least",
        ),
        Threshold(
            "even_gaps", "A", "L-skewness, last 420 gaps", 0.055, 0.13, 420,
            "one person 0.306 at least; uniform and normal jitter 0 +- 0.021; exact lognormal of spread 0.2: 0.097",
        ),
        Threshold(
            "even_idles", "A", "L-skewness, last 400 idle times", 0.05, 0.13, 400,
            "one person 0.328 at least; uniform and normal jitter 0 +- 0.021",
        ),
        Threshold(
            "impossible_claims", "B", "claims over the server's clock, share of last 240", 0.3, 0.1, 20,
            "binomial against 2 %, an assumption for clock steps; the live server refuses these at the door",
        ),
        Threshold(
            "unrelated_claims", "B", "change of slack per second claimed, last 240", 1.0, 0.4, 30,
            "0 for honest clients by construction; -0.4 to 0.5 is left for planning before the play",
        ),
        Threshold(
            "repeated_times", "C", "longest run of exact times that came before", 6, 3, 6,
            "people: no 3 in 1.3e9 pairs; p from how often this player's single times repeat",
        ),
        Threshold(
            "repeated_shape", "C", "rank correlation of 40 times with 40 earlier ones", 0.95, 0.90, 120,
            "people 0.901 at most in 1.3e9 pairs", 1e-3,
        ),
        Threshold(
            "repeated_shape_long", "C", "rank correlation of 80 times with 80 earlier ones", 0.80, 0.60, 200,
            "one person 0.465 at most in 670,000 pairs", 1e-3,
        ),
        Threshold(
            "active_hours", "D", "hours with a completion, of the last 24", 21, 17, 24,
            "people 13 at most; somebody awake with a telephone may touch 17",
        ),
        Threshold(
            "no_break", "D", "hours without a break of 15 minutes", 6.5, 3.5, 60,
            "people 2.86 at most",
        ),
        Threshold(
            "at_the_cap", "D", "share of the hourly limit, for four hours without a break", 0.985, 0.95, 380,
            "one person 0.53; not three hours, because the limit itself paces who is quick",
        ),
        Threshold(
            "sudden_skill", "E", "deviations of 20 plays' level by which the last 20 are faster, median", 7.0, 4.2, 70,
            "one person 3.43 at most, looked at after every fourth of 14,000 events",
        ),
        Threshold(
            "fast_minority", "E", "share of the last 200 times more than 4 robust deviations fast", 0.06, 0.02, 250,
            "one person 0.015 at most",
        ),
        Threshold(
            "probing", "G", "refusals that an honest client does not earn, share of calls", 0.5, 0.05, 20,
            "beta-binomial, 1 in 100 expected; an assumption",
        ),
        Threshold(
            "others_times", "C", "longest run of exact times that another player had before", 6, 3, 12,
            "as repeated_times, over all players",
        ),
        Threshold(
            "in_step", "F", "deviations of completions within 2 s of each other from what shifted times give", 6.2, 4.0,
            5, "normal tail; a school class shares hours and minutes, no seconds",
        ),
    )
}  # fmt: skip
RULES = tuple(TABLE)
"""Their order is that of the state's bytes: append only."""
