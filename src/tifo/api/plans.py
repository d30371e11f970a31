"""Holds each source's tracking plan ready for the ingest path, and stores the violations that its checks find."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from tifo.eventlog.ports import Append
from tifo.kernel.clock import Clock
from tifo.kernel.errors import Rejected, Transient
from tifo.kernel.ids import SourceId, TrackingPlanId
from tifo.source.plan import LIVELIKE_PLAN, plan_ids
from tifo.tracking.envelope import Message
from tifo.tracking.plans.checking import Checker
from tifo.tracking.plans.model import LENIENT, Controls, TrackingPlan
from tifo.tracking.plans.ports import TrackingPlans
from tifo.tracking.plans.violations import NO_PLAN, Origin, ViolationBuffer, forwarded, generated
from tifo.workspace.model import Source

REFRESH_S = 0.5
"""Half of the second within which a change of a plan is in force in every process."""
RETENTION = timedelta(days=8)
"""Violations are shown for up to 7 days; they are stored a day longer."""
_FORGET_EVERY = 7_200
"""Refreshes between two deletions of old violations: an hour."""

_violations = Counter("tifo_plan_violations", "Events that were not as their tracking plan says, or were repaired")
_log = structlog.get_logger("tifo.plans")


class SourcePlan:
    """Checks one source's messages by its tracking plan, and forwards the violations."""

    def __init__(self, origin: Origin, plan: TrackingPlan, controls: Controls) -> None:
        self.check = Checker(plan, controls)
        self._origin = origin
        self._plan = plan
        self._controls = controls

    def forwards(self, unplanned: Sequence[Message], at: datetime) -> list[Append]:
        """Makes the appends for those sources that violations and blocked events are forwarded to."""
        # Appended as they are: checked by the other source's plan, a violation could make another one without end.
        appends = []
        if (to := self._controls.forwarding_violations_to) is not None:
            violations = [made for message in unplanned for made in generated(self._origin, self._plan, message, at)]
            appends.append(Append(to, at, violations))
        if (to := self._controls.forwarding_blocked_events_to) is not None:
            blocked = [message for message in unplanned if message.verdict and message.verdict.blocked]
            appends.append(Append(to, at, [forwarded(self._origin, message) for message in blocked]))
        return [append for append in appends if append.accepted]

    @property
    def plan_id(self) -> TrackingPlanId:
        return self._plan.id


class _Known(NamedTuple):
    origin: Origin
    plan: TrackingPlan
    controls: Controls


class PlanBook:
    """Holds each source's compiled plan, at most a second old, and the violations until they are stored."""

    def __init__(self, plans: TrackingPlans, sources: Callable[[], Sequence[Source]], clock: Clock) -> None:
        self._plans = plans
        self._sources = sources
        self._clock = clock
        self._buffer = ViolationBuffer()
        self._known: dict[SourceId, _Known] = {}
        self._compiled: dict[SourceId, SourcePlan] = {}

    def of(self, source_id: SourceId) -> SourcePlan | None:
        return self._compiled.get(source_id)

    def note(self, source_id: SourceId, noted: Sequence[Message], at: datetime) -> None:
        """Counts messages that were repaired, or are not as planned."""
        plan = self.of(source_id)
        plan_id = NO_PLAN if plan is None else plan.plan_id
        _violations.inc(len(noted))
        for message in noted:
            self._buffer.note(source_id, plan_id, message, at)

    async def run(self) -> None:
        """Refreshes the plans and stores violations, until it is cancelled."""
        refreshes = 0
        while True:
            await asyncio.sleep(REFRESH_S)
            refreshes += 1
            try:
                await asyncio.to_thread(self.refresh)
                await self.write()
                if refreshes % _FORGET_EVERY == 0:
                    await asyncio.to_thread(self._plans.forget, self._clock() - RETENTION)
            except Transient as error:
                _log.info("plans not read or violations not written this time", reason=error.message)

    def refresh(self) -> None:
        """Blocks. Compiles only the plans that have changed since the last refresh."""
        known = self._read()
        plans_now = {source_id: self._plan(source_id, now) for source_id, now in known.items()}
        # Replaced whole, by one assignment: the event loop reads it while this thread works.
        self._compiled = {source_id: plan for source_id, plan in plans_now.items() if plan is not None}
        self._known = known

    def _read(self) -> dict[SourceId, _Known]:
        sources = self._sources()
        plans: dict[TrackingPlanId, TrackingPlan] = {plan.id: plan for plan in (LIVELIKE_PLAN, *self._plans.plans())}
        controls = self._plans.controls()
        ids = plan_ids(sources, self._plans.connections())
        return {
            source.id: _Known(
                Origin(source.id, source.name, source.slug), plans[ids[source.id]], controls.get(source.id, LENIENT)
            )
            for source in sources
            if ids.get(source.id) in plans
        }

    def _plan(self, source_id: SourceId, now: _Known) -> SourcePlan | None:
        """Returns None for a plan that does not compile: the source is then unchecked, and the log says so."""
        if self._known.get(source_id) == now:
            return self._compiled.get(source_id)
        # Rules are checked when they are written, so this is a rule that an older version of Tifo accepted. To refuse
        # the source's events for it would lose them.
        try:
            return SourcePlan(*now)
        except Rejected as error:
            _log.error("plan_unusable", source=now.origin.slug, plan=now.plan.name, reason=error.message)
            return None

    async def write(self) -> None:
        """Stores the violations since the last call. What the state refuses now is stored with the next call."""
        found = self._buffer.drain()
        if not found:
            return
        try:
            await asyncio.to_thread(self._plans.record, found)
        except Transient:
            self._buffer.restore(found)
            raise
