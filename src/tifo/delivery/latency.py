"""Counts latencies in buckets: few enough to store for each minute, fine enough for percentiles within a tenth.

A bucket's bound is 1.2 times the one before, from a millisecond to three days.
"""

from collections.abc import Mapping
from math import ceil, log

_LEAST_S = 0.001
_RATIO = 1.2
_LAST = 106


def bucket_of(seconds: float) -> int:
    if seconds <= _LEAST_S:
        return 0
    # The logarithm's rounding would put a latency that equals a bound into the bucket above it.
    return min(_LAST, ceil(log(seconds / _LEAST_S) / log(_RATIO) - 1e-9))


def bound_s(bucket: int) -> float:
    """Returns the longest latency that the bucket holds; the last bucket also holds all longer ones."""
    return _LEAST_S * _RATIO**bucket


def percentile_s(buckets: Mapping[int, int], share: float) -> float | None:
    """Returns the bound of the bucket that the share (0 to 1) falls into; None where there are no latencies."""
    total = sum(buckets.values())
    if not total:
        return None
    remaining = ceil(total * share)
    for bucket in sorted(buckets):
        remaining -= buckets[bucket]
        if remaining <= 0:
            return bound_s(bucket)
    return bound_s(max(buckets))


def latency_ms(buckets: Mapping[int, int]) -> dict[str, float | None]:
    """Returns p50, p95 and p99, rounded; None where nothing was delivered."""
    seconds_by_name = {f"p{share}": percentile_s(buckets, share / 100) for share in (50, 95, 99)}
    return {name: None if seconds is None else round(1000 * seconds, 1) for name, seconds in seconds_by_name.items()}
