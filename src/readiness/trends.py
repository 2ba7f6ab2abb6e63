"""Where a figure goes, and how sure that is. A leaf: standard library only.

The slope is Theil and Sen's: the median of the slopes between all pairs of points, which a third of outliers does not
move. Its interval is Sen's, by the distribution of Kendall's tau (P. K. Sen, Estimates of the Regression Coefficient
Based on Kendall's Tau, JASA 63 (1968); Hollander & Wolfe, Nonparametric Statistical Methods, 3rd ed., section 9.3). It
takes the points' errors to be independent: of points that hang together it is too narrow, so they should lie hours
apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, inf, sqrt
from statistics import NormalDist, median

LEAST_POINTS = 8
LEAST_DAYS = 7.0
_MOST_POINTS = 120  # pairs grow with the square

Point = tuple[float, float]
"""When, in days on any scale, and how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A line through points, by the day.

    Args:
        slope, slope_low, slope_high: per day, and the interval that holds it with the given confidence.
        level: where the line stands at the last point.
        spread_low, spread_high: the quantiles of the points' distance from the line that leave out as much.
        points, days: how many there were, over how long.
    """

    slope: float
    slope_low: float
    slope_high: float
    level: float
    spread_low: float
    spread_high: float
    points: int
    days: float

    def reaches(self, limit: float, *, present: float | None = None) -> tuple[float, float, float]:
        """Days until the figure meets a limit above it: at the earliest, on the line, at the latest; infinity for never.

        Args:
            present: where it stands now, of a figure that won't fall by itself: no day is counted from below that.
        """
        least = -inf if present is None else present
        return (
            _until(limit - max(self.level + self.spread_high, least), self.slope_high),
            _until(limit - max(self.level, least), self.slope),
            _until(limit - max(self.level + self.spread_low, least), self.slope_low),
        )


def _until(rest: float, slope: float) -> float:
    if rest <= 0:
        return 0.0
    return rest / slope if slope > 0 else inf


def since_reset(points: Sequence[Point], *, drop: float) -> list[Point]:
    """The points behind the last fall by more than a share of the value before; of a counter (drop 0) any fall."""
    start = 0
    for at, ((_, before), (_, after)) in enumerate(pairwise(points), 1):
        if after < before * (1 - drop):
            start = at
    return list(points[start:])


def hourly(points: Sequence[Point]) -> list[Point]:
    """One point an hour, counted back from 0, the last of each: ten audits in a minute are no more than one."""
    last: dict[int, Point] = {}
    for day, value in points:
        last[ceil(day * 24)] = (day, value)
    return list(last.values())


def enough(points: Sequence[Point]) -> bool:
    """Whether a trend can be told."""
    return len(points) >= LEAST_POINTS and points[-1][0] - points[0][0] >= LEAST_DAYS


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most so many, evenly spaced by their order, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(at * (len(points) - 1) / (most - 1))] for at in range(most)]


def trend(points: Sequence[Point], *, confidence: float = 0.8) -> Trend:
    """The line through points that are sorted by time.

    Raises:
        ValueError: they are not `enough`.
    """
    if not enough(points):
        raise ValueError(f"a trend takes {LEAST_POINTS} points over {LEAST_DAYS:g} days")
    used = thinned(points, _MOST_POINTS)
    slopes = sorted(
        (later - sooner) / (then - at)
        for n, (at, sooner) in enumerate(used)
        for then, later in used[n + 1 :]
        if then > at
    )
    slope = median(slopes)
    end = used[-1][0]
    level = median(value + slope * (end - at) for at, value in used)
    rest = sorted(value - (level - slope * (end - at)) for at, value in used)
    aside = (1 - confidence) / 2
    n, pairs = len(used), len(slopes)
    reach = NormalDist().inv_cdf(1 - aside) * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = (pairs - reach) / 2, (pairs + reach) / 2
    return Trend(
        slope=slope,
        slope_low=slopes[max(0, floor(low))],
        slope_high=slopes[min(pairs - 1, ceil(high))],
        level=level,
        spread_low=rest[floor(aside * (n - 1))],
        spread_high=rest[ceil((1 - aside) * (n - 1))],
        points=len(points),
        days=end - used[0][0],
    )
