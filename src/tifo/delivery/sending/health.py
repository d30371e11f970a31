"""Judges one destination by what its answers say of itself, rather than of the events that were sent."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from tifo.delivery.ports import ConnectionStatus
from tifo.delivery.sending.pace import CLOSED, Circuit, ConcurrencyLimit
from tifo.destinations.ports import Fate, Outcome
from tifo.kernel.backoff import RETRY_AFTER_CAP_S
from tifo.kernel.clock import Clock
from tifo.kernel.ids import DestinationId

DETAIL_CHARACTERS = 500

_PUSHED_BACK = frozenset(("408", "429", "503", "504", "ETIMEDOUT"))
"""Codes of a destination that is alive and has too much to do."""
_SHORTEST_PAUSE_S = 0.02

_log = structlog.get_logger("tifo.delivery")


class DestinationHealth:
    """Decides how many requests may be in flight: none while the destination asked for a pause, single probes while it
    is dead, else as many as it has borne so far.

    `status` is the one stored last: a restart does not make a dead destination look alive.
    """

    def __init__(
        self,
        destination_id: DestinationId,
        status: ConnectionStatus,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self.limit = ConcurrencyLimit()
        self._destination_id = destination_id
        self._clock = clock
        self._monotonic = monotonic
        self._chance = chance
        # No `probe_at`: after a restart the first probe is due at once.
        self._circuit = CLOSED if status.dead_since is None else Circuit(opened_at=status.dead_since, probes=1)
        self._paused_until_s = 0.0
        self.dead_reason = "" if status.dead_since is None else status.dead_reason

    @property
    def is_dead(self) -> bool:
        return self._circuit.is_open

    @property
    def dead_since(self) -> datetime | None:
        return self._circuit.opened_at

    def at_once(self) -> int:
        """Returns how many requests may be in flight now."""
        if self._monotonic() < self._paused_until_s:
            return 0
        if self._circuit.is_open:
            return 1 if self._circuit.may_probe(self._clock()) else 0
        return int(self.limit)

    def waits_s(self) -> float | None:
        """Returns how long nothing may be sent; None while it is alive and asked for no pause."""
        paused_s = self._paused_until_s - self._monotonic()
        if paused_s > 0.0:
            return paused_s
        if self._circuit.is_open:
            return max(_SHORTEST_PAUSE_S, self._circuit.probe_in_s(self._clock()))
        return None

    def learn(
        self, outcomes: Sequence[Outcome], *, began_at_s: float, took_s: float, others: int, is_new: bool
    ) -> None:
        """Learns from one request's outcomes, with `others` still in flight.

        `is_new`: at least one of its events was attempted for the first time.
        """
        now_s = self._monotonic()
        was_dead = self.is_dead
        self._circuit = self._circuit_after(outcomes, is_new=is_new)
        # Only answers that say "too much" shrink the limit: other failures have nothing to do with the rate.
        if any(outcome.fate is Fate.RETRY and outcome.code in _PUSHED_BACK for outcome in outcomes):
            self.limit = self.limit.after_push_back(began_at_s, now_s)
        else:
            self.limit = self.limit.after_answer(others, took_s)
        self._pause(outcomes, now_s)
        if self.is_dead != was_dead:
            self._report(outcomes[0])

    def _circuit_after(self, outcomes: Sequence[Outcome], *, is_new: bool) -> Circuit:
        fates = {outcome.fate for outcome in outcomes}
        # One accepted event shows that the destination is alive, whatever became of the others.
        if fates & {Fate.DELIVERED, Fate.FILTERED}:
            return CLOSED
        if fates == {Fate.FAILED}:
            return self._circuit.after_refusal(len(outcomes), self._clock(), self._chance())
        # An event that fails again and again says nothing of the destination; only new events open the circuit.
        if fates == {Fate.RETRY} and (is_new or self.is_dead):
            return self._circuit.after_failure(self._clock(), self._chance())
        return self._circuit

    def _pause(self, outcomes: Sequence[Outcome], now_s: float) -> None:
        """Pauses all requests where the destination asked for it."""
        asked_s = [outcome.retry_after_s for outcome in outcomes if outcome.retry_after_s]
        # A request that delivered anything asks for a pause of single events, not of the destination.
        if asked_s and not any(outcome.fate is Fate.DELIVERED for outcome in outcomes):
            self._paused_until_s = max(self._paused_until_s, now_s + min(max(asked_s), RETRY_AFTER_CAP_S))

    def _report(self, outcome: Outcome) -> None:
        self.dead_reason = f"{outcome.code} {outcome.detail[:DETAIL_CHARACTERS]}".strip() if self.is_dead else ""
        log = _log.warning if self.is_dead else _log.info
        log(
            "delivery.destination_dead" if self.is_dead else "delivery.destination_alive",
            destination_id=self._destination_id,
            reason=self.dead_reason,
        )
