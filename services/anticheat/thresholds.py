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
            "no_long_gaps", "A", "98th percentile over median, last 240 gaps", 1.12, 1.28, 240,
            "one person 1.43 at least",
        ),
        Threshold(
            "no_long_idles", "A", "98th percentile over median, last 230 idle times", 1.22, 1.6, 230,
            "one person 1.87 at least",
        ),
        Threshold(
            "even_gaps", "A", "L-skewness, last 360 gaps", 0.045, 0.12, 360,
            "one person 0.305 at least; uniform and normal jitter 0 +- 0.022; exact lognormal of spread 0.2: 0.097",
        ),
        Threshold(
            "even_idles", "A", "L-skewness, last 360 idle times", 0.045, 0.12, 360,
            "one person 0.303 at least; uniform and normal jitter 0 +- 0.022",
        ),
        Threshold(
            "impossible_claims", "B", "claims over the server's clock, share of last 510", 0.3, 0.1, 20,
            "binomial against 2 %, an assumption for clock steps; the live server refuses these at the door",
        ),
        Threshold(
            "unrelated_claims", "B", "rank correlation of slack and claim, last 60", 0.93, 0.80, 30,
            "one person 0.69 at most, if all of the time between his plays is taken for slack; made-up claims under a "
            "fixed wait -1, claims that are a share of the wait 1",
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
            "sudden_skill", "E", "moods by which the last 60 plays are faster than the best 20 ever before", 3.0, 2.0,
            180,
            "one person -0.5 at most; cut into pieces of 500 plays of several tasks under one name 0.8",
        ),
        Threshold(
            "fast_minority", "E", "share of the last 200 times more than 4 robust deviations fast", 0.07, 0.04, 250,
            "one person 0.04 at most, of several tasks under one name and not in a row; 0.005 of one task",
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
        Threshold(
            "flat_gaps", "A", "L-kurtosis, or half the L-skewness if that is more, last 200 gaps", 0.035, 0.09, 200,
            "one person 0.160 at least; uniform jitter 0 +- 0.02, normal 0.12 and not meant",
        ),
        Threshold(
            "linked_idles", "A", "rank correlation of idle time and play, last 60", 0.93, 0.80, 60,
            "one person 0.69 at most, either way",
        ),
        Threshold(
            "prompt_returns", "D", "waits for the hourly limit that ended to the second, in the last 510 completions",
            4, 2, 3, "binomial against 1 in 200, an assumption; people come back when it suits them",
        ),
        Threshold(
            "in_turn", "F", "deviations of one account following another at one distance, from the usual", 7.5, 5.5, 3,
            "Poisson tail over all pairs and distances; independent people keep no distance from each other",
        ),
        Threshold(
            "same_hand", "F", "spread between the accounts' levels and pauses, over that between people", 0.06, 0.3, 5,
            "chi-square against a spread of 0.15 between people, an assumption: the one person's sessions of one task "
            "are that far apart; three people were further",
        ),
    )
}  # fmt: skip
RULES = tuple(TABLE)
"""Their order is that of the state's bytes: append only."""
KIN = (
    {"steady_gaps", "narrow_gaps", "no_long_gaps", "even_gaps", "flat_gaps", "no_long_idles", "even_idles"},
    {"steady_gaps", "narrow_gaps", "linked_idles"},
    {"steady_claims", "steady_waits"},
    {"active_hours", "no_break", "at_the_cap"},
    {"in_step", "in_turn"},
)
"""Rules that see one habit: one speaks after 30 completions, another after 360, a third once the plays vary."""
