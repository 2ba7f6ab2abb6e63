"""Percentiles that say how sure they are. A leaf: standard library only.

Order statistics need no assumption about the distribution: for n sorted samples, the k-th smallest lies below the
p-quantile with probability P(Binomial(n, p) >= k) (David & Nagaraja, Order Statistics, 3rd ed., section 7.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import ceil, exp, floor, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """A quantile of n samples.

    Args:
        samples: n; failed requests are among them, as waits of infinity.
        point: the nearest-rank quantile: a wait that somebody had.
        lower, upper: between them lies the true quantile with the stated confidence (each side errs in half of the
            rest); 0.0 or infinity where n is too small to say.
    """

    p: float
    samples: int
    point: float
    lower: float
    upper: float
    confidence: float


def quantile(
    waits: Sequence[float], *, least: Sequence[float] | None = None, p: float = 0.95, confidence: float = 0.95
) -> Quantile:
    """The p-quantile with a distribution-free confidence interval. It supposes that the waits are independent.

    Args:
        least: how long each wait was at the least, where that is not known exactly; the lower bound comes from these.

    Raises:
        ValueError: no samples.
    """
    if not waits:
        raise ValueError("a quantile needs at least one sample")
    ranked = sorted(waits)
    lowest = ranked if least is None else sorted(least)
    n = len(ranked)
    low, high = bounds(n, p, (1 + confidence) / 2)
    return Quantile(
        p=p,
        samples=n,
        point=ranked[ceil(p * n - 1e-9) - 1],
        lower=lowest[low - 1] if low else 0.0,
        upper=ranked[high - 1] if high else inf,
        confidence=confidence,
    )


def drawn(waits: Sequence[float], *, most: int = 500) -> list[float]:
    """The waits that came to an end, sorted, for a picture: at most so many, of evenly spaced ranks."""
    ranked = sorted(w for w in waits if w < inf)
    if len(ranked) > most:
        ranked = [ranked[at * (len(ranked) - 1) // (most - 1)] for at in range(most)]
    return [round(w, 3) for w in ranked]


@lru_cache(maxsize=1024)
def bounds(n: int, p: float, confidence: float) -> tuple[int, int]:
    """Ranks (1-based) of the one-sided lower and upper bound; 0 where n samples cannot give one."""
    below = 0.0  # P(Binomial(n, p) <= k - 1): how often the k-th smallest lies at or above the quantile
    lower = upper = 0
    for k in range(1, n + 1):
        below += _mass(n, p, k - 1)
        if 1 - below >= confidence:
            lower = k
        if below >= confidence:
            upper = k
            break
    return lower, upper


def _mass(n: int, p: float, k: int) -> float:
    """P(Binomial(n, p) = k), through logarithms: the plain recurrence underflows from a few hundred samples on."""
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p))


def smallest_sample(*, p: float = 0.95, confidence: float = 0.95) -> int:
    """The fewest samples whose interval ends above: 72 for a P95 at 95 % (59 would do for the upper bound alone)."""
    return ceil(log((1 - confidence) / 2) / log(p) - 1e-9)


def samples_needed(waits: Sequence[float], target: float, *, p: float = 0.95, confidence: float = 0.95) -> int | None:
    """How many samples would settle `target`, if the share of waits over it stayed as seen; None where none would.

    Used to say what is missing, not to decide.
    """
    n = len(waits)
    within = sum(w <= target for w in waits) / n if n else 1.0
    if abs(within - p) < 1e-6:
        return None
    size = max(n, smallest_sample(p=p, confidence=confidence))
    while size <= 1_000_000:
        low, high = bounds(size, p, (1 + confidence) / 2)
        if within > p and high and high <= within * size:
            return size
        if within < p and low and low > within * size:
            return size
        size = ceil(size * 1.1) + 1
    return None


_MANY = 20_000  # samples from which the ranks come from the normal approximation, whose error is then under one rank


def binned(edges: Sequence[float], counts: Sequence[int], *, p: float = 0.95, confidence: float = 0.95) -> Quantile:
    """The p-quantile of samples of which only the histogram is known.

    Args:
        edges: upper ends of the buckets, ascending, the last one infinity; a bucket holds what is over the edge before.
        counts: how many samples each bucket holds.

    Returns:
        The bounds are edges: of the buckets in which the ranks of the confidence interval lie, so they hold whatever the
        distribution within a bucket is. `point` is interpolated evenly within its bucket, as Prometheus' histogram_quantile()
        does it, and may be off by the bucket's width; in the last bucket it is infinity.

    Raises:
        ValueError: no samples.
    """
    n = sum(counts)
    if not n:
        raise ValueError("a quantile needs at least one sample")
    level = (1 + confidence) / 2
    if n < _MANY:
        low, high = bounds(n, p, level)
    else:
        reach = NormalDist().inv_cdf(level) * sqrt(n * p * (1 - p)) + 1
        low, high = floor(n * p - reach), ceil(n * p + reach)
    ends = [0.0, *edges]
    up_to = list(accumulate(counts))

    def bucket(rank: float) -> int:
        return next(at for at, reached in enumerate(up_to) if reached >= rank)

    at = bucket(p * n)
    below = up_to[at] - counts[at]
    within = ends[at] + (edges[at] - ends[at]) * (p * n - below) / counts[at] if edges[at] < inf else inf
    return Quantile(
        p=p,
        samples=n,
        point=within,
        lower=ends[bucket(low)] if low else 0.0,
        upper=edges[bucket(high)] if high else inf,
        confidence=confidence,
    )


def moment_bounds(mean: float, deviation: float, *, p: float = 0.95) -> tuple[float, float]:
    """Where the p-quantile of any distribution with this mean and deviation lies (Cantelli's inequality).

    For p = 0.95: mean - 0.2294 deviations to mean + 4.3589 deviations. A proof where a target lies outside, no estimate.
    """
    return mean - deviation * sqrt((1 - p) / p), mean + deviation * sqrt(p / (1 - p))
