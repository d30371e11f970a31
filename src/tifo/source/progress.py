"""Shows how one application's relay is doing: as a status, as metrics, in the log, and as a trouble in the store."""

import asyncio
import traceback
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog

from tifo.egress.answers import HttpAnswer
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Transient
from tifo.kernel.ids import ClientId, FactId
from tifo.leases.ports import Lease, LeaseLost
from tifo.source.answers import Decision, Hold, Retry
from tifo.source.metrics import RelayMetrics
from tifo.source.ports import FactFeed, RelayReport, Trouble

_ERROR_LENGTH = 2_048
"""Characters of an error that are stored."""

_log = structlog.get_logger(__name__)


class RelayState(StrEnum):
    IDLE = "idle"
    SENDING = "sending"
    RETRYING = "retrying"
    HELD = "held"
    """The endpoint refuses the write key, the address, or everything: someone has to act. The relay retries anyway."""


@dataclass(frozen=True, kw_only=True)
class RelayStatus:
    """Describes one relay since its process started; `FactFeed.report` knows the whole history."""

    client_id: ClientId
    state: RelayState = RelayState.IDLE
    attempts: int = 0
    """Failed attempts of the batch in hand."""
    last_error: str | None = None
    """The batch in hand's newest error; None once it was accepted."""
    sent: int = 0
    dead_lettered: int = 0


class RelayProgress:
    """Used by one `ApplicationRelay`. No method raises for a store that is out of reach, except `end_trouble`.

    Methods that store something do so under the relay's lease, and raise `LeaseLost`.
    """

    def __init__(self, client_id: ClientId, feed: FactFeed, clock: Clock, metrics: RelayMetrics) -> None:
        self.status = RelayStatus(client_id=client_id)
        self._feed = feed
        self._clock = clock
        self._metrics = metrics
        self._log = _log.bind(client_id=client_id)
        self._troubled_since: datetime | None = None
        """Set while the store holds a trouble of this application that has not ended."""

    def resume(self, report: RelayReport) -> None:
        """Continues an earlier relay's trouble, so that a restart does not make it look new."""
        self._troubled_since = report.trouble.since if report.trouble else None

    def count(self, decision: Decision) -> None:
        self._metrics.attempts.labels(self.status.client_id, type(decision).__name__.lower()).inc()

    def answered(self) -> None:
        """Ends the trouble: the endpoint has accepted the batch or refused it for good."""
        if self.status.last_error is not None:
            self._log.info("relay_recovered", attempts=self.status.attempts)
        self._show(state=RelayState.SENDING, attempts=0, last_error=None)

    def advanced(self, facts: int) -> None:
        self._troubled_since = None
        self._metrics.sent.labels(self.status.client_id).inc(facts)
        self._show(sent=self.status.sent + facts)

    def dead_lettered(self, fact_id: FactId, refusal: HttpAnswer) -> None:
        self._troubled_since = None
        self._metrics.dead_lettered.labels(self.status.client_id).inc()
        self._show(dead_lettered=self.status.dead_lettered + 1)
        self._log.error("relay_set_aside", fact_id=fact_id, answer=str(refusal))

    async def failed(self, decision: Retry | Hold, attempt: int, answer: HttpAnswer, lease: Lease | None) -> None:
        """Shows an attempt that will be repeated."""
        held = isinstance(decision, Hold)
        self._show(state=RelayState.HELD if held else RelayState.RETRYING, attempts=attempt, last_error=str(answer))
        log = self._log.error if held else self._log.warning
        log(
            "relay_held" if held else "relay_retries",
            attempt=attempt,
            after_s=round(decision.after_s, 3),
            answer=str(answer),
        )
        await self._store_trouble(lease)

    async def broke_down(self, error: Exception, failures: int, lease: Lease | None) -> None:
        """Shows a failure of Tifo's own: the store is out of reach, or there is a bug."""
        self._show(
            # A bug does not pass by itself: someone has to act.
            state=RelayState.RETRYING if isinstance(error, Transient) else RelayState.HELD,
            attempts=failures,
            last_error=f"{type(error).__name__}: {error}",
        )
        # As text: a renderer of tracebacks that shows local variables would show the write key.
        self._log.error("relay_failed", failures=failures, traceback="".join(traceback.format_exception(error)))
        await self._store_trouble(lease)

    def left(self) -> None:
        """Shows that another process goes on with the queue."""
        self._show(state=RelayState.IDLE, attempts=0, last_error=None)

    async def end_trouble(self, lease: Lease | None) -> None:
        """Shows that nothing is left to send."""
        if self._troubled_since is not None:
            await asyncio.to_thread(self._feed.note, self.status.client_id, None, under=lease)
            self._troubled_since = None
        self._show(state=RelayState.IDLE, last_error=None)

    async def _store_trouble(self, lease: Lease | None) -> None:
        """Stores the trouble. A store that refuses it does not stop the relay."""
        # In the store, so that a command in another process can show it.
        status, now = self.status, self._clock()
        trouble = Trouble(
            held=status.state is RelayState.HELD,
            since=self._troubled_since or now,
            tried_at=now,
            attempts=status.attempts,
            error=(status.last_error or "")[:_ERROR_LENGTH],
        )
        try:
            await asyncio.to_thread(self._feed.note, status.client_id, trouble, under=lease)
        except LeaseLost:
            raise
        except Exception as failure:  # noqa: BLE001 (of whatever kind: the trouble at hand is the one to deal with)
            self._log.warning("relay_trouble_not_noted", error=f"{type(failure).__name__}: {failure}")
        else:
            self._troubled_since = trouble.since

    def _show(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)
        self._metrics.held.labels(self.status.client_id).set(self.status.state is RelayState.HELD)
