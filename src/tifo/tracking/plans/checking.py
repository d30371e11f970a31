"""Checks events by a tracking plan, and decides what becomes of an event that violates it.

Compiled code checks a schema in half a microsecond; only an event that violates it is searched for its violations.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import jsonschema_rs

from tifo.kernel.errors import Rejected
from tifo.tracking.nesting import is_deeper
from tifo.tracking.plans.codes import (
    COMMON_SCHEMA_VIOLATION,
    SCHEMA_VIOLATION,
    UNPLANNED_AND_SCHEMA_VIOLATION,
    UNPLANNED_EVENT,
)
from tifo.tracking.plans.model import (
    MAX_RULES,
    MAX_SCHEMA_BYTES,
    Controls,
    OnCommon,
    Rule,
    RuleType,
    TrackingPlan,
)

MAX_VIOLATIONS = 20
"""Limit of violations that are reported for one event."""
_MAX_DEPTH = 64
_ABSENT = object()
_PLAIN = frozenset(("$schema", "$id", "title", "description", "type", "properties", "required", "labels"))
"""Keywords at the top of a schema that look only at the fields that they name."""
_DESCRIPTION = 300
# Segment documents `Required`, and no list of the others; their names follow it.
_KINDS = {"required": "Required", "type": "Invalid Type"}
_TYPES = {
    "track": RuleType.TRACK,
    "identify": RuleType.IDENTIFY,
    "group": RuleType.GROUP,
    "page": RuleType.PAGE,
    "screen": RuleType.SCREEN,
}
_NAMED = {"track": "event", "page": "name", "screen": "name"}


class Violation(NamedTuple):
    type: str
    """`Required`, `Invalid Type`, `Invalid Value`, `Unplanned Event` or `Unplanned Property`."""
    field: str
    """A path such as `properties.price`; empty where the event itself violates the plan."""
    description: str


class Verdict(NamedTuple):
    """Describes how an event violates its plan, and whether it is blocked."""

    call: str
    """`track`, `identify`, …"""
    name: str
    """A track's event, a page's or screen's name; else empty."""
    violations: Sequence[Violation]
    blocked: str | None
    """Segment's code where the event is blocked; None where it is not."""
    omitted: Sequence[str]
    """Fields that were removed from it."""


class _Checked(NamedTuple):
    validator: jsonschema_rs.Draft7Validator
    planned: frozenset[str]
    """Fields of the payload that the schema names."""


