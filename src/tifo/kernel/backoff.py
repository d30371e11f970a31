"""Computes the pause before a failed attempt is repeated. Pure: chance is an argument."""

from dataclasses import dataclass

RETRY_AFTER_CAP_S = 3_600.0
"""The longest wait that an endpoint can ask for: one absurd `Retry-After` must not silence it for days."""

_MOST_DOUBLINGS = 32
"""The exponent's bound: every cap is reached before it, and `2.0 ** n` overflows at 1,024."""


@dataclass(frozen=True)
class Backoff:
    """Doubles a pause with each failure in a row, up to a cap, and leaves a share of it to chance.

    Chance keeps many senders that failed together from coming back together.
    """

    base_s: float
    """The pause after the first failure."""
    cap_s: float
    jitter: float = 0.5
    """The share of the pause that chance may take off: 0 keeps it whole, 0.5 at least half of it, 1 may leave none."""

    def pause_s(self, failures: int, chance: float, retry_after_s: float | None = None) -> float:
        """Returns the pause after the n-th failure in a row, counted from 1.

        `chance` is evenly spread over [0, 1). The pause is never shorter than the endpoint asked for in
        `retry_after_s`, of which at most `RETRY_AFTER_CAP_S` counts.
        """
        whole_s = min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
        return max(whole_s * (1.0 - self.jitter + self.jitter * chance), min(retry_after_s or 0.0, RETRY_AFTER_CAP_S))
