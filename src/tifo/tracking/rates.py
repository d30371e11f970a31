"""Limits how many events a source may send: one token bucket for each."""

import time
from collections.abc import Callable

from tifo.kernel.errors import Overloaded
from tifo.kernel.ids import SourceId

BURST_S = 1.0
"""Seconds of the rate that may come at once after a pause."""


class SourceRateLimit:
    """Allows `per_s` events a second for each source, in this process; 0 is no limit.

    A request may overdraw its bucket; the next one then waits longer. Holds one entry for each source that ever sent.
    """

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._left: dict[SourceId, tuple[float, float]] = {}
        """For each source the events in its bucket, and when that was computed."""

    def check(self, source_id: SourceId) -> None:
        """Raises `Overloaded` with the seconds until the source may send again."""
        if not self._per_s:
            return
        left = self._now_left(source_id)
        # Whatever the request's size: a batch larger than the bucket would otherwise never be accepted.
        if left < 1:
            raise Overloaded(
                f"The source sends more than its {self._per_s:g} events a second. Send this again after the time in"
                " Retry-After, or raise rate_limit.",
                retry_after_s=(1 - left) / self._per_s,
            )

    def spend(self, source_id: SourceId, events: int) -> None:
        if self._per_s:
            self._left[source_id] = (self._now_left(source_id) - events, self._clock())

    def _now_left(self, source_id: SourceId) -> float:
        # At least one event, or a rate below one a second would never let any through.
        full = max(1.0, self._per_s * BURST_S)
        left, at = self._left.get(source_id, (full, self._clock()))
        return min(full, left + (self._clock() - at) * self._per_s)
