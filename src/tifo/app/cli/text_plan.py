"""Shows what applying a file would change, asks, and applies it: the same for a game and for a workspace."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tifo.app.cli.output import show, show_lines, talk
from tifo.documents.changes import Change, Verb
from tifo.documents.write import inline, plain

APPLIED, NOT_APPLIED = 0, 1
_SIGNS = {Verb.CREATE: "+", Verb.CHANGE: "~", Verb.ARCHIVE: "-", Verb.DELETE: "-"}


@dataclass(frozen=True)
class TextPlan:
    """Holds the changes that applying a file would make, for a command to show."""

    changes: Sequence[Change]
    removal: Verb
    """The verb of what pruning does: a game archives, a workspace deletes."""
    about: Mapping[str, object] = field(default_factory=dict)
    """Fields that stand before the changes in the JSON document."""


def carry_out(planned: TextPlan, apply: Callable[[], None], *, only_show: bool, unasked: bool, json: bool) -> int:
    """Returns the command's exit code."""
    if not json:
        show_lines(as_lines(planned))
    applied = bool(planned.changes) and not only_show and (unasked or _agreed(json=json))
    if applied:
        apply()
        talk.print("Applied.")
    if json:
        show({**planned.about, "changes": as_data(planned.changes), "applied": applied}, as_json=True)
    return APPLIED if applied or not planned.changes else NOT_APPLIED


def as_data(changes: Sequence[Change]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "verb": each.verb.value,
            "section": each.section,
            "key": each.key,
            "fields": [{"path": f.path, "old": _data(f.old), "new": _data(f.new)} for f in each.fields],
        }
        for each in changes
    ]


def as_lines(planned: TextPlan) -> Sequence[str]:
    """Gives each change its line, and counts them by verb."""
    if not planned.changes:
        return ["No changes."]
    lines = []
    for change in planned.changes:
        where = f"{change.section}.{change.key}" if change.key else change.section
        lines.append(f"{_SIGNS[change.verb]} {where}")
        lines += [f"    {each.path}: {inline(each.old)} → {inline(each.new)}" for each in change.fields]
    verbs = (Verb.CREATE, Verb.CHANGE, planned.removal)
    counts = {verb: sum(each.verb is verb for each in planned.changes) for verb in verbs}
    summary = ", ".join(f"{number:,} to {verb.value}" for verb, number in counts.items())
    return [*lines, f"{summary}."]


def _agreed(*, json: bool) -> bool:
    if json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        talk.print("Nothing is applied: there is nobody to ask. Say --yes to apply.")
        return False
    talk.print("Apply this? Only yes does. ", end="")
    agreed = sys.stdin.readline().strip().lower() in {"y", "yes"}
    if not agreed:
        talk.print("Nothing is applied.")
    return agreed


def _data(value: Any) -> Any:
    return None if value is None else msgspec.json.decode(msgspec.json.encode(plain(value)))
