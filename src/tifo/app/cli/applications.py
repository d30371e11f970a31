"""The commands of `tifo app`."""

from collections.abc import Mapping, Sequence
from typing import Any

from cyclopts import App

from tifo.app.cli.output import show, show_table, talk
from tifo.app.cli.parameters import Application, Data, Json, backend, client_id_of
from tifo.app.cli.tokens import application_secret, application_tokens
from tifo.app.cli.webhooks import subscribers
from tifo.kernel.clock import to_iso
from tifo.operations import applications as operations
from tifo.operations.applications import ApplicationStatus, ConnectedEndpoint, FeedState
from tifo.operations.segment_actions import SegmentActionsStatus

applications = App(name="app", help="Applications of the engagement half.")
applications.command(subscribers)
applications.command(application_tokens)
applications.command(application_secret)


@applications.command(name="create")
def app_create(name: str, /, *, data: Data = None, json: Json = False) -> None:
    """Make an application. The secret and the token are shown this once."""
    with backend(data, make=True) as opened:
        made = operations.create(opened, name)
    shown = {
        "client_id": made.application.id,
        "client_secret": made.client_secret,
        "producer_token": made.producer_token,
        "program_id": made.application.default_program_id,
    }
    show(shown, as_json=json)


@applications.command(name="list")
def app_list(*, data: Data = None, json: Json = False) -> None:
    """List the applications, each with the source that its events go to and how they fare."""
    with backend(data) as opened:
        rows = [_row(operations.status(opened, each.id)) for each in operations.listed(opened)]
    show(rows, as_json=json)


@applications.command(name="connect")
def app_connect(
    application: Application, /, *, write_key: str, endpoint: str | None = None, data: Data = None, json: Json = False
) -> None:
    """Send the application's events with this write key, to Tifo itself or to another Segment-compatible endpoint."""
    with backend(data) as opened:
        made = operations.connect(opened, client_id_of(opened, application), write_key, endpoint)
    show({"client_id": made.client_id, "endpoint": made.endpoint or "Tifo"}, as_json=json)


@applications.command(name="show")
def app_show(application: Application, /, *, data: Data = None, json: Json = False) -> None:
    """Show where the application's events go, what waits, the endpoint's newest error, and what it refused for good."""
    with backend(data) as opened:
        status = operations.status(opened, client_id_of(opened, application))
    shown = as_data(status)
    if json:
        show(shown, as_json=True)
        return
    show(in_words(shown), as_json=False)
    if status.dead_letters:
        talk.print()
        show_table(shown["set_aside"]["answers"])
    if actions := shown.get("segment_actions"):
        talk.print(f"\nActions that events trigger; {actions['behind_events']:,} events are not read yet")
        show_table(actions["actions"])
        show_table(actions["skipped"])


@applications.command(name="resend")
def app_resend(application: Application, /, *, data: Data = None, json: Json = False) -> None:
    """Queue the events again that the endpoint refused for good."""
    with backend(data) as opened:
        show({"resent": operations.resend(opened, client_id_of(opened, application))}, as_json=json)


def _row(status: ApplicationStatus) -> Mapping[str, object]:
    return {
        "client_id": status.application.id,
        "name": status.application.name,
        "program_id": status.application.default_program_id,
        "state": status.state.value,
        "connected_to": _connected_to(status.endpoints),
    }


def _connected_to(endpoints: Sequence[ConnectedEndpoint]) -> str:
    return ", ".join(f"{each.source or 'a source'} at {each.endpoint or 'Tifo'}" for each in endpoints)


def as_data(status: ApplicationStatus) -> dict[str, Any]:
    """Shapes what `tifo app show --json` prints. The key `set_aside` holds the dead letters."""
    application = status.application
    shown = {
        "client_id": application.id,
        "name": application.name,
        "program_id": application.default_program_id,
        "state": status.state.value,
        "sources": [{"source": each.source, "endpoint": each.endpoint or "Tifo"} for each in status.endpoints],
        "waiting": status.report.waiting,
        "last_sent": _last_sent(status),
        "trouble": _trouble(status),
        "set_aside": _dead_letters(status),
    }
    if status.segment_actions is not None:
        shown["segment_actions"] = _segment_actions(status.segment_actions)
    return shown


def in_words(shown: Mapping[str, Any]) -> Mapping[str, object]:
    """Shapes the same for people, except the refusals' answers, which make a table of their own."""
    trouble, sent = shown["trouble"], shown["last_sent"]
    return {
        **{key: shown[key] for key in ("client_id", "name", "program_id", "state")},
        "connected to": ", ".join(f"{each['source'] or 'a source'} at {each['endpoint']}" for each in shown["sources"]),
        "waiting": shown["waiting"],
        "last sent": sent and f"{sent['id']} at {sent['at']}",
        "trouble": trouble
        and f"{trouble['state']} since {trouble['since']}, tried {trouble['attempts']} times, newest at"
        f" {trouble['tried_at']}: {trouble['error']}",
        "dead letters": shown["set_aside"]["count"],
    }


def _last_sent(status: ApplicationStatus) -> Mapping[str, object] | None:
    report = status.report
    if report.last_sent is None or report.last_sent_at is None:
        return None
    return {"id": report.last_sent, "at": to_iso(report.last_sent_at)}


def _trouble(status: ApplicationStatus) -> Mapping[str, object] | None:
    trouble = status.report.trouble
    if trouble is None or not status.report.waiting:
        return None
    return {
        "state": (FeedState.HELD if trouble.held else FeedState.RETRYING).value,
        "since": to_iso(trouble.since),
        "tried_at": to_iso(trouble.tried_at),
        "attempts": trouble.attempts,
        "error": trouble.error,
    }


def _dead_letters(status: ApplicationStatus) -> Mapping[str, object]:
    answers = [
        {
            "status": each.status,
            "answer": each.answer,
            "count": each.count,
            "newest_at": to_iso(each.newest_at),
            "fact_id": each.newest_id,
        }
        for each in status.refused
    ]
    return {"count": status.dead_letters, "answers": answers}


def _segment_actions(status: SegmentActionsStatus) -> Mapping[str, object]:
    return {
        "behind_events": status.behind_events,
        "actions": [{"key": each.key, "source": each.source, "event": each.event} for each in status.actions],
        "skipped": [
            {
                "key": skipped.reward_action_key,
                "reason": skipped.reason,
                "count": skipped.total,
                "message_id": skipped.message_id,
                "detail": skipped.detail,
                "at": to_iso(at),
            }
            for skipped, at in status.skipped
        ],
    }
