"""Decides how many requests are sent at once, and whether the destination is alive. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tifo.kernel.backoff import Backoff

BACKOFF = Backoff(base_s=1.0, cap_s=900.0)
"""The pause after the n-th failed attempt of an event: 1 s, 2 s, 4 s … 15 min, less up to a half by chance."""

MAX_AT_ONCE = 64
_FIRST_AT_ONCE = 4.0
_MIN_AT_ONCE = 1.0
_QUICK_S = 0.05
_SLOWER = 3.0
_BEST_GROWS = 1.001
"""Each answer lengthens the best time a little, so that one quick answer of long ago does not hold indefinitely."""

OPENS_AFTER = 5
"""The circuit opens after so many requests in a row that failed as a whole, none for an event's own sake."""
REFUSES_ALL_AFTER = 100
"""The circuit opens after so many events in a row that were refused for good: then the settings are at fault."""
PROBES = Backoff(base_s=1.0, cap_s=60.0)
"""The pause between two probes of a dead destination."""


@dataclass(frozen=True)
class ConcurrencyLimit:
    """Limits requests at once: one more after each round that went well, half after a push-back."""

    at_once: float = _FIRST_AT_ONCE
    halved_at_s: float = float("-inf")
    """Seconds on the monotonic clock."""
    best_s: float = float("inf")
    """The shortest answer time lately."""

    def __int__(self) -> int:
        return int(self.at_once)

    def after_answer(self, others: int, took_s: float, limit: int = MAX_AT_ONCE) -> "ConcurrencyLimit":
        """Grows the limit after an answer, with so many other requests in flight: where it was reached, and while the
        destination stays quick.
        """
        best_s = min(self.best_s * _BEST_GROWS, took_s)
        # A destination that has little to do says nothing about its limit; one that takes longer queues what is sent.
        if others + 1 < int(self.at_once) or took_s > max(_QUICK_S, _SLOWER * best_s):
            return replace(self, best_s=best_s)
        return replace(self, at_once=min(float(limit), self.at_once + 1.0 / self.at_once), best_s=best_s)

    def after_push_back(self, began_at_s: float, now_s: float) -> "ConcurrencyLimit":
        """Halves the limit, once for all requests that were in flight together: `began_at_s` is when this one began."""
        if began_at_s < self.halved_at_s:
            return self
        return replace(self, at_once=max(_MIN_AT_ONCE, self.at_once / 2), halved_at_s=now_s)


@dataclass(frozen=True)
class Circuit:
    """Says whether the destination is alive. While it is open the destination is dead and gets only probes."""

    failures: int = 0
    """Requests in a row that failed."""
    refusals: int = 0
    """Events in a row that were refused for good."""
    opened_at: datetime | None = None
    probes: int = 0
    """Since it opened."""
    probe_at: datetime | None = None
    """When the next probe is due; None for at once."""

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    def may_probe(self, now: datetime) -> bool:
        return self.is_open and self.probe_in_s(now) <= 0.0

    def probe_in_s(self, now: datetime) -> float:
        return 0.0 if self.probe_at is None else (self.probe_at - now).total_seconds()

    def after_refusal(self, events: int, now: datetime, chance: float) -> "Circuit":
        """Counts events that were refused for good. A destination that refuses everything is as good as dead."""
        refusals = self.refusals + events
        if refusals >= REFUSES_ALL_AFTER:
            return self._opened(now, chance, refusals=refusals)
        # A refusal is an answer: it ends a row of failures, and shows that the destination is alive.
        return Circuit(refusals=refusals)

    def after_failure(self, now: datetime, chance: float) -> "Circuit":
        """Counts a request that failed as a whole, in a way that may pass."""
        failures = self.failures + 1
        # A failed probe is enough while the circuit is open.
        if self.is_open or failures >= OPENS_AFTER:
            return self._opened(now, chance, failures=failures)
        return replace(self, failures=failures)

    def _opened(self, now: datetime, chance: float, **counted: int) -> "Circuit":
        after = timedelta(seconds=PROBES.pause_s(self.probes + 1, chance))
        opened_at = now if self.opened_at is None else self.opened_at
        return replace(self, opened_at=opened_at, probes=self.probes + 1, probe_at=now + after, **counted)


CLOSED = Circuit()
"""The circuit of a destination that accepted something last."""
