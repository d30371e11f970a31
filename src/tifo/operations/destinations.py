"""Destinations: the connections that deliver a source's events to vendors, webhooks, files and functions."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from tifo.delivery.sending.filters import ConfiguredFilter, DestinationFilter, LoggedEvent, event_of
from tifo.delivery.sending.mappings import mappings_of
from tifo.delivery.sending.reading import decoded
from tifo.destinations.catalog import kind_of
from tifo.destinations.ports import Configured, Event, Kind, Outcome, Settings
from tifo.destinations.settings import masked, secret_names, without_masks
from tifo.eventlog.ports import Block, consecutive
from tifo.kernel.clock import to_iso
from tifo.kernel.errors import Forbidden, Rejected
from tifo.kernel.ids import Position
from tifo.kernel.json import JsonObject
from tifo.kernel.naming import no_such, several
from tifo.operations import sources
from tifo.operations.backend import Backend
from tifo.tracking.filters import EventChoice, Filters, checked_choice, read_choice, read_filters
from tifo.tracking.fql import compiled
from tifo.workspace.destinations import ConnectedDestination, DestinationChange
from tifo.workspace.tokens import Role

_SEARCHED = (timedelta(seconds=10), timedelta(minutes=10), timedelta(days=1))
"""How far back a recent event of a source is searched for: a busy log shows it at once, a quiet source needs more."""
_SEARCHED_EVENTS = 10_000


_NOWHERE = Position(1)
"""The position of an event that is sent for a test and stands in no log."""


@dataclass(frozen=True, kw_only=True)
class DestinationEdit:
    """Names what changes of a destination; None leaves a field as it is."""

    name: str | None = None
    enabled: bool | None = None
    settings: Settings | None = field(default=None, repr=False)
    """Only the settings that change. A secret that comes back as the mask stays the old one."""


def listed(backend: Backend) -> Sequence[ConnectedDestination]:
    """Returns all destinations, oldest first, secrets in the clear: whoever shows them uses `visible_settings`."""
    return backend.destinations.all()


def of_source(backend: Backend, source: str) -> Sequence[ConnectedDestination]:
    """Returns the destinations of a source, given by slug or id."""
    found = sources.find(backend, source)
    return [each for each in listed(backend) if each.source_id == found.id]


def find(backend: Backend, name: str) -> ConnectedDestination:
    """Finds a destination by its id or name.

    Raises `NotFound` for none, and for a name that destinations of several sources have.
    """
    known = listed(backend)
    # An id wins: a destination may be named like the id of another.
    found = [each for each in known if each.id == name] or [each for each in known if each.name == name]
    if len(found) == 1:
        return found[0]
    slugs = sources.slugs(backend)
    if found:
        where = {each.id: f"of the source {slugs.get(each.source_id, each.source_id)}" for each in found}
        raise several("destination", name, where, field="destinationId")
    names = list(dict.fromkeys(each.name for each in known))
    raise no_such("destination", name, names, make="tifo destination add", field="destinationId")


def visible_settings(destination: ConnectedDestination) -> Settings:
    """Returns the settings that have a value. A secret is shown as the mask, to every role."""
    shown = masked(kind_of(destination.kind).settings, destination.settings)
    return {name: value for name, value in shown.items() if value is not None}


def add(
    backend: Backend,
    kind_id: str,
    source: str,
    settings: Settings,
    *,
    name: str | None = None,
    enabled: bool = True,
    role: Role = Role.OWNER,
) -> ConnectedDestination:
    """Connects a destination to a source, given by slug or id; it gets the events that are received from now on.

    A destination without a name is named after its kind. Raises `Rejected` naming a setting at fault, `Forbidden` for a
    kind that works on this machine unless the role is owner, and as `Destinations.add` does.
    """
    kind = kind_of(kind_id)
    _check_role(kind, role)
    return backend.destinations.add(
        kind.id,
        name or kind.name,
        sources.find(backend, source).id,
        kind.check(without_masks(kind.settings, settings)),
        start=backend.log_end(),
        secret=secret_names(kind.settings),
        mappings=msgspec.to_builtins(
            kind.automatic
        ),  # Segment: a new destination begins with the default subscriptions
        enabled=enabled,
    )


def change(backend: Backend, name: str, edit: DestinationEdit, *, role: Role = Role.OWNER) -> ConnectedDestination:
    """Changes what the edit names. Raises as `add` does, and `Conflict` where somebody else changed it meanwhile."""
    found = find(backend, name)
    kind = kind_of(found.kind)
    _check_role(kind, role)
    settings = None
    if edit.settings is not None:
        settings = kind.check({**found.settings, **without_masks(kind.settings, edit.settings)})
    # The version that was read goes along: of two edits at once the second is refused, and none is lost.
    made = DestinationChange(name=edit.name, enabled=edit.enabled, settings=settings, version=found.version)
    return backend.destinations.change(found.id, made, secret=secret_names(kind.settings))


def choose_events(backend: Backend, name: str, choice: EventChoice) -> ConnectedDestination:
    """Sets which events the destination gets; an empty choice means all of them."""
    stored = msgspec.to_builtins(checked_choice(choice))
    found = find(backend, name)
    return backend.destinations.change(found.id, DestinationChange(choice=stored, version=found.version))


def remove(backend: Backend, name: str) -> ConnectedDestination:
    """Deletes the destination with its waiting events, dead letters and numbers. Returns it as it was."""
    found = find(backend, name)
    backend.destinations.remove(found.id)
    return found


def try_out(backend: Backend, name: str, message: JsonObject | None = None) -> Outcome:
    """Sends one event now, once, without counting it. Its filters are skipped, as in Segment's event tester.

    Without a message (canonical, as the log holds it) it sends the newest event of the source, or a made-up one where
    the source has none. Runs an event loop of its own: call it from a thread that has none.
    """
    found = find(backend, name)
    body = _recent(backend, found) if message is None else msgspec.json.encode(message)
    return asyncio.run(_send_once(backend, found, _event(backend, found, body)))


def configured_of(destination: ConnectedDestination) -> Configured:
    """Returns the destination in the form that its kind opens."""
    return Configured(destination.id, destination.name, destination.settings, mappings_of(destination))


def filter_of(destination: ConnectedDestination) -> DestinationFilter:
    """Returns the decision which events the destination gets, and in which form."""
    kind = kind_of(destination.kind)
    triggers = [compiled(each.trigger, "trigger") for each in mappings_of(destination) if each.enabled]
    return ConfiguredFilter(
        kind.handled(destination.settings),
        {destination.id, destination.name, kind.name},
        read_choice(destination.choice),
        Filters(read_filters(destination.filters)),
        triggers if kind.actions else None,
    )


def _check_role(kind: Kind, role: Role) -> None:
    if kind.local and not role.may(Role.OWNER):
        raise Forbidden(
            f"{kind.id} works on the machine that Tifo runs on: this needs a token of role owner; this one's role is"
            f" {role}."
        )


async def _send_once(backend: Backend, destination: ConnectedDestination, event: Event) -> Outcome:
    async with backend.destination_tools() as tools:
        opened = await kind_of(destination.kind).open(configured_of(destination), tools)
        try:
            (outcome,) = await opened.send([event])
        finally:
            await opened.close()
    return outcome


def _event(backend: Backend, destination: ConnectedDestination, body: bytes) -> Event:
    now = backend.clock()
    message = decoded(Block(consecutive(_NOWHERE, 1), destination.source_id, now, body + b"\n")).messages[0]
    if message is None:
        raise Rejected("The event has no type or messageId. Give a message as the log holds it.", field="event")
    return event_of(LoggedEvent(_NOWHERE, now.timestamp(), message, body))


def _recent(backend: Backend, destination: ConnectedDestination) -> bytes:
    with backend.read_log() as log:
        for back in _SEARCHED:
            after = log.before(backend.clock() - back)
            if blocks := log.read(after, max_events=_SEARCHED_EVENTS, source_id=destination.source_id):
                return blocks[-1].bodies.rstrip(b"\n").rpartition(b"\n")[2]
    return _made_up(backend)


def _made_up(backend: Backend) -> bytes:
    times = dict.fromkeys(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), to_iso(backend.clock()))
    message_id = f"tifo-test-{backend.new_id()}"
    made = {"type": "track", "event": "Test Event", "messageId": message_id, "userId": "tifo-test"}
    return msgspec.json.encode({**made, "properties": {}, "context": {}, "integrations": {}, **times})