class Checker:
    """Checks the events of one source by its plan and controls. Changes an event's payload in place."""

    def __init__(self, plan: TrackingPlan, controls: Controls) -> None:
        self._controls = controls
        self._rules = {place: _compiled(rule) for place, rule in plan.latest.items()}
        self._common = self._rules.pop((RuleType.COMMON, None), None)
        self._plans_tracks = any(kind is RuleType.TRACK for kind, _ in self._rules)
        self._tracks = {key: rule.validator.is_valid for (kind, key), rule in self._rules.items() if kind == "TRACK"}
        self._only_own_rules = self._common is None and controls.track.allow_unplanned_event_properties
        # Only the fields that the rules read are handed in. So a source with a plan reaches 0.87 of the rate of one
        # without.
        parts = [_parts(rule.json_schema) for rule in plan.latest.values()]
        self.parts = None if None in parts else frozenset().union(*(part for part in parts if part is not None))
        """The fields of an event that the rules read; None for all of them."""

    def __call__(self, event: Mapping[str, Any]) -> Verdict | None:
        """Returns None for an event that fits the plan. `event` has at least type, name and `parts`."""
        # The usual case costs one look-up and one call of compiled code.
        if self._only_own_rules and event["type"] == "track":
            is_valid = self._tracks.get(event["event"])
            if is_valid is not None and is_valid(event):
                return None  # nearly always
        return self._checked(event)

    def _checked(self, event: Mapping[str, Any]) -> Verdict | None:
        kind = event["type"]
        name = name_of(event)
        rule_type = _TYPES.get(kind)
        rule = None if rule_type is None else self._rules.get((rule_type, name or None))
        if rule is None and rule_type is not None and name:
            rule = self._rules.get((rule_type, None))
        payload = event.get("traits" if kind in {"identify", "group"} else "properties")
        if (
            (rule is not None or kind != "track" or not self._plans_tracks)
            and (rule is None or rule.validator.is_valid(event))
            and (self._common is None or self._common.validator.is_valid(event))
            and (rule is None or self._lets_unplanned(kind) or not payload or payload.keys() <= rule.planned)
        ):
            return None
        return self._judged(event, rule, name)

    def _judged(self, event: Mapping[str, Any], rule: _Checked | None, name: str) -> Verdict:
        # Segment: the standard controls act by the event's own rule first, then the common rule does.
        case = _Case(event)
        code = self._by_own_rule(case, rule)
        if code is None:
            code = self._by_common_rule(case)
        return Verdict(
            call=case.kind, name=name, violations=case.violations[:MAX_VIOLATIONS], blocked=code, omitted=case.omitted
        )

    def _by_own_rule(self, case: "_Case", rule: _Checked | None) -> str | None:
        if rule is None:
            if case.kind == "track" and self._plans_tracks:
                case.note([Violation("Unplanned Event", "", "The plan has no rule for this event.")])
                return None if self._controls.track.allow_unplanned_events else UNPLANNED_EVENT
            return None
        violations = list(_violations(rule.validator, case.event))
        case.note(violations)
        unplanned = [] if self._lets_unplanned(case.kind) else case.unplanned(rule.planned)
        # Segment has no control that blocks an identify or a group for its own rule.
        if violations and case.kind == "track" and not self._controls.track.allow_event_on_violations:
            return UNPLANNED_AND_SCHEMA_VIOLATION if unplanned else SCHEMA_VIOLATION
        if violations and not self._lets_violating(case.kind):
            case.omit(violations)
        case.note(unplanned)
        case.omit(unplanned)
        return None

    def _by_common_rule(self, case: "_Case") -> str | None:
        if self._common is None:
            return None
        violations = list(_violations(self._common.validator, case.event))
        case.note(violations)
        does = self._on_common(case.kind)
        if not violations or does is OnCommon.ALLOW:
            return None
        if does is OnCommon.BLOCK:
            return COMMON_SCHEMA_VIOLATION
        case.omit(violations)
        return None

    def _lets_unplanned(self, kind: str) -> bool:
        controls = self._controls
        if kind == "track":
            return controls.track.allow_unplanned_event_properties
        return self._traits(kind).allow_unplanned_traits if kind in {"identify", "group"} else True

    def _lets_violating(self, kind: str) -> bool:
        controls = self._controls
        if kind == "track":
            return controls.track.allow_properties_on_violations
        return self._traits(kind).allow_traits_on_violations if kind in {"identify", "group"} else True

    def _on_common(self, kind: str) -> OnCommon:
        # Pages and screens pass: Segment has no control for them.
        if kind == "track":
            return self._controls.track.common_event_on_violations
        return self._traits(kind).common_event_on_violations if kind in {"identify", "group"} else OnCommon.ALLOW

    def _traits(self, kind: str) -> Any:
        return self._controls.identify if kind == "identify" else self._controls.group


class _Case:
    """Collects the violations of one event, and removes fields from its payload."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self.event = event
        self.kind: str = event["type"]
        self.violations: list[Violation] = []
        self.omitted: list[str] = []
        self._payload = "traits" if self.kind in {"identify", "group"} else "properties"

    def note(self, found: Sequence[Violation]) -> None:
        # The own rule and the common rule may find the same fault.
        known = {(violation.type, violation.field) for violation in self.violations}
        self.violations += [each for each in found if (each.type, each.field) not in known]

    def unplanned(self, planned: frozenset[str]) -> list[Violation]:
        names = sorted((self.event.get(self._payload) or {}).keys() - planned)
        return [
            Violation("Unplanned Property", f"{self._payload}.{name}", "The plan does not know it.") for name in names
        ]

    def omit(self, found: Sequence[Violation]) -> None:
        """Removes violating fields from the payload; a missing field cannot be removed."""
        for violation in found:
            payload, _, path = violation.field.partition(".")
            if payload == self._payload and path and violation.type != "Required" and self._remove(path.split(".")):
                self.omitted.append(violation.field)

    def _remove(self, path: Sequence[str]) -> bool:
        """Returns False where the field is gone already: an earlier violation was in it, or in an object around it."""
        holder: Any = self.event[self._payload]
        for name in path[:-1]:
            inner = holder.get(name)
            if isinstance(inner, list):
                # One element cannot be removed without moving the others: the array goes.
                del holder[name]
                return True
            if not isinstance(inner, MutableMapping):
                return False
            holder = inner
        return holder.pop(path[-1], _ABSENT) is not _ABSENT


def name_of(event: Mapping[str, Any]) -> str:
    """Returns a track's event, a page's or screen's name; else an empty text."""
    return str(event.get(_NAMED.get(event["type"], "")) or "")


