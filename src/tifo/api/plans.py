"""The tracking plans of sources, ready to check events by, and what the checks find on its way into the state."""

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
from tifo.tracking.plans.violations import Origin, ViolationBuffer, forwarded, generated
from tifo.workspace.model import Source

LOOK_S = 0.5
KEPT = timedelta(days=8)
"""Violations are shown for up to 7 days."""
_FORGET_EVERY = 7_200
"""Looks: once an hour."""

_violations = Counter("tifo_plan_violations", "Events that were not as their tracking plan says")
_log = structlog.get_logger("tifo.plans")


class Watch:
    """One source's plan."""

    def __init__(self, origin: Origin, plan: TrackingPlan, controls: Controls, notebook: ViolationBuffer) -> None:
        self.check = Checker(plan, controls)
        self._origin = origin
        self._plan = plan
        self._controls = controls
        self._notebook = notebook

    def forwards(self, unplanned: Sequence[Message], at: datetime) -> list[Append]:
        """What other sources get of it. It is not checked there: no violation makes another."""
        appends = []
        if (to := self._controls.forwarding_violations_to) is not None:
            told = [made for message in unplanned for made in generated(self._origin, self._plan, message, at)]
            appends.append(Append(to, at, told))
        if (to := self._controls.forwarding_blocked_events_to) is not None:
            blocked = [message for message in unplanned if message.verdict and message.verdict.blocked]
            appends.append(Append(to, at, [forwarded(self._origin, message) for message in blocked]))
        return [append for append in appends if append.accepted]

    def note(self, unplanned: Sequence[Message], at: datetime) -> None:
        _violations.inc(len(unplanned))
        for message in unplanned:
            self._notebook.note(self._origin.id, self._plan.id, message, at)


class _Known(NamedTuple):
    origin: Origin
    plan: TrackingPlan
    controls: Controls


class PlanBook:
    """Which source has which plan, at most a second old."""

    def __init__(self, plans: TrackingPlans, sources: Callable[[], Sequence[Source]], clock: Clock) -> None:
        self._plans = plans
        self._sources = sources
        self._clock = clock
        self._notebook = ViolationBuffer()
        self._known: dict[SourceId, _Known] = {}
        self._watches: dict[SourceId, Watch] = {}

    def of(self, source_id: SourceId) -> Watch | None:
        return self._watches.get(source_id)

    async def run(self) -> None:
        """For ever: follow what is set up, and write down what was found."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK_S)
            looks += 1
            try:
                await asyncio.to_thread(self.look)
                await self.write()
                if looks % _FORGET_EVERY == 0:
                    await asyncio.to_thread(self._plans.forget, self._clock() - KEPT)
            except Transient as error:
                _log.info("plans not read or violations not written this time", reason=error.message)

    def look(self) -> None:
        """Blocks. Only what has changed is compiled anew."""
        sources = self._sources()
        plans: dict[TrackingPlanId, TrackingPlan] = {plan.id: plan for plan in (LIVELIKE_PLAN, *self._plans.plans())}
        controls = self._plans.controls()
        ids = plan_ids(sources, self._plans.connections())
        known = {
            source.id: _Known(
                Origin(source.id, source.name, source.slug), plans[ids[source.id]], controls.get(source.id, LENIENT)
            )
            for source in sources
            if ids.get(source.id) in plans
        }
        watches = {source_id: self._watch(source_id, now) for source_id, now in known.items()}
        self._watches = {source_id: watch for source_id, watch in watches.items() if watch is not None}
        self._known = known

    def _watch(self, source_id: SourceId, now: _Known) -> Watch | None:
        """Rules are checked when they are written; a Tifo that cannot use one any more goes on without, and says so."""
        if self._known.get(source_id) == now:
            return self._watches.get(source_id)
        try:
            return Watch(*now, self._notebook)
        except Rejected as error:
            _log.error("plan_unusable", source=now.origin.slug, plan=now.plan.name, reason=error.message)
            return None

    async def write(self) -> None:
        """What the state does not take now is counted with what comes next."""
        found = self._notebook.take()
        if not found:
            return
        try:
            await asyncio.to_thread(self._plans.record, found)
        except Transient:
            self._notebook.give_back(found)
            raise
