"""The commands of `tifo game` apply, export and preview the rules of an application as text.

Exit codes: 0 nothing differs, or it is applied; 1 there are changes that were not applied; 2 the file is refused.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tifo.app.cli import text_plan
from tifo.app.cli.files import read_file
from tifo.app.cli.output import show, show_lines, show_table, talk
from tifo.app.cli.parameters import Data, Json, backend
from tifo.documents.changes import Verb
from tifo.operations import game as operations
from tifo.operations.game import GamePreview, NowAndWould

Application = Annotated[str | None, Parameter(name="--app", help="Its client id or name, unless there is only one.")]
Prune = Annotated[bool, Parameter(negative="", help="Archive what the file does not name.")]
_Row = Mapping[str, object]

game = App(name="game", help="The rules of an application as text (docs/game.md).")


@game.command
def apply(
    file: Path,
    /,
    *,
    app: Application = None,
    prune: Prune = False,
    yes: Annotated[bool, Parameter(negative="", help="Apply without asking.")] = False,
    plan: Annotated[bool, Parameter(negative="", help="Only show what would change.")] = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Make the rules what the file says: shows what would change, asks, and applies all of it or nothing."""
    with backend(data) as opened:
        planned = operations.plan(opened, read_file(file), file=str(file), application=app, prune=prune)
        apply_it = lambda: operations.apply(opened, planned)  # noqa: E731 (one line says it)
        shown = text_plan.TextPlan(planned.changes, Verb.ARCHIVE, {"client_id": planned.before.application.id})
        return text_plan.carry_out(shown, apply_it, only_show=plan, unasked=yes, json=json)


@game.command
def export(*, app: Application = None, data: Data = None) -> int:
    """Print the rules as they are: applying them again changes nothing."""
    with backend(data) as opened:
        sys.stdout.write(operations.export(opened, app))
    return text_plan.APPLIED


@game.command
def preview(
    file: Path, /, *, app: Application = None, prune: Prune = False, data: Data = None, json: Json = False
) -> int:
    """Play all recorded actions by the file's rules, and count what fans would have earned. Changes nothing."""
    with backend(data) as opened, _progress() as progress:
        bar = progress.add_task("Actions played again", total=None)
        planned = operations.plan(opened, read_file(file), file=str(file), application=app, prune=prune)
        previewed = operations.preview(opened, planned, lambda done, of: progress.update(bar, completed=done, total=of))
    if json:
        show(_preview_shown(previewed), as_json=True)
    else:
        _show_preview(previewed)
    return text_plan.APPLIED


def _preview_shown(previewed: GamePreview) -> _Row:
    return {
        "client_id": previewed.client_id,
        "fans": previewed.fans,
        "actions": previewed.actions,
        **{section: [{"key": key, **counts} for key, counts in rows] for section, rows in _sections(previewed)},
        "left_out": [{"what": each.what, "count": each.count} for each in previewed.left_out],
    }


def _show_preview(previewed: GamePreview) -> None:
    for section, rows in _sections(previewed):
        if rows:
            show_table([{section: key, **counts} for key, counts in rows])
            show_lines([""])
    show_lines([f"{previewed.fans:,} fans, {previewed.actions:,} actions played again."])
    show_lines(f"Left out: {each.count:,} {each.what}." for each in previewed.left_out)


def _sections(previewed: GamePreview) -> Sequence[tuple[str, Sequence[tuple[str, _Row]]]]:
    items = [(each.key, _counts(fans=each.fans, total=each.total)) for each in previewed.reward_items]
    badges = [(each.key, _counts(fans=each.fans)) for each in previewed.badges]
    quests = [(each.key, _counts(started=each.started, completed=each.completed)) for each in previewed.quests]
    return [("reward_items", items), ("badges", badges), ("quests", quests)]


def _counts(**measures: NowAndWould) -> _Row:
    return {f"{name}_{when}": count for name, pair in measures.items() for when, count in pair._asdict().items()}


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=talk
    )
