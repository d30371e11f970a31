"""Specifies the store of tracking plans, schema controls and violations."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tifo.kernel.errors import NotFound
from tifo.kernel.ids import SourceId, TrackingPlanId
from tifo.tracking.plans.model import Controls, PlanType, Rule, RuleType, TrackingPlan
from tifo.tracking.plans.violations import ViolationCounts, ViolationKey

RulePlace = tuple[RuleType, str | None, int]
"""A rule of a plan, by type, key and version."""


class ViolationSummary(NamedTuple):
    """Sums up violations of one kind since a moment."""

    kind: ViolationKey
    """Its bucket is the newest one that has such a violation."""
    noted: ViolationCounts


class TrackingPlans(Protocol):
    """Methods block. Other processes see a change within a second."""

    def create(self, name: str, plan_type: PlanType, description: str = "", rules: Sequence[Rule] = ()) -> TrackingPlan:
        """Raises `Rejected` for a bad name or rule, `Conflict` for the name of another plan."""

    def plans(self) -> list[TrackingPlan]:
        """Returns plans in the order in which they were made."""

    def change(
        self, plan_id: TrackingPlanId, *, name: str | None = None, description: str | None = None
    ) -> TrackingPlan:
        """Raises `NotFound`."""

    def replace_rules(self, plan_id: TrackingPlanId, rules: Sequence[Rule]) -> TrackingPlan:
        """Raises `NotFound`, and `Rejected` for bad rules; the plan keeps its rules then."""

    def change_rules(
        self,
        plan_id: TrackingPlanId,
        upserted: Sequence[tuple[Rule, str | None]] = (),
        removed: Sequence[RulePlace] = (),
    ) -> TrackingPlan:
        """Changes rules as `with_rule_changes` does; what somebody else changed meanwhile stays.

        Raises `NotFound` for the plan, and as `with_rule_changes` and `replace_rules` do.
        """

    def delete(self, plan_id: TrackingPlanId) -> None:
        """Raises `NotFound`, and `Conflict` while a source is connected to it."""

    def connect(self, source_id: SourceId, plan_id: TrackingPlanId | None) -> None:
        """Replaces the source's plan; None leaves it without one, even where its kind comes with a built-in plan.

        The plan may be a built-in one. Raises `NotFound` for an unknown source or plan.
        """

    def connections(self) -> Mapping[SourceId, TrackingPlanId | None]:
        """Returns the connections that were made; a source that is not in it has its kind's plan."""

    def controls(self) -> Mapping[SourceId, Controls]:
        """Returns the controls that were set; a source that is not in it has the default."""

    def control(self, source_id: SourceId, controls: Controls) -> None:
        """Raises `NotFound` for an unknown source, whether it is controlled or forwarded to."""

    def change_controls(self, source_id: SourceId, asked: Mapping[str, object]) -> Controls:
        """Changes what `asked` names, as `model.changed` does; what somebody else changed meanwhile stays.

        Raises as `changed` and `control` do.
        """

    def record(self, found: Mapping[ViolationKey, ViolationCounts]) -> None:
        """Adds counts to those that were recorded before; the newest sample stays."""

    def violations(self, source_id: SourceId, since: datetime, *, limit: int) -> list[ViolationSummary]:
        """Returns the most frequent kinds first."""

    def forget(self, before: datetime) -> None:
        """Deletes violations from before the moment."""


def with_rule_changes(
    rules: Sequence[Rule],
    upserted: Sequence[tuple[Rule, str | None]],
    removed: Sequence[RulePlace],
) -> list[Rule]:
    """Removes rules by their place, then adds or replaces rules: each `upserted` one with its new key, if any.

    Raises `NotFound` where one of those to remove is absent.
    """
    by_place = {rule.place: rule for rule in rules}
    unknown = set(removed) - by_place.keys()
    if unknown:
        rule_type, key, version = min(unknown, key=str)
        raise NotFound(f"The plan has no {rule_type} rule {key!r:.100} of version {version}.", field="rules")
    for place in removed:
        by_place.pop(place, None)  # it may be named twice
    for rule, new_key in upserted:
        by_place.pop(rule.place, None)
        made = (
            rule
            if new_key is None
            else Rule(type=rule.type, json_schema=rule.json_schema, key=new_key, version=rule.version)
        )
        by_place[made.place] = made
    return list(by_place.values())
