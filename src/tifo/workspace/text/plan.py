"""Plans a workspace file: compares its document with the workspace's. No secret is in a plan."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from tifo.documents.changes import Change, FieldChange, Verb, section_changes
from tifo.kernel.errors import Rejected
from tifo.tracking.plans.model import LENIENT, changed
from tifo.workspace.destinations import RETRY_FOR_S
from tifo.workspace.text.document import RuleText, SendsToText, WarehouseText, WorkspaceText

_SECTIONS = ("tracking_plans", "sources", "warehouses", "destinations", "applications", "alerts")
_NEVER_DELETED = frozenset(("applications",))
"""Fans, balances and facts belong to an application: no file deletes one."""
_UNPLANNED = frozenset(("url_env", "settings_env", "client_secret_env"))
"""Fields that say only where a value comes from, or that are read once."""


def changes(now: WorkspaceText, wanted: WorkspaceText, *, prune: bool) -> tuple[Change, ...]:
    """Returns what differs, in an order in which it can be applied. Give `now` with its secrets; no secret is in a
    change.

    Raises `Rejected` where a field that cannot be changed differs.
    """
    made: list[Change] = []
    for section in _SECTIONS:
        made += section_changes(section, getattr(now, section), getattr(wanted, section), _differences)
    # Definitions that refer to others are deleted before those.
    for section in [each for each in reversed(_SECTIONS) if prune and each not in _NEVER_DELETED]:
        gone = getattr(now, section).keys() - getattr(wanted, section).keys()
        made += [Change(Verb.DELETE, section, key) for key in sorted(gone)]
    return tuple(made)


def _differences(old: Any, new: Any) -> Iterator[FieldChange]:
    for name in new.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if name in {"type", "kind"} and before != after:
            raise Rejected(f"{name} is {before} and cannot become {after}. Give it another key.", field=name)
        if name == "url" and isinstance(new, WarehouseText):
            if after is None or before == after:
                continue
            raise Rejected("The address of a warehouse cannot be changed. Give it another name.", field="url")
        if name in _DIFFERENCES:
            yield from _DIFFERENCES[name](before, after)
        elif name not in _UNPLANNED and before != after:
            yield FieldChange(name, before, after)


def _key_differences(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[FieldChange]:
    """Counts write keys, which are secrets. Keys that the file does not name stay."""
    added = set(after) - set(before)
    if added:
        yield FieldChange("write_keys", f"{len(before)} keys", f"{len(before) + len(added)} keys")


def _source_differences(before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> Iterator[FieldChange]:
    old, new = ("all" if slugs is None else tuple(sorted(slugs)) for slugs in (before, after))
    if old != new:
        yield FieldChange("sources", old, new)


def _if_written(name: str, meaning: Callable[[Any], Any] = lambda value: value) -> "_Differences":
    """Compares a field that stays as it is where it is not written. Two values with one meaning are the same."""

    def differences(before: Any, after: Any) -> Iterator[FieldChange]:
        if after is not None and meaning(before) != meaning(after):
            yield FieldChange(name, before, after)

    return differences


def _controls(value: Any) -> Any:
    return changed(LENIENT, value) if isinstance(value, dict) else value


def _rule_differences(before: tuple[RuleText, ...], after: tuple[RuleText, ...]) -> Iterator[FieldChange]:
    """Names the rules that differ: their schemas are too long for a plan."""
    was, becomes = ({rule.as_rule().place: rule for rule in rules} for rules in (before, after))
    for place in sorted(was.keys() | becomes.keys(), key=str):
        if was.get(place) != becomes.get(place):
            rule_type, key, version = place
            name = " ".join(str(part) for part in (rule_type, key, f"version {version}") if part)
            yield FieldChange(f"rules.{name}", *("written" if place in each else "" for each in (was, becomes)))


def _off_differences(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> Iterator[FieldChange]:
    for warehouse in sorted(before.keys() | after.keys()):
        was, becomes = (tuple(sorted(off.get(warehouse, ()))) for off in (before, after))
        if was != becomes:
            yield FieldChange(f"not_loaded.{warehouse}", was, becomes)


def _setting_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    """Names the settings that differ, without their values: they may be secrets."""
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield FieldChange(f"settings.{name}", *("set" if name in each else "" for each in (before, after)))


def _listed_differences(name: str, key: Callable[[Any], str]) -> "_Differences":
    """Compares a list by its elements' keys; the list stays as it is where it is not written."""

    def differences(before: Any, after: Any) -> Iterator[FieldChange]:
        if after is None:
            return
        was, becomes = ({key(each): each for each in those or ()} for those in (before, after))
        for each in sorted(was.keys() | becomes.keys()):
            if was.get(each) != becomes.get(each):
                yield FieldChange(f"{name}.{each}", *("written" if each in those else "" for those in (was, becomes)))

    return differences


def _secret_differences(before: str | None, after: str | None) -> Iterator[FieldChange]:
    if after is not None and before != after:
        yield FieldChange("client_secret", "set" if before else "", "set anew")


def _text_differences(before: Any, after: Any) -> Iterator[FieldChange]:
    """Compares LiveLike's webhooks, without their secrets."""
    if after is None or before == after:
        return
    for name in after.__struct_fields__:
        was, becomes = getattr(before, name, None), getattr(after, name)
        if was != becomes and not name.endswith("_env"):
            secret = name in {"secret", "token"}
            yield FieldChange(f"livelike_webhooks.{name}", "" if secret else was, "set anew" if secret else becomes)


def _sends_to_differences(before: SendsToText | None, after: SendsToText | None) -> Iterator[FieldChange]:
    if after is None or before == after:
        return
    was, becomes = ("" if each is None else each.source or each.endpoint or "" for each in (before, after))
    yield FieldChange("sends_to", was, becomes if was != becomes else f"{becomes}, with another write key")


def _webhook_differences(before: Any, after: Any) -> Iterator[FieldChange]:
    if after is None:
        return
    was, becomes = ({(each.url, tuple(sorted(each.events))): each for each in those or ()} for those in (before, after))
    for place in sorted(was.keys() | becomes.keys()):
        if was.get(place) != becomes.get(place):
            yield FieldChange(f"webhooks.{place[0]}", *("written" if place in each else "" for each in (was, becomes)))


_Differences = Callable[[Any, Any], Iterator[FieldChange]]
_DIFFERENCES: Mapping[str, _Differences] = {
    "schema": _if_written("schema"),
    "write_keys": _key_differences,
    "sources": _source_differences,
    "tracking_plan": _if_written("tracking_plan"),
    "schema_controls": _if_written("schema_controls", _controls),
    "rules": _rule_differences,
    "not_loaded": _off_differences,
    "settings": _setting_differences,
    "events": _if_written("events"),
    "retry_for": _if_written("retry_for", lambda value: value or timedelta(seconds=RETRY_FOR_S)),
    "client_secret": _secret_differences,
    "livelike_webhooks": _text_differences,
    "sends_to": _sends_to_differences,
    "webhooks": _webhook_differences,
    "filters": _listed_differences("filters", lambda each: str(each.title)),
    "mappings": _listed_differences("mappings", lambda each: str(each.name)),
}
