"""A soak tells a leak from noise and from a warm-up, and connections that are not given back."""

from __future__ import annotations

import random
import statistics

import pytest

from drills import watch
from drills.trend import Point, rise
from drills.watch import Sample, judged, late, told, too_many

HOURS, RUNS = 2.0, 100


def series(hours: float, runs: int, held: list[float], starts: int = 1) -> list[Sample]:
    """A part after each of so many runs, started anew so often."""
    return [Sample(hours * number / runs, held[number], 100 + number * starts // runs) for number in range(runs)]


def times(runs: int = RUNS) -> list[float]:
    return [HOURS * number / runs for number in range(runs)]


def sawtooth(random_: random.Random, middle: float, height: float) -> list[float]:
    """What grows until it is given back, at moments of its own, and is never quite the same."""
    held, filled = [], random_.uniform(0, height)
    for _ in range(RUNS):
        filled = random_.uniform(0, height / 6) if filled > height else filled + random_.uniform(0, height / 3)
        held.append(middle + filled + random_.gauss(0, 1))
    return held


def noise(seed: int, size: float) -> list[float]:
    source = random.Random(seed)
    return [source.uniform(-size, size) for _ in range(RUNS)]


@pytest.mark.parametrize("height", [12.0, 48.0])
def test_a_part_that_is_flat_is_not_blamed_for_its_noise(height: float) -> None:
    source = random.Random(1)
    for _ in range(30):
        assert judged("web", series(HOURS, RUNS, sawtooth(source, 250, height))) == []


def test_a_leak_of_ten_megabytes_an_hour_is_found() -> None:
    held = [250 + 10 * at + extra for at, extra in zip(times(), noise(2, 4), strict=True)]
    (problem,) = judged("web", series(HOURS, RUNS, held))
    assert problem.startswith("memory of web grows by ")
    assert problem.endswith(" MB an hour, where 5.3 are allowed")


def test_a_warm_up_that_levels_off_is_no_leak() -> None:
    held = [250 - 50 * 0.01**at + extra for at, extra in zip(times(), noise(3, 2), strict=True)]
    assert judged("web", series(HOURS, RUNS, held)) == []


def test_a_part_that_holds_a_third_more_at_the_end_is_a_problem_however_short_the_soak() -> None:
    samples = series(0.3, 16, [150.0] * 8 + [200.0] * 8)
    assert judged("web", samples) == ["memory of web grew from 150 to 200 MB"]


def test_a_small_part_may_double_within_ten_megabytes() -> None:
    assert judged("broker", series(0.3, 16, [5.0] * 8 + [12.0] * 8)) == []


def test_too_few_samples_are_told_and_not_judged() -> None:
    samples = series(0.5, 2 * watch.ENOUGH - 2, [250 + 20.0 * number / 38 for number in range(38)])
    assert judged("web", samples) == []
    assert told("web", samples) == "web 252 to 267 MB, +40.0 MB an hour (19 samples: not judged)"


def test_a_part_that_was_started_anew_is_measured_from_there_on() -> None:
    samples = series(HOURS, RUNS, [60.0] * RUNS, starts=10)
    assert {sample.main for sample in late(samples)} == {109}
    assert told("beat", samples) == "beat 60 to 60 MB, +0.0 MB an hour (10 samples: not judged), started anew 9 times"


def test_connections_that_are_not_given_back_are_a_problem() -> None:
    assert too_many([27] * 20) == []
    assert too_many([27] * 17 + [27, 90, 27]) == [], "a moment's crowd"
    assert too_many([24] * 10 + [26, 30, 34, 37, 38, 39]) == ["connections to PostgreSQL grew from 24 to 38"]
    assert too_many([]) == []


def test_one_wild_sample_in_four_does_not_move_the_slope() -> None:
    points: list[Point] = [(at / 10, 5.0 * at / 10 + (1000 if at % 4 == 3 else 0)) for at in range(40)]
    assert rise(points).an_hour == pytest.approx(5.0, abs=1.0)


def test_the_interval_holds_the_slope_and_widens_where_neighbours_are_alike() -> None:
    source = random.Random(4)
    wild = [(at / 10, source.uniform(-4, 4)) for at in range(40)]
    slow = [(at, statistics.fmean(held for _, held in wild[max(0, number - 6) : number + 1]))
            for number, (at, _) in enumerate(wild)]  # fmt: skip
    assert rise(wild).least < 0 < rise([(at, held + 10 * at) for at, held in wild]).least
    gap = rise(wild).an_hour - rise(wild).least
    scale = statistics.pstdev(held for _, held in slow) / statistics.pstdev(held for _, held in wild)
    assert rise(slow).an_hour - rise(slow).least > 1.3 * gap * scale


def test_two_samples_say_nothing_for_sure() -> None:
    assert rise([(0.0, 1.0), (1.0, 3.0)]) == (2.0, float("-inf"))


def test_parts_are_watched_that_are_judged_and_those_that_are_told() -> None:
    watched = watch.Watch()
    watched.memory["web"] = series(HOURS, RUNS, [250.0 + number for number in range(RUNS)])
    watched.memory["redis"] = series(HOURS, RUNS, [20.0 + number for number in range(RUNS)])
    watched.connections = [10, 10, 10, 10, 20, 20, 20]
    assert [problem.partition(" gr")[0] for problem in watched.problems()] == [
        "memory of web",
        "connections to PostgreSQL",
    ]
    assert "web 262 to 337 MB, +50.0 MB an hour; redis 32 to 107 MB, +50.0 MB an hour" in watched.text()
    assert watched.text().endswith("connections to PostgreSQL 10 to 20")
