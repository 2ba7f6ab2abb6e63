"""Lines through points: what they say of a known truth, of outliers, resets and too few points."""

from __future__ import annotations

import random
from math import inf

import pytest

from readiness.trends import enough, hourly, since_reset, thinned, trend


def line(n: int, *, slope: float, noise: float = 0.0, seed: int = 1, start: float = 100.0) -> list[tuple[float, float]]:
    rng = random.Random(seed)
    return [(float(day), start + slope * day + rng.gauss(0, noise)) for day in range(n)]


def test_an_exact_line_is_told_exactly():
    found = trend(line(10, slope=2))
    assert (found.slope, found.slope_low, found.slope_high, found.level) == (2, 2, 2, 118)
    assert found.reaches(138) == (10, 10, 10)
    assert found.reaches(110) == (0, 0, 0)
    assert trend(line(10, slope=-2)).reaches(138) == (inf, inf, inf)
    assert trend(line(10, slope=0)).reaches(138) == (inf, inf, inf)


def test_no_day_is_counted_from_below_the_present():
    level = trend([*line(30, slope=0), (30.0, 160.0)])
    assert level.reaches(150) == (inf, inf, inf)
    assert level.reaches(150, present=160) == (0, 0, 0)
    grown = trend([*line(30, slope=1), (30.0, 160.0)])
    assert grown.reaches(170, present=160) == pytest.approx((10, 10, 10), abs=0.5)
    assert trend(line(10, slope=2)).reaches(138, present=100) == (10, 10, 10)


def test_a_third_of_outliers_does_not_move_it():
    points = line(30, slope=2)
    for at in range(0, 30, 4):
        points[at] = (points[at][0], 5000.0)
    assert trend(points).slope == pytest.approx(2, abs=0.2)


def test_the_interval_holds_the_true_slope_as_often_as_it_says():
    """80 % of 400 series: between 76 and 88 (a few more than said, since ranks are whole numbers)."""
    for n in (8, 20):
        held = sum(
            found.slope_low <= 3 <= found.slope_high
            for seed in range(400)
            for found in [trend(line(n, slope=3, noise=20, seed=seed))]
        )
        assert 0.76 <= held / 400 <= 0.90, (n, held)


def test_the_day_lies_in_the_range_at_least_as_often():
    """The range of days errs wide: the slope's interval and the points' spread are both taken at their worst."""
    held = 0
    for seed in range(200):
        earliest, _, latest = trend(line(20, slope=3, noise=5, seed=seed)).reaches(100 + 3 * 50)
        held += earliest <= 50 - 19 <= latest
    assert held / 200 >= 0.8


def test_what_is_no_trend():
    assert not enough([])
    assert not enough(line(7, slope=1))
    assert not enough([(day / 10, value) for day, value in line(8, slope=1)])
    assert enough(line(8, slope=1))
    with pytest.raises(ValueError, match="8 points over 7 days"):
        trend(line(7, slope=1))


def test_behind_a_reset_it_starts_anew():
    grown = line(10, slope=10)
    emptied = grown + [(day + 10, value / 2) for day, value in grown]
    assert since_reset(emptied, drop=0.3) == emptied[10:]
    dented = [(0.0, 100.0), (1.0, 80.0), (2.0, 90.0)]
    assert since_reset(dented, drop=0.3) == dented
    assert since_reset(dented, drop=0) == dented[1:]


def test_one_point_an_hour_and_no_more_than_are_shown():
    assert hourly([(-1.01, 1.0), (-1.005, 2.0), (-0.5, 3.0), (-0.001, 4.0), (0.0, 5.0)]) == [
        (-1.005, 2.0),
        (-0.5, 3.0),
        (0.0, 5.0),
    ]
    many = line(500, slope=1)
    assert len(thinned(many, 40)) == 40
    assert (thinned(many, 40)[0], thinned(many, 40)[-1]) == (many[0], many[-1])
    assert trend(many).points == 500
