"""How an application's events fare on their way to its endpoint, for people and scripts."""

from collections.abc import Mapping, Sequence
from typing import Any

from tifo.kernel.clock import to_iso
from tifo.kernel.ids import ClientId
from tifo.source.ports import DeadLetter, FactFeed, RelayReport
from tifo.store.engagement.queries import SqlQueries
from tifo.workspace.model import Catalog


def show_line(queries: SqlQueries, catalog: Catalog, feed: FactFeed, client_id: ClientId) -> dict[str, Any]:
    """What `tifo app show --json` prints; it tells no secret. Raises `NotFound` for an unknown application.

    `state` is `not connected`, `idle` (all is sent), `sending`, `retrying` (the relay tries again by itself) or `held`
    (it tries too, but someone has to act); `trouble` says since when, and why.
    """
    application = queries.game(client_id).application
    slugs = {key: source.slug for source in catalog.sources() for key in source.write_keys}
    connected = [
        {"source": slugs.get(each.write_key), "endpoint": each.endpoint or "Tifo"}
        for each in catalog.connections()
        if each.client_id == client_id
    ]
    report = feed.report(client_id)
    return {
        "client_id": application.id,
        "name": application.name,
        "program_id": application.default_program_id,
        "state": _state(report, connected=bool(connected)),
        "sources": connected,
        "waiting": report.waiting,
        "last_sent": _last_sent(report),
        "trouble": _trouble(report),
        "set_aside": _set_aside(feed.dead_letters(client_id)),
    }


def in_words(shown: Mapping[str, Any]) -> dict[str, object]:
    """The same for people, but for the answers of what stands aside, which make a table."""
    trouble, sent = shown["trouble"], shown["last_sent"]
    return {
        **{key: shown[key] for key in ("client_id", "name", "program_id", "state")},
        "connected to": ", ".join(f"{each['source'] or 'a source'} at {each['endpoint']}" for each in shown["sources"]),
        "waiting": shown["waiting"],
        "last sent": sent and f"{sent['id']} at {sent['at']}",
        "trouble": trouble
        and f"{trouble['state']} since {trouble['since']}, tried {trouble['attempts']} times, newest at"
        f" {trouble['tried_at']}: {trouble['error']}",
        "set aside": shown["set_aside"]["count"],
    }


def _state(report: RelayReport, *, connected: bool) -> str:
    if not connected:
        return "not connected"
    if not report.waiting:
        return "idle"
    if report.trouble is None:
        return "sending"
    return "held" if report.trouble.held else "retrying"


def _last_sent(report: RelayReport) -> dict[str, str] | None:
    if report.last_sent is None or report.last_sent_at is None:
        return None
    return {"id": report.last_sent, "at": to_iso(report.last_sent_at)}


def _trouble(report: RelayReport) -> dict[str, object] | None:
    trouble = report.trouble
    if trouble is None or not report.waiting:
        return None
    return {
        "state": "held" if trouble.held else "retrying",
        "since": to_iso(trouble.since),
        "tried_at": to_iso(trouble.tried_at),
        "attempts": trouble.attempts,
        "error": trouble.error,
    }


def _set_aside(facts: Sequence[DeadLetter]) -> dict[str, object]:
    """By answer, the most frequent first."""
    alike: dict[tuple[int, str], list[DeadLetter]] = {}
    for each in facts:
        alike.setdefault((each.status, each.answer), []).append(each)
    answers = [
        {
            "status": status,
            "answer": answer,
            "count": len(those),
            "newest_at": to_iso(max(each.at for each in those)),
            "fact_id": those[-1].fact_id,
        }
        for (status, answer), those in sorted(alike.items(), key=lambda item: -len(item[1]))
    ]
    return {"count": len(facts), "answers": answers}
