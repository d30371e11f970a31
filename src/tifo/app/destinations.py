"""What `tifo destination …` and `tifo delivery overview|redrive` do. Works whether or not `tifo up` runs."""

import contextlib
from collections.abc import Sequence
from typing import Any

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.destinations.catalog import kind_of, kinds
from tifo.destinations.ports import Kind
from tifo.destinations.settings import masked, secret_names
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import Position
from tifo.store.database import Database
from tifo.workspace import rules
from tifo.workspace.destinations import ConnectedDestination, DestinationChange

_FILTERED_AT_SOURCE = frozenset(
    ("unplanned", "schema_violation", "unplanned_and_schema_violation", "common_schema_violation", "event_setting")
)


def catalog() -> list[dict[str, Any]]:
    return [
        {
            "kind": kind.id,
            "name": kind.name,
            "description": kind.description,
            "settings": ", ".join(f"{each.name}{'' if not each.required else ' (required)'}" for each in kind.settings),
        }
        for kind in kinds()
    ]


def add(settings: Settings, kind_id: str, source: str, name: str, asked: Sequence[str]) -> dict[str, Any]:
    """It gets what the source receives from now on."""
    state, kind = compose.open_state(settings), kind_of(kind_id)
    found = rules.named(compose.catalog_of(state).sources(), source)
    value = kind.check(_asked(asked))
    made = compose.destinations_of(state, settings).add(
        kind.id, name, found.id, value, start=_end(settings), secret=secret_names(kind.settings)
    )
    return {"id": made.id, "name": made.name, "kind": made.kind}


def listed(settings: Settings) -> list[dict[str, Any]]:
    state = compose.open_state(settings)
    slugs = {source.id: source.slug for source in compose.catalog_of(state).sources()}
    return [
        {
            "id": each.id,
            "name": each.name,
            "kind": each.kind,
            "source": slugs.get(each.source_id, each.source_id),
            "enabled": each.enabled,
            "settings": {name: value for name, value in _shown(each).items() if value is not None},
        }
        for each in compose.destinations_of(state, settings).all()
    ]


def change(
    settings: Settings, name: str, asked: Sequence[str], *, new_name: str | None, enabled: bool | None
) -> dict[str, Any]:
    """`asked` names what changes of the settings; the rest stays."""
    state = compose.open_state(settings)
    found = _named(state, settings, name)
    kind = kind_of(found.kind)
    value = kind.check({**found.settings, **_asked(asked)}) if asked else None
    made = compose.destinations_of(state, settings).change(
        found.id, DestinationChange(name=new_name, enabled=enabled, settings=value), secret=secret_names(kind.settings)
    )
    return {"id": made.id, "name": made.name, "kind": made.kind, "enabled": made.enabled}


def remove(settings: Settings, name: str) -> dict[str, Any]:
    state = compose.open_state(settings)
    found = _named(state, settings, name)
    compose.destinations_of(state, settings).remove(found.id)
    return {"removed": found.name}


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
            behind = log.count(numbers.standing.position, each.source_id)
            refused = {count.code: count.total for count in counts if count.source_id == each.source_id}
            at_source = sum(total for code, total in refused.items() if code in _FILTERED_AT_SOURCE)
            on_ingest = sum(refused.values()) - at_source - refused.get("received", 0) - refused.get("duplicate", 0)
            rows.append(
                {
                    "id": each.id,
                    "name": each.name,
                    "kind": each.kind,
                    "source": slugs.get(each.source_id, each.source_id),
                    "received": numbers.standing.received + behind,
                    "failed_on_ingest": on_ingest,
                    "filtered_at_source": at_source,
                    "filtered_at_destination": numbers.filtered,
                    "waiting": numbers.standing.waiting + behind,
                    "failed": numbers.standing.failed + numbers.standing.forgotten,
                    "delivered": numbers.delivered,
                    "latency_ms": numbers.latency_ms,
                    "dead": numbers.standing.dead_reason or None,
                }
            )
    return rows


def errors(settings: Settings) -> list[dict[str, Any]]:
    """What was not delivered, or filtered, by code, with the newest sample of each."""
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
        }
        for each in compose.destinations_of(state, settings).all()
        for told in deliveries.problems(each.id)
    ]


def redrive(settings: Settings, name: str) -> dict[str, Any]:
    """Dead letters wait for another attempt; `tifo up` makes it."""
    state = compose.open_state(settings)
    found = _named(state, settings, name)
    again = compose.deliveries_of(state).redrive(found.id, None, system_clock().timestamp())
    return {"replayed": again}


def _shown(each: ConnectedDestination) -> dict[str, Any]:
    return masked(_kind(each).settings, each.settings)


def _kind(each: ConnectedDestination) -> Kind:
    return kind_of(each.kind)


def _named(state: Database, settings: Settings, name: str) -> ConnectedDestination:
    found = [each for each in compose.destinations_of(state, settings).all() if name in {each.id, each.name}]
    if len(found) == 1:
        return found[0]
    problem = "There is no destination" if not found else "There are several destinations named"
    raise NotFound(f"{problem} {name!r:.100}. `tifo destination list` shows their ids.", field="destination")


def _asked(asked: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in asked]
    for name, equals, _ in pairs:
        if not equals:
            raise Rejected(f"--set {name!r:.80} has no value. Write name=value.", field="set")
    return {name: value for name, _, value in pairs}


def _end(settings: Settings) -> Position:
    if not settings.log.exists():
        return Position(0)
    with contextlib.closing(compose.open_log_reader(settings)) as log:
        return log.end()
