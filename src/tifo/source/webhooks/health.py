"""Judges whether an endpoint is dead, or refuses single webhooks only. Pure."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tifo.egress.answers import HttpAnswer

DEAD_AFTER = 5
"""An endpoint is dead after so many new facts that failed in a row."""
PROBE_CAP_S = 60.0
"""Longest pause between two probes of a dead endpoint."""
# Any other refusal, also 401 or 404, may be about every webhook: the endpoint is not counted as alive.
_ABOUT_THE_WEBHOOK = frozenset((400, 406, 409, 411, 413, 414, 415, 422, 431))
"""Statuses of an endpoint that is alive: it refuses this webhook."""


class EndpointHealth:
    """Follows one subscriber's endpoint by its answers."""

    def __init__(self, failed_in_a_row: int) -> None:
        self.failed_in_a_row = failed_in_a_row
        self._probe_at: datetime | None = None

    @property
    def is_dead(self) -> bool:
        return self.failed_in_a_row >= DEAD_AFTER

    def may_send_new(self, now: datetime) -> bool:
        # After a restart nothing is known of the last probe: a dead endpoint is then probed at once.
        return not self.is_dead or self._probe_at is None or now >= self._probe_at

    def new_facts(self, limit: int) -> int:
        """Returns how many new facts may be tried together."""
        # A dead endpoint is probed with one new fact: the facts that failed before may be at fault themselves.
        if self.failed_in_a_row == 0:
            return limit
        return 1 if self.is_dead else DEAD_AFTER

    def learn(self, answer: HttpAnswer, *, is_new: bool, now: datetime, pause_s: Callable[[int], float]) -> None:
        """Notes the answer to one attempt."""
        # A retry that fails once more says nothing about the endpoint: that one fact may be at fault.
        if answer.is_success or answer.status in _ABOUT_THE_WEBHOOK:
            self.failed_in_a_row = 0
        elif is_new:
            self.failed_in_a_row += 1
            self._probe_at = now + timedelta(seconds=min(PROBE_CAP_S, pause_s(self.failed_in_a_row)))
