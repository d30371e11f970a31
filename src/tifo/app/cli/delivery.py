"""The commands of `tifo delivery`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tifo.app import commands
from tifo.app.cli.output import show, talk
from tifo.app.settings import load_settings

if TYPE_CHECKING:
    from tifo.delivery.sending.replay import ReplayProgress

_Data = Annotated[Path | None, Parameter(help="Folder that holds all state (default: tifo-data).")]
_Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document.")]
_Many = Annotated[tuple[str, ...], Parameter(negative="")]

_WIDEST = 160

delivery = App(name="delivery", help="What arrived, what did not, and why.")


@delivery.command(name="errors")
def delivery_errors(*, data: _Data = None, json: _Json = False) -> None:
    """What was not taken or not delivered: refused on ingest, or by the endpoint, with reasons and samples."""
    from tifo.app.delivery import errors

    settings = load_settings({"data": data})
    rows = [*commands.errors(settings), *errors(settings)]
    if json:
        show(rows, as_json=True)
        return
    columns = ("where", "source", "code", "count", "detail", "sample", "at")
    show([{name: _brief(row.get(name)) for name in columns} for row in rows], as_json=False)


@delivery.command(name="overview")
def delivery_overview(
    *,
    by: Annotated[str | None, Parameter(help="eventName, eventType or discardReason: what was counted, by it.")] = None,
    since: Annotated[str, Parameter(help="With --by: a time, or 2h for two hours ago.")] = "24h",
    data: _Data = None,
    json: _Json = False,
) -> None:
    """What each destination and warehouse received, and what became of it: the parts add up."""
    from tifo.app import delivery as work

    settings = load_settings({"data": data})
    if by is None:
        name, rows = "connections", [*work.overview(settings), *work.warehouse_overview(settings)]
    else:
        name, rows = "breakdown", work.breakdown(settings, by, since)
    if json:
        show({name: rows}, as_json=True)
        return
    show([{column: _brief(value) for column, value in row.items()} for row in rows], as_json=False)


def _brief(value: object) -> object:
    """For a table: an endpoint's page of complaint on one line, and its start only."""
    if not isinstance(value, str):
        return value
    line = " ".join(value.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"


@delivery.command(name="trace")
def delivery_trace(id: str, /, *, data: _Data = None, json: _Json = False) -> None:  # noqa: A002 (as it is called)
    """Follow a message, a user or a ledger transaction, by its id, to each destination and warehouse."""
    from tifo.app.tracing import trace

    steps = trace(load_settings({"data": data}), id)
    show({"steps": steps} if json else steps, as_json=json)


@delivery.command(name="replay")
def delivery_replay(
    *,
    destination: str,
    since: Annotated[str | None, Parameter(help="Received since: a time, or 2h for two hours ago.")] = None,
    until: Annotated[str | None, Parameter(help="Received before.")] = None,
    event: _Many = (),
    user: _Many = (),
    message: _Many = (),
    failed: Annotated[bool, Parameter(negative="", help="Only what has failed for good.")] = False,
    rate: Annotated[float | None, Parameter(help="Events a second, at most.")] = None,
    data: _Data = None,
    json: _Json = False,
) -> None:
    """Send again what is named, in the log's order: the running `tifo up` delivers it.

    With --failed, or where nothing is named, what has failed for good; else whatever became of it the first time.
    """
    from tifo.app import delivery as work

    settings = load_settings({"data": data})
    chosen = work.selection(since=since, until=until, names=event, users=user, messages=message)
    if failed or not any((since, until, event, user, message)):
        show(work.redrive(settings, destination, chosen), as_json=json)
        return
    columns = (TextColumn("replay"), BarColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn())
    with Progress(*columns, console=talk) as progress:
        task = progress.add_task("replay", total=None, told="")

        def on_progress(looked: "ReplayProgress") -> None:
            told = f"{looked.queued:,} in line, {looked.waiting:,} wait"
            progress.update(task, completed=looked.position, total=looked.end, told=told)

        done = work.replay(settings, destination, chosen, rate=rate, on_progress=on_progress)
    show(done, as_json=json)
