"""The commands of `tifo delivery`."""

from collections.abc import Mapping
from typing import Annotated

from cyclopts import App, Parameter
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tifo.app.cli.output import show, talk
from tifo.app.cli.parameters import Data, Json, backend
from tifo.delivery.ports import ReplaySelection
from tifo.delivery.sending.replay import ReplayProgress
from tifo.kernel.clock import to_iso
from tifo.operations import delivery as operations
from tifo.operations import delivery_series, replay
from tifo.operations import trace as traces
from tifo.operations.backend import Backend
from tifo.operations.delivery import ConnectionTotals, DeliveryError
from tifo.operations.delivery_series import Breakdown
from tifo.operations.trace import TraceStep

_Many = Annotated[tuple[str, ...], Parameter(negative="")]

_WIDEST = 160
_ERROR_COLUMNS = ("where", "source", "code", "count", "detail", "sample", "at")

delivery = App(name="delivery", help="Event Delivery: what arrived, what did not, and why.")


@delivery.command(name="errors")
def delivery_errors(*, data: Data = None, json: Json = False) -> None:
    """List what was refused on ingest, by an endpoint or by a destination, with reasons and samples."""
    with backend(data) as opened:
        rows = [_error_shown(each) for each in operations.errors(opened)]
    if json:
        show(rows, as_json=True)
        return
    show([{name: _brief(row.get(name)) for name in _ERROR_COLUMNS} for row in rows], as_json=False)


@delivery.command(name="overview")
def delivery_overview(
    *,
    by: Annotated[str | None, Parameter(help="Group numbers by eventName, eventType or discardReason.")] = None,
    since: Annotated[str, Parameter(help="With --by: a time, or 2h for two hours ago.")] = "24h",
    data: Data = None,
    json: Json = False,
) -> None:
    """Show what each destination and warehouse received, and what became of it. The parts add up to received."""
    with backend(data) as opened:
        if by is None:
            name = "connections"
            totals = [*operations.overview(opened), *operations.warehouse_overview(opened)]
            rows = [_totals_shown(each) for each in totals]
        else:
            name = "breakdown"
            rows = [_breakdown_shown(each, by) for each in delivery_series.breakdown(opened, by, since)]
    if json:
        show({name: rows}, as_json=True)
        return
    show([{column: _brief(value) for column, value in row.items()} for row in rows], as_json=False)


@delivery.command(name="trace")
def delivery_trace(id: str, /, *, data: Data = None, json: Json = False) -> None:  # noqa: A002 (as it is called)
    """Follow a message, a user or a ledger transaction, by its id, to each destination and warehouse."""
    with backend(data) as opened:
        steps = [_step_shown(each) for each in traces.trace(opened, id)]
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
    failed: Annotated[bool, Parameter(negative="", help="Only dead letters.")] = False,
    rate: Annotated[float | None, Parameter(help="Events a second, at most.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Send selected events again, in the log's order: the running `tifo up` delivers them.

    With --failed, or without any selection, it sends dead letters; else events whatever became of them before.
    """
    with backend(data) as opened:
        chosen = replay.selection(opened, since=since, until=until, names=event, users=user, message_ids=message)
        if failed or not any((since, until, event, user, message)):
            shown: Mapping[str, object] = {"replayed": replay.redrive(opened, destination, chosen)}
        else:
            shown = _replay(opened, destination, chosen, rate)
    show(shown, as_json=json)


def _replay(opened: Backend, destination: str, chosen: ReplaySelection, rate: float | None) -> Mapping[str, object]:
    columns = (TextColumn("replay"), BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    with Progress(*columns, console=talk) as progress:
        task = progress.add_task("replay", total=None, text="")

        def on_progress(progressed: ReplayProgress) -> None:
            text = f"{progressed.queued:,} queued, {progressed.waiting:,} wait"
            progress.update(task, completed=progressed.passed, total=progressed.total, text=text)

        done = replay.replay(opened, destination, chosen, rate=rate, on_progress=on_progress)
    return {"replayed": done.queued, "filtered": done.filtered, "replay": done.replay}


def _brief(value: object) -> object:
    """Shortens a text for a table: one line, and only the start of an endpoint's page of complaint."""
    if not isinstance(value, str):
        return value
    line = " ".join(value.split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"


def _error_shown(error: DeliveryError) -> Mapping[str, object]:
    shown = {
        "where": error.where,
        "source": error.source,
        "code": error.code,
        "count": error.count,
        "detail": error.detail,
        "sample": error.sample,
    }
    if error.at is None or error.received is None:
        return shown
    return {
        **shown,
        "at": to_iso(error.at),
        "received": error.received.decode(errors="replace"),
        "request": None if error.exchange is None else error.exchange.request,
        "response": None if error.exchange is None else error.exchange.response,
    }


def _totals_shown(totals: ConnectionTotals) -> Mapping[str, object]:
    return {
        "id": totals.id,
        "name": totals.name,
        "kind": totals.kind,
        "source": totals.source,
        "received": totals.received,
        "failed_on_ingest": totals.failed_on_ingest,
        "filtered_at_source": totals.filtered_at_source,
        "filtered_at_destination": totals.filtered_at_destination,
        "waiting": totals.waiting,
        "failed": totals.failed,
        "delivered": totals.delivered,
        "replayed": totals.replayed,
        "latency_ms": totals.latency_ms,
        "dead": totals.dead,
    }


def _breakdown_shown(row: Breakdown, by: str) -> Mapping[str, object]:
    return {"name": row.destination, by: row.value, **{result.value: total for result, total in row.totals.items()}}


def _step_shown(step: TraceStep) -> Mapping[str, object]:
    at = None if step.at is None else to_iso(step.at)
    return {"at": at, "what": step.what, "where": step.where, "outcome": step.outcome, "detail": step.detail}