def check_rules(rules: Sequence[Rule]) -> None:
    """Raises `Rejected` for the first malformed rule, naming it and the place in its schema."""
    if len(rules) > MAX_RULES:
        raise Rejected(
            f"rules has {len(rules):,} entries; at most {MAX_RULES:,} are allowed. Remove some.", field="rules"
        )
    seen = set()
    for number, rule in enumerate(rules):
        if rule.place in seen:
            raise Rejected(f"rules[{number}] is the second one for {rule}. Keep one.", field=f"rules[{number}]")
        seen.add(rule.place)
        if rule.type in {RuleType.COMMON, RuleType.IDENTIFY, RuleType.GROUP} and rule.key:
            raise Rejected(
                f"rules[{number}]: a {rule.type} rule has no key. Leave it out.", field=f"rules[{number}].key"
            )
        if rule.type is RuleType.TRACK and not rule.key:
            raise Rejected(
                f"rules[{number}]: a TRACK rule names its event as its key. Give one.", field=f"rules[{number}].key"
            )
        try:
            _compiled(rule)
        except Rejected as error:
            raise Rejected(f"rules[{number}] ({rule}): {error.message}", field=f"rules[{number}].jsonSchema") from error


def _compiled(rule: Rule) -> _Checked:
    """Raises `Rejected` for a malformed schema. References lead to places in it, never anywhere else."""
    if len(repr(rule.json_schema)) > MAX_SCHEMA_BYTES:
        raise Rejected(f"jsonSchema is larger than {MAX_SCHEMA_BYTES:,} bytes. Make it shorter.")
    if is_deeper(rule.json_schema, _MAX_DEPTH):
        raise Rejected(f"jsonSchema is nested deeper than {_MAX_DEPTH} levels. Make it flatter.")
    try:
        # RegexOptions: an engine of linear time. The default one backtracks, so one hostile pattern could hold the api.
        # The retriever refuses, so that a `$ref` cannot make the api send requests.
        validator = jsonschema_rs.Draft7Validator(
            rule.json_schema, pattern_options=jsonschema_rs.RegexOptions(), retriever=_nowhere
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        place = "/".join(map(str, getattr(error, "instance_path", ())))
        what = getattr(error, "message", None) or str(error).splitlines()[0]
        raise Rejected(f"jsonSchema is no JSON schema of draft 7, at /{place}: {what:.300}") from error
    return _Checked(validator, _planned(rule))


def _parts(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """Returns the fields of the event that a schema looks at; None where it may look at any."""
    if schema.keys() - _PLAIN or not isinstance(schema.get("properties", {}), dict):
        return None
    return frozenset((*schema.get("properties", {}), *schema.get("required", ())))


def _nowhere(address: str) -> Any:
    raise ValueError(f"{address:.100} is not looked up: a schema refers to its own parts only.")


def _planned(rule: Rule) -> frozenset[str]:
    payload = "traits" if rule.type in {RuleType.IDENTIFY, RuleType.GROUP} else "properties"
    schema: Any = rule.json_schema
    for name in ("properties", payload, "properties"):
        schema = schema.get(name) if isinstance(schema, dict) else None
    return frozenset(schema) if isinstance(schema, dict) else frozenset()


def _violations(validator: jsonschema_rs.Draft7Validator, event: Mapping[str, Any]) -> Iterator[Violation]:
    for number, error in enumerate(validator.iter_errors(event)):
        if number >= MAX_VIOLATIONS:
            return
        path = [str(part) for part in error.instance_path]
        name = error.kind.name
        if name == "required":
            path.append(str(error.kind.as_dict()["property"]))
        elif name == "additionalProperties":
            for unexpected in error.kind.as_dict()["unexpected"]:
                field = ".".join([*path, str(unexpected)])
                yield Violation("Unplanned Property", field, "The plan does not allow it.")
            continue
        yield Violation(_KINDS.get(name, "Invalid Value"), ".".join(path), error.message[:_DESCRIPTION])
