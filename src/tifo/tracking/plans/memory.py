"""Stores tracking plans, schema controls and violations in memory, for tests."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import NotFound
from tifo.kernel.ids import NewId, SourceId, TrackingPlanId, uuid7
from tifo.tracking.plans.checking import check_rules
from tifo.tracking.plans.model import (
    BUILT_IN_PLAN,
    LENIENT,
    Controls,
    PlanType,
    Rule,
    TrackingPlan,
    changed,
    check_plan_name_free,
    check_unused,
    checked_plan_name,
    no_plan,
)
from tifo.tracking.plans.ports import RulePlace, ViolationSummary, with_rule_changes
from tifo.tracking.plans.violations import ViolationCounts, ViolationKey, added, bucket_of


class InMemoryTrackingPlans:
    """Implements `tracking.plans.ports.TrackingPlans`. `slugs` returns the sources that exist: slugs by id."""

    def __init__(
        self,
        slugs: Callable[[], Mapping[SourceId, str]],
        *,
        clock: Clock = system_clock,
        new_id: NewId = uuid7,
    ) -> None:
        self._slugs = slugs
        self._clock = clock
        self._new_id = new_id
        # Reentrant and public: the workspace holds it around several changes, which are one transaction on SQL.
        self.lock = threading.RLock()
        self._plans: dict[TrackingPlanId, TrackingPlan] = {}
        self._connections: dict[SourceId, TrackingPlanId | None] = {}
        self._controls: dict[SourceId, Controls] = {}
        self._violations: dict[ViolationKey, ViolationCounts] = {}

    def create(self, name: str, plan_type: PlanType, description: str = "", rules: Sequence[Rule] = ()) -> TrackingPlan:
        now = self._clock()
        with self.lock:
            # Names before rules, as the SQL store checks them: both must refuse alike.
            check_plan_name_free(name, self._names())
            made = TrackingPlan(
                id=TrackingPlanId(self._new_id()),
                name=checked_plan_name(name),
                description=description,
                type=plan_type,
                rules=tuple(rules),
                created_at=now,
                updated_at=now,
            )
            check_rules(rules)
            self._plans[made.id] = made
            return made

    def plans(self) -> list[TrackingPlan]:
        with self.lock:
            return list(self._plans.values())

    def change(
        self, plan_id: TrackingPlanId, *, name: str | None = None, description: str | None = None
    ) -> TrackingPlan:
        values: dict[str, Any] = {} if name is None else {"name": checked_plan_name(name)}
        values |= {} if description is None else {"description": description}
        with self.lock:
            if name is not None:
                check_plan_name_free(name, self._names(but=plan_id))
            return self._put(replace(self._plan(plan_id), **values))

    def replace_rules(self, plan_id: TrackingPlanId, rules: Sequence[Rule]) -> TrackingPlan:
        check_rules(rules)
        with self.lock:
            return self._put(replace(self._plan(plan_id), rules=tuple(rules)))

    def change_rules(
        self,
        plan_id: TrackingPlanId,
        upserted: Sequence[tuple[Rule, str | None]] = (),
        removed: Sequence[RulePlace] = (),
    ) -> TrackingPlan:
        with self.lock:
            return self.replace_rules(plan_id, with_rule_changes(self._plan(plan_id).rules, upserted, removed))

    def delete(self, plan_id: TrackingPlanId, *, force: bool = False) -> None:
        """With `force` the sources that are connected to it lose their plan."""
        with self.lock:
            plan = self._plan(plan_id)
            slugs = self._slugs()
            using = [source_id for source_id, each in self._connections.items() if each == plan_id]
            if not force:
                check_unused(plan, [slugs[source_id] for source_id in using if source_id in slugs])
            for source_id in using:
                del self._connections[source_id]
            del self._plans[plan_id]

    def connect(self, source_id: SourceId, plan_id: TrackingPlanId | None) -> None:
        self._check_source(source_id)
        with self.lock:
            if plan_id is not None and plan_id != BUILT_IN_PLAN:
                self._plan(plan_id)
            self._connections[source_id] = plan_id

    def connections(self) -> Mapping[SourceId, TrackingPlanId | None]:
        with self.lock:
            return dict(self._connections)

    def controls(self) -> Mapping[SourceId, Controls]:
        with self.lock:
            return dict(self._controls)

    def control(self, source_id: SourceId, controls: Controls) -> None:
        for each in (source_id, controls.forwarding_violations_to, controls.forwarding_blocked_events_to):
            if each is not None:
                self._check_source(each)
        with self.lock:
            self._controls[source_id] = controls

    def change_controls(self, source_id: SourceId, asked: Mapping[str, object]) -> Controls:
        with self.lock:
            made = changed(self._controls.get(source_id, LENIENT), asked)
            self.control(source_id, made)
        return made

    def record(self, found: Mapping[ViolationKey, ViolationCounts]) -> None:
        with self.lock:
            for kind, noted in found.items():
                self._violations[kind] = added(self._violations.get(kind), noted)

    def violations(self, source_id: SourceId, since: datetime, *, limit: int) -> list[ViolationSummary]:
        summed: dict[ViolationKey, ViolationSummary] = {}
        with self.lock:
            for kind, noted in sorted(self._violations.items(), key=lambda each: each[0].bucket):
                if kind.source_id == source_id and kind.bucket >= bucket_of(since):
                    regardless = kind._replace(bucket=0)
                    before = summed.get(regardless)
                    summed[regardless] = ViolationSummary(kind, added(before and before.noted, noted))
        return sorted(summed.values(), key=lambda each: (-each.noted.total, each.kind))[:limit]

    def forget(self, before: datetime) -> None:
        with self.lock:
            left = {kind: noted for kind, noted in self._violations.items() if kind.bucket >= bucket_of(before)}
            self._violations = left

    def snapshot(self) -> Callable[[], None]:
        """Returns a function that brings back the present plans, connections and controls."""
        plans, connections, controls = dict(self._plans), dict(self._connections), dict(self._controls)

        def restore() -> None:
            self._plans, self._connections, self._controls = plans, connections, controls

        return restore

    def _names(self, *, but: TrackingPlanId | None = None) -> list[str]:
        return [each.name for each in self._plans.values() if each.id != but]

    def _plan(self, plan_id: TrackingPlanId) -> TrackingPlan:
        if plan_id not in self._plans:
            raise no_plan(plan_id)
        return self._plans[plan_id]

    def _put(self, plan: TrackingPlan) -> TrackingPlan:
        self._plans[plan.id] = changed = replace(plan, updated_at=self._clock())
        return changed

    def _check_source(self, source_id: SourceId) -> None:
        if source_id not in self._slugs():
            raise NotFound(f"There is no source {source_id!r:.100}. See `tifo source list`.", field="sourceId")
