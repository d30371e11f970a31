"""What `tifo delivery …` does. Works whether or not `tifo up` runs, which delivers what is put back in line."""

import contextlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tifo.app import compose
from tifo.app.destinations import named
from tifo.app.settings import Settings
from tifo.delivery.latency import latency_ms
from tifo.delivery.ports import Grain, Group, ReplaySelection, Result, SeriesQuery
from tifo.delivery.sending.filters import ConfiguredFilter, DestinationFilter
from tifo.delivery.sending.mappings import mappings_of
from tifo.delivery.sending.replay import LogReplay, ReplayProgress
from tifo.destinations.catalog import handled, kind_of
from tifo.eventlog.ports import IngestCount
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import Rejected
from tifo.kernel.ids import Position, SourceId, uuid7
from tifo.tracking.filters import Filters, read_choice, read_filters
from tifo.tracking.fql import compiled
from tifo.tracking.plans.codes import FILTERED_AT_SOURCE
from tifo.workspace.destinations import ConnectedDestination
from tifo.workspace.warehouses import BUILT_IN, Loads

_AGO = re.compile(r"(\d{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def overview(settings: Settings) -> list[dict[str, Any]]:
    """Of each destination: received = filtered_at_destination + waiting + failed + delivered. What failed on ingest or
    was filtered at the source never came so far.
    """
    state = compose.open_state(settings)
    deliveries = compose.deliveries_of(state)
    slugs = {source.id: source.slug for source in compose.catalog_of(state).sources()}
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        counts = log.ingest_counts()
        rows = []
        for each in compose.destinations_of(state, settings).all():
            numbers = deliveries.numbers(each.id)
            behind = log.count(numbers.status.position, each.source_id)
            on_ingest, at_source = _refused(counts, each.source_id)
            rows.append(
                {
                    "id": each.id,
                    "name": each.name,
                    "kind": each.kind,
                    "source": slugs.get(each.source_id, each.source_id),
                    "received": numbers.status.received + behind,
                    "failed_on_ingest": on_ingest,
                    "filtered_at_source": at_source,
                    "filtered_at_destination": numbers.filtered,
                    "waiting": numbers.status.waiting + behind,
                    "failed": numbers.status.failed + numbers.status.expired,
                    "delivered": numbers.delivered,
                    "replayed": numbers.replayed,
                    "latency_ms": numbers.latency_ms,
                    "dead": numbers.status.dead_reason or None,
                }
            )
    return rows


def warehouse_overview(settings: Settings) -> list[dict[str, Any]]:
    """The same of each source's loads into each warehouse that takes it, from the loader's own notes."""
    state = compose.open_state(settings)
    warehouses = compose.warehouses_of(state)
    sources = compose.catalog_of(state).sources()
    taking: list[tuple[str, str, Callable[[SourceId], bool]]] = [(BUILT_IN, BUILT_IN, lambda _: True)]
    taking += [(each.name, each.kind.value, each.takes) for each in warehouses.connected()]
    rows = []
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        counts = log.ingest_counts()
        for name, kind, takes in taking:
            loads = {each.source_id: each for each in warehouses.loads(name)}
            newest = warehouses.syncs(name, limit=1)
            problem = newest[0].error if newest else None
            for source in sources:
                if not takes(source.id):
                    continue
                found = loads.get(source.id, Loads(source.id, Position(0), 0, 0, 0, {}))
                behind = log.count(found.position, source.id)
                on_ingest, at_source = _refused(counts, source.id)
                rows.append(
                    {
                        "id": f"{name}/{source.slug}",
                        "name": name,
                        "kind": kind,
                        "source": source.slug,
                        "received": found.events + behind,
                        "failed_on_ingest": on_ingest,
                        "filtered_at_source": at_source,
                        "filtered_at_destination": found.withheld,
                        "waiting": behind,
                        "failed": found.failed,
                        "delivered": found.events - found.withheld - found.failed,
                        "replayed": 0,
                        "latency_ms": latency_ms(found.latencies),
                        "dead": problem,
                    }
                )
    return rows


def _refused(counts: Sequence[IngestCount], source_id: SourceId) -> tuple[int, int]:
    """What failed on ingest, and what was filtered at the source."""
    refused = {count.code: count.total for count in counts if count.source_id == source_id}
    at_source = sum(total for code, total in refused.items() if code in FILTERED_AT_SOURCE)
    return sum(refused.values()) - at_source - refused.get("received", 0) - refused.get("duplicate", 0), at_source


def breakdown(settings: Settings, by: str, since: str) -> list[dict[str, Any]]:
    """The outcomes of each destination since the moment, told apart by `by`; up to 30 days ago."""
    try:
        group = Group(by)
    except ValueError as error:
        raise Rejected(f"by is {by!r:.60}. Known are {', '.join(Group)}.", field="by") from error
    now = system_clock()
    start = _moment(since, "since")
    grain = Grain.MINUTE if now - start <= timedelta(hours=48) else Grain.HOUR
    state = compose.open_state(settings)
    deliveries = compose.deliveries_of(state)
    rows = []
    for each in compose.destinations_of(state, settings).all():
        told: dict[str, dict[str, int]] = {}
        for result in Result:
            asked = SeriesQuery(
                each.id,
                results=[result],
                since=start,
                until=now + timedelta(minutes=1),
                grain=grain,
                by=[group],
            )
            for series in deliveries.series(asked):
                told.setdefault(series.group[group], {})[result.value] = series.total
        rows += [
            {"name": each.name, by: name, **{result.value: totals.get(result.value, 0) for result in Result}}
            for name, totals in sorted(told.items(), key=lambda item: -sum(item[1].values()))
        ]
    return rows


def errors(settings: Settings) -> list[dict[str, Any]]:
    """What was not delivered, or filtered, by code, with the newest sample of each: received, sent, answered."""
    state = compose.open_state(settings)
    deliveries = compose.deliveries_of(state)
    slugs = {source.id: source.slug for source in compose.catalog_of(state).sources()}
    return [
        {
            "where": f"destination {each.name}",
            "source": slugs.get(each.source_id, each.source_id),
            "code": told.code,
            "count": told.total,
            "detail": f"{told.result}: {told.detail}",
            "sample": told.message_id,
            "at": to_iso(told.at),
            "received": told.received.decode(errors="replace"),
            "request": None if told.exchange is None else told.exchange.request,
            "response": None if told.exchange is None else told.exchange.response,
        }
        for each in compose.destinations_of(state, settings).all()
        for told in deliveries.problems(each.id)
    ]


def selection(
    *, since: str | None, until: str | None, names: Sequence[str], users: Sequence[str], messages: Sequence[str]
) -> ReplaySelection:
    return ReplaySelection(
        since=None if since is None else _moment(since, "since"),
        until=None if until is None else _moment(until, "until"),
        names=tuple(names),
        users=tuple(users),
        message_ids=tuple(messages),
    )


def redrive(settings: Settings, name: str, chosen: ReplaySelection) -> dict[str, Any]:
    """Dead letters wait for another attempt."""
    state = compose.open_state(settings)
    found = named(state, settings, name)
    return {"replayed": compose.deliveries_of(state).redrive(found.id, chosen, system_clock())}


def replay(
    settings: Settings,
    name: str,
    chosen: ReplaySelection,
    *,
    rate: float | None,
    on_progress: Callable[[ReplayProgress], None],
) -> dict[str, Any]:
    """Events of the log are sent again, whatever became of them the first time. See `LogReplay.run`."""
    if rate is not None and rate <= 0:
        raise Rejected(f"rate is {rate:g}. Give events a second, above 0.", field="rate")
    state = compose.open_state(settings)
    found = named(state, settings, name)
    made = uuid7()
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        work = LogReplay(log, compose.deliveries_of(state), made, rate=rate, on_progress=on_progress)
        done = work.run(found.id, found.source_id, filter_of(found), chosen)
    return {"replayed": done.queued, "filtered": done.filtered, "replay": made}


def filter_of(connected: ConnectedDestination) -> DestinationFilter:
    kind = kind_of(connected.kind)
    names = {connected.id, connected.name, kind.name}
    mapped = [compiled(each.trigger, "trigger") for each in mappings_of(connected) if each.enabled]
    return ConfiguredFilter(
        handled(kind, connected.settings),
        names,
        read_choice(connected.choice),
        Filters(read_filters(connected.filters)),
        mapped if kind.actions else None,
    )


def seconds_of(text: str, field: str) -> float:
    """`90s`, `30m`, `2h`, `3d`."""
    told = _AGO.fullmatch(text)
    if told is None:
        raise Rejected(f"{field} is {text!r:.60}. Give a time such as 30m, 24h or 7d.", field=field)
    return float(int(told[1]) * _SECONDS[told[2]])


def _moment(text: str, field: str) -> datetime:
    """ISO 8601, or so long ago."""
    if _AGO.fullmatch(text):
        return system_clock() - timedelta(seconds=seconds_of(text, field))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Rejected(
            f"{field} is {text!r:.60}. Give a time such as 2026-11-25T10:00:00Z, or 2h for two hours ago.", field=field
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
