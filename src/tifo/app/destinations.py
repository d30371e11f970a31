"""What `tifo destination …` does. Works whether or not `tifo up` runs."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tifo.app import compose
from tifo.app.settings import Settings
from tifo.delivery.sending.filters import LoggedEvent, event_of
from tifo.delivery.sending.mappings import mappings_of, named_mapping, with_mappings
from tifo.delivery.sending.reading import decoded
from tifo.destinations.catalog import kind_of, kinds
from tifo.destinations.mappings import checked_mapping, new_mapping, preset_of
from tifo.destinations.ports import ActionMapping, Configured, Kind, Outcome, Tools
from tifo.destinations.settings import masked, secret_names
from tifo.egress.rules import read_allowed
from tifo.eventlog.ports import Block
from tifo.kernel.clock import system_clock, to_iso
from tifo.kernel.errors import NotFound, Rejected
from tifo.kernel.ids import Position, uuid7
from tifo.store.sql.database import Database
from tifo.tracking.filters import ActionType, EventChoice, Filter, FilterAction, Filters, checked_choice
from tifo.workspace import filters as work
from tifo.workspace import rules
from tifo.workspace.destinations import ConnectedDestination, DestinationChange


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
        kind.id,
        name,
        found.id,
        value,
        start=compose.log_end(settings),
        secret=secret_names(kind.settings),
        mappings=msgspec.to_builtins(kind.automatic),
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
    found = named(state, settings, name)
    kind = kind_of(found.kind)
    value = kind.check({**found.settings, **_asked(asked)}) if asked else None
    made = compose.destinations_of(state, settings).change(
        found.id, DestinationChange(name=new_name, enabled=enabled, settings=value), secret=secret_names(kind.settings)
    )
    return {"id": made.id, "name": made.name, "kind": made.kind, "enabled": made.enabled}


def remove(settings: Settings, name: str) -> dict[str, Any]:
    state = compose.open_state(settings)
    found = named(state, settings, name)
    compose.destinations_of(state, settings).remove(found.id)
    return {"removed": found.name}


def choose(
    settings: Settings, name: str, *, types: Sequence[str], only: Sequence[str], excluded: Sequence[str]
) -> dict[str, Any]:
    """Which events it gets; nothing named: all."""
    state = compose.open_state(settings)
    choice = checked_choice(EventChoice(list(types), list(only), list(excluded)))
    found = named(state, settings, name)
    made = compose.destinations_of(state, settings).change(
        found.id, DestinationChange(choice=msgspec.to_builtins(choice), version=found.version)
    )
    return {"name": made.name, "choice": made.choice}


def mappings(settings: Settings, name: str) -> list[dict[str, Any]]:
    return [_mapping_shown(each) for each in mappings_of(named(compose.open_state(settings), settings, name))]


def presets(kind_id: str) -> list[dict[str, Any]]:
    kind = kind_of(kind_id)
    automatic = {each.id for each in kind.automatic}
    return [
        {"preset": each.name, "action": each.action, "trigger": each.trigger, "automatic": each.id in automatic}
        for each in kind.presets
    ]


def add_mapping(
    settings: Settings,
    name: str,
    *,
    preset: str | None,
    action: str | None,
    trigger: str | None,
    mapping: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A preset as it is, or with another trigger or mapping; or an action with both."""
    state = compose.open_state(settings)
    found = named(state, settings, name)
    kind = kind_of(found.kind)
    base = preset_of(kind, preset) if preset is not None else new_mapping(kind, action or "")
    changed: dict[str, Any] = {"trigger": trigger, "mapping": mapping, "id": uuid7()}
    made = checked_mapping(kind, replace(base, **{key: each for key, each in changed.items() if each is not None}))
    compose.destinations_of(state, settings).change(found.id, with_mappings(found, [*mappings_of(found), made]))
    return _mapping_shown(made)


def change_mapping(settings: Settings, name: str, mapping_id: str, *, enabled: bool | None) -> dict[str, Any]:
    """`enabled` of None removes it."""
    state = compose.open_state(settings)
    found = named(state, settings, name)
    chosen = named_mapping(found, mapping_id)
    made = None if enabled is None else replace(chosen, enabled=enabled)
    kept = [made if each.id == chosen.id else each for each in mappings_of(found)]
    compose.destinations_of(state, settings).change(found.id, with_mappings(found, [each for each in kept if each]))
    return {"removed": chosen.name} if made is None else _mapping_shown(made)


def _mapping_shown(each: ActionMapping) -> dict[str, Any]:
    mapping = msgspec.json.encode(each.mapping).decode()
    told = {"id": each.id, "name": each.name, "action": each.action, "trigger": each.trigger}
    return {**told, "enabled": each.enabled, "mapping": mapping}


def filters(settings: Settings, name: str) -> list[dict[str, Any]]:
    return [_filter_shown(each) for each in work.filters_of(named(compose.open_state(settings), settings, name))]


