"""Percentiles that say how sure they are, against published ranks and against simulation."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from readiness.quantiles import bounds, drawn, moment_bounds, quantile, samples_needed, smallest_sample


@pytest.mark.parametrize(
    ("n", "upper"), [(58, 0), (59, 59), (100, 99), (200, 196), (500, 484), (1000, 962), (10000, 9537)]
)
def test_upper_ranks_are_the_published_ones(n: int, upper: int):
    assert bounds(n, 0.95, 0.95)[1] == upper


def test_the_fewest_samples_that_can_prove_a_p95():
    assert smallest_sample() == 72
    assert math.isinf(quantile([1.0] * 71).upper)
    assert quantile([1.0] * 72).upper == 1.0


@pytest.mark.parametrize(
    ("n", "low", "high"), [(100, 90, 100), (200, 184, 197), (500, 465, 485), (1000, 936, 964), (10000, 9457, 9543)]
)
def test_the_interval_ends_at_the_published_ranks(n: int, low: int, high: int):
    q = quantile([float(rank) for rank in range(1, n + 1)])
    assert (q.lower, q.upper) == (low, high)


def test_nearest_rank_is_a_wait_that_somebody_had():
    assert quantile(list(range(1, 101))).point == 95
    assert quantile([5.0]).point == 5.0
    assert quantile(list(range(1, 21))).point == 19


def test_an_outage_fails_instead_of_vanishing():
    q = quantile([1.0] * 50 + [math.inf] * 50)
    assert math.isinf(q.point)
    assert math.isinf(q.lower)


def test_no_samples_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        quantile([])


SHAPES: dict[str, Callable[[random.Random], float]] = {
    "exponential": lambda chance: chance.expovariate(1 / 30),
    "bimodal": lambda chance: chance.gauss(150, 5) if chance.random() < 0.08 else chance.gauss(1, 0.1),
    "uniform": lambda chance: chance.random() * 100,
    "spikes at the very quantile": lambda chance: 500.0 + chance.random() if chance.random() < 0.05 else 1.0,
    "heavy tail": lambda chance: chance.paretovariate(1.1),
    "in steps": lambda chance: float(chance.randrange(20)),
}


@pytest.mark.parametrize("samples", [72, 200])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_interval_covers_the_truth_as_often_as_it_says(shape: str, samples: int):
    """10,000 seeded samples of each shape: at least 94 % hold the true P95, and neither side errs in more than 3 %."""
    chance = random.Random(20261122)
    population = sorted(SHAPES[shape](chance) for _ in range(200_000))
    truth = population[math.ceil(0.95 * len(population)) - 1]
    over = under = 0
    for _ in range(10_000):
        q = quantile(chance.choices(population, k=samples))
        over += q.lower > truth
        under += q.upper < truth
    assert over + under <= 600
    assert max(over, under) <= 300


def test_moment_bounds_hold_the_truth_where_the_normal_guess_fails():
    """Two workloads of 500 calls: mean + 1.645 deviations says 69 and 56 ms where the P95 is 150 and 1."""
    for waits, truth in (([1.0] * 470 + [150.0] * 30, 150.0), ([1.0] * 490 + [400.0] * 10, 1.0)):
        mean = sum(waits) / len(waits)
        deviation = math.sqrt(sum((w - mean) ** 2 for w in waits) / len(waits))
        lower, upper = moment_bounds(mean, deviation)
        assert lower <= truth <= upper


def test_moment_factors():
    lower, upper = moment_bounds(0, 1)
    assert lower == pytest.approx(-0.2294, abs=1e-4)
    assert upper == pytest.approx(4.3589, abs=1e-4)


def test_how_many_samples_would_settle_it():
    assert samples_needed([1.0] * 20, 100) == 72
    near = [1.0] * 96 + [200.0] * 4
    needed = samples_needed(near, 100)
    assert needed is not None
    assert needed > 100
    assert samples_needed([1.0] * 95 + [200.0] * 5, 100) is None


def test_what_is_drawn_is_sorted_bounded_and_keeps_both_ends():
    assert drawn([3.0, math.inf, 1.00049, 2.0]) == [1.0, 2.0, 3.0]
    many = [float(n) for n in range(10_000)]
    assert len(drawn(many)) == 500
    assert (drawn(many)[0], drawn(many)[-1]) == (0.0, 9999.0)
