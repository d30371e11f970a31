"""`tifo game`: the rules of an application as text.

Exit codes: 0 nothing differs, or it is applied; 1 there are changes that were not applied; 2 the file is refused.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tifo.app import game as rules
from tifo.app.cli.output import show, show_lines, show_table, talk
from tifo.app.cli.text_plan import APPLIED, carry_out
from tifo.app.settings import load_settings

Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
Application = Annotated[str | None, Parameter(name="--app", help="Client id; not needed where there is only one.")]
Prune = Annotated[bool, Parameter(negative="", help="Archive what the file does not name.")]

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
    settings = load_settings({"data": data})
    planned = rules.plan(settings, file, app, prune=prune)
    return carry_out(planned, lambda: rules.apply(settings, planned), only_show=plan, unasked=yes, json=json)


@game.command
def export(*, app: Application = None, data: Data = None) -> int:
    """Print the rules as they are: applying them again changes nothing."""
    sys.stdout.write(rules.export(load_settings({"data": data}), app))
    return APPLIED


@game.command
def preview(
    file: Path, /, *, app: Application = None, prune: Prune = False, data: Data = None, json: Json = False
) -> int:
    """Play the file's rules over all recorded actions and tell who would have earned what. Changes nothing."""
    settings = load_settings({"data": data})
    with _progress() as progress:
        bar = progress.add_task("Actions played again", total=None)
        result = rules.preview(
            settings, file, app, prune=prune, advance=lambda done, of: progress.update(bar, completed=done, total=of)
        )
    if json:
        show(result, as_json=True)
    else:
        _show_preview(result)
    return APPLIED


def _show_preview(result: dict[str, Any]) -> None:
    for section in ("reward_items", "badges", "quests"):
        if result[section]:
            show_table([{section: row.pop("key"), **row} for row in result[section]])
            show_lines([""])
    show_lines([f"{result['fans']:,} fans, {result['actions']:,} actions played again."])
    show_lines(f"Left out: {each['count']:,} {each['what']}." for each in result["left_out"])


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=talk
    )
