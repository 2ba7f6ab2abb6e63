"""Percentiles that say how sure they are, against published ranks and against simulation."""

from __future__ import annotations

import math
import random

import pytest

from readiness.quantiles import bounds, drawn, moment_bounds, quantile, samples_needed, smallest_sample


@pytest.mark.parametrize(
    ("n", "upper"), [(58, 0), (59, 59), (100, 99), (200, 196), (500, 484), (1000, 962), (10000, 9537)]
)
def test_upper_ranks_are_the_published_ones(n: int, upper: int):
    assert bounds(n, 0.95, 0.95)[1] == upper


def test_the_fewest_samples_that_can_prove_a_p95():
    assert smallest_sample() == 59
    assert math.isinf(quantile([1.0] * 58).upper)
    assert quantile([1.0] * 59).upper == 1.0


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


@pytest.mark.parametrize("shape", ["exponential", "bimodal", "uniform", "constant-with-spikes"])
def test_the_bounds_hold_as_often_as_they_say(shape: str):
    """2,000 seeded samples of 200: each one-sided bound may miss in 5 % (and a little, for chance)."""
    rng = random.Random(20261122)

    def draw() -> float:
        match shape:
            case "exponential":
                return rng.expovariate(1 / 30)
            case "bimodal":
                return rng.gauss(150, 5) if rng.random() < 0.08 else rng.gauss(1, 0.1)
            case "uniform":
                return rng.random() * 100
            case _:
                return 500.0 + rng.random() if rng.random() < 0.05 else 1.0 + rng.random()

    population = sorted(draw() for _ in range(400_000))
    truth = population[math.ceil(0.95 * len(population)) - 1]
    low = high = 0
    for _ in range(2_000):
        q = quantile(rng.choices(population, k=200))
        low += q.lower > truth
        high += q.upper < truth
    assert low / 2_000 <= 0.062
    assert high / 2_000 <= 0.062


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
    assert samples_needed([1.0] * 20, 100) == 59
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
