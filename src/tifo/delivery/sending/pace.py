"""How fast a destination is sent to, and when again: pure decisions, with time and chance handed in."""

from dataclasses import dataclass, replace

from tifo.kernel.backoff import Backoff

BACKOFF = Backoff(base_s=1.0, cap_s=900.0)
"""After the n-th failed attempt of an event: 1 s, 2 s, 4 s … 15 min, of which chance takes off up to a half."""

MOST_AT_ONCE = 64
_AT_ONCE_FIRST = 4.0
_LEAST_AT_ONCE = 1.0
_QUICK_S = 0.05
_SLOWER = 3.0
_FORGETS = 1.001
"""So that a best time of long ago does not hold for ever."""

OPENS_AFTER = 5
"""Requests in a row that nobody took, none of them for the event's own sake."""
REFUSES_ALL_AFTER = 100
"""Events in a row that were refused for good: then the settings are at fault, and the rest waits in the log."""
PROBES = Backoff(base_s=1.0, cap_s=60.0)
"""Between two probes of a dead destination."""


@dataclass(frozen=True)
class ConcurrencyLimit:
    """How many requests may be under way at once: one more for each round that went well, half after a push-back."""

    at_once: float = _AT_ONCE_FIRST
    halved_at: float = float("-inf")
    best_s: float = float("inf")
    """How quickly it can answer: the best time lately."""

    def __int__(self) -> int:
        return int(self.at_once)

    def well(self, under_way: int, took_s: float, limit: int = MOST_AT_ONCE) -> "ConcurrencyLimit":
        """After an answer, with so many other requests under way. Grows only where the width was the limit (a quiet
        destination's width means nothing), and while the destination stays quick: what it takes longer for, it queues.
        """
        best_s = min(self.best_s * _FORGETS, took_s)
        if under_way + 1 < int(self.at_once) or took_s > max(_QUICK_S, _SLOWER * best_s):
            return replace(self, best_s=best_s)
        return replace(self, at_once=min(float(limit), self.at_once + 1.0 / self.at_once), best_s=best_s)

    def pushed_back(self, began_at: float, now: float) -> "ConcurrencyLimit":
        """Once for all the requests that were under way together: `began_at` is when this one was sent."""
        if began_at < self.halved_at:
            return self
        return replace(self, at_once=max(_LEAST_AT_ONCE, self.at_once / 2), halved_at=now)


@dataclass(frozen=True)
class Circuit:
    """Whether the destination is alive. Open means dead: nothing is sent but a probe now and then."""

    failures: int = 0
    """Requests in a row that failed."""
    refusals: int = 0
    """Events in a row that were refused for good."""
    opened_at: float | None = None
    probes: int = 0
    """Since it opened."""
    probe_at: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    def may_probe(self, now: float) -> bool:
        return self.is_open and now >= self.probe_at

    def taken(self) -> "Circuit":
        """Something was taken: it is alive."""
        return CLOSED

    def refused(self, events: int, now: float, chance: float) -> "Circuit":
        """It answered, but refused for good. A destination that refuses whatever it is sent is as good as dead."""
        refusals = self.refusals + events
        if refusals >= REFUSES_ALL_AFTER:
            return self._opened(now, chance, refusals=refusals)
        return Circuit(refusals=refusals)

    def failed(self, now: float, chance: float) -> "Circuit":
        """A whole request failed, in a way that may pass."""
        failures = self.failures + 1
        if self.is_open or failures >= OPENS_AFTER:
            return self._opened(now, chance, failures=failures)
        return replace(self, failures=failures)

    def _opened(self, now: float, chance: float, **counted: int) -> "Circuit":
        after_s = PROBES.pause_s(self.probes + 1, chance)
        opened_at = now if self.opened_at is None else self.opened_at
        return replace(self, opened_at=opened_at, probes=self.probes + 1, probe_at=now + after_s, **counted)


CLOSED = Circuit()
