"""What is kept of tracking plans."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.kernel.ids import SourceId, TrackingPlanId
from tifo.tracking.plans.model import Controls, PlanType, Rule, RuleType, TrackingPlan
from tifo.tracking.plans.violations import Noted, ViolationKey


class Told(NamedTuple):
    """Violations of one kind in a stretch of time."""

    kind: ViolationKey
    """Its bucket is the newest one."""
    noted: Noted


class TrackingPlans(Protocol):
    """Methods block. Other processes see a change within a second."""

    def create(self, name: str, plan_type: PlanType, description: str = "", rules: Sequence[Rule] = ()) -> TrackingPlan:
        """Raises `Rejected` for a bad name or rule, `Conflict` for a name that another plan has."""

    def plans(self) -> list[TrackingPlan]:
        """In the order of their making."""

    def change(
        self, plan_id: TrackingPlanId, *, name: str | None = None, description: str | None = None
    ) -> TrackingPlan:
        """Raises `NotFound`."""

    def replace_rules(self, plan_id: TrackingPlanId, rules: Sequence[Rule]) -> TrackingPlan:
        """Raises `NotFound`, and `Rejected` for bad rules: then nothing is changed."""

    def delete(self, plan_id: TrackingPlanId) -> None:
        """Raises `NotFound`, and `Conflict` while a source is connected to it."""

    def connect(self, source_id: SourceId, plan_id: TrackingPlanId | None) -> None:
        """In the place of another plan; None: to none, also where the source's kind comes with one. The plan may be one
        that is built in. Raises `NotFound` for an unknown source.
        """

    def connections(self) -> Mapping[SourceId, TrackingPlanId | None]:
        """Those that somebody made."""

    def controls(self) -> Mapping[SourceId, Controls]:
        """Those that were set."""

    def control(self, source_id: SourceId, controls: Controls) -> None:
        """Raises `NotFound` for an unknown source, also for one that is forwarded to."""

    def record(self, found: Mapping[ViolationKey, Noted]) -> None:
        """Adds up with what was recorded before."""

    def violations(self, source_id: SourceId, since: datetime, *, limit: int) -> list[Told]:
        """The most frequent first."""

    def forget(self, before: datetime) -> None:
        """Violations that are older."""


def with_rule_changes(
    rules: Sequence[Rule],
    upserted: Sequence[tuple[Rule, str | None]],
    removed: Sequence[tuple[RuleType, str | None, int]],
) -> list[Rule]:
    """`upserted`: rules with the key that they shall have instead, if any."""
    kept = {rule.place: rule for rule in rules}
    for place in removed:
        kept.pop(place, None)
    for rule, new_key in upserted:
        kept.pop(rule.place, None)
        made = (
            rule
            if new_key is None
            else Rule(type=rule.type, json_schema=rule.json_schema, key=new_key, version=rule.version)
        )
        kept[made.place] = made
    return list(kept.values())