def add_filter(
    settings: Settings, name: str, condition: str, actions: Sequence[FilterAction], title: str
) -> dict[str, Any]:
    state = compose.open_state(settings)
    found = named(state, settings, name)
    made = work.made(condition, list(actions), title, new_id=uuid7, now=system_clock())
    compose.destinations_of(state, settings).change(found.id, work.with_filter(found, made))
    return _filter_shown(made)


def remove_filter(settings: Settings, name: str, filter_id: str) -> dict[str, Any]:
    state = compose.open_state(settings)
    found = named(state, settings, name)
    gone = work.named_filter(found, filter_id)
    compose.destinations_of(state, settings).change(found.id, work.without_filter(found, filter_id))
    return {"removed": gone.title}


def preview_filter(condition: str, actions: Sequence[FilterAction], message: dict[str, Any]) -> dict[str, Any]:
    made = work.made(condition, list(actions), "preview", new_id=uuid7, now=system_clock())
    return {"result": Filters([made])(message).message}


def actions_asked(
    *,
    drop: bool,
    sample: float | None,
    sample_by: str | None,
    drop_properties: Sequence[str],
    allow_properties: Sequence[str],
) -> list[FilterAction]:
    """`properties.email` stands for the field `email` of the object `properties`."""
    actions = [FilterAction(ActionType.DROP)] if drop else []
    if sample is not None:
        actions.append(FilterAction(ActionType.SAMPLE, percent=sample, path=sample_by))
    for action, paths in (
        (ActionType.DROP_PROPERTIES, drop_properties),
        (ActionType.ALLOW_PROPERTIES, allow_properties),
    ):
        fields: dict[str, list[str]] = {}
        for path in paths:
            of, _, field = path.rpartition(".")
            fields.setdefault(of, []).append(field)
        if fields:
            actions.append(FilterAction(action, fields=fields))
    return actions


def try_out(settings: Settings, name: str, message: dict[str, Any] | None) -> dict[str, Any]:
    """Send one event, now, without a retry, and without counting it; filters are skipped, as in Segment's event tester.

    `message` is a canonical message; None: the newest of the source, or one made up where it has none.
    """
    state = compose.open_state(settings)
    found = named(state, settings, name)
    body = msgspec.json.encode(message) if message is not None else _newest(settings, found)
    outcome = asyncio.run(_sent_once(settings, found, body))
    exchange = outcome.exchange
    return {
        "outcome": outcome.fate.value,
        "code": outcome.code,
        "detail": outcome.detail,
        "request": "" if exchange is None else exchange.request,
        "response": "" if exchange is None else exchange.response,
    }


async def _sent_once(settings: Settings, found: ConnectedDestination, body: bytes) -> Outcome:
    block = Block(Position(1), 1, found.source_id, system_clock(), body + b"\n")
    message = decoded(block).messages[0]
    if message is None:
        raise Rejected("The event has no type or messageId. Give a message as the log holds it.", field="event")
    event = event_of(LoggedEvent(Position(1), system_clock().timestamp(), message, body))
    async with compose.outside_session(settings) as session:
        tools = Tools(session, read_allowed(settings.egress_allow), system_clock, settings.data)
        destination = await kind_of(found.kind).open(configured_of(found), tools)
        try:
            (outcome,) = await destination.send([event])
        finally:
            await destination.close()
    return outcome


def _newest(settings: Settings, found: ConnectedDestination) -> bytes:
    if settings.log.exists():
        with contextlib.closing(compose.open_log_reader(settings)) as log:
            for back in (1_000, 100_000):
                blocks = log.read(Position(max(0, log.end() - back)), max_events=back, source_id=found.source_id)
                if blocks:
                    return blocks[-1].bodies.rstrip(b"\n").rpartition(b"\n")[2]
    now = to_iso(system_clock())
    times = dict.fromkeys(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), now)
    made = {"type": "track", "event": "Test Event", "messageId": f"tifo-test-{uuid7()}", "userId": "tifo-test"}
    return msgspec.json.encode({**made, "properties": {}, "context": {}, "integrations": {}, **times})


def _filter_shown(each: Filter) -> dict[str, Any]:
    actions = msgspec.json.encode(each.actions).decode()
    return {"id": each.id, "title": each.title, "if": each.if_, "actions": actions, "enabled": each.enabled}


def configured_of(connected: ConnectedDestination) -> Configured:
    return Configured(connected.id, connected.name, connected.settings, mappings_of(connected))


def _shown(each: ConnectedDestination) -> dict[str, Any]:
    return masked(_kind(each).settings, each.settings)


def _kind(each: ConnectedDestination) -> Kind:
    return kind_of(each.kind)


def named(state: Database, settings: Settings, name: str) -> ConnectedDestination:
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
