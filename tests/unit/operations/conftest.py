import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.twins import TwinBackend
from tifo.delivery.ports import Attempt, Checkpoint, Counted, Result, Undelivered, UndeliveredState
from tifo.destinations import catalog
from tifo.destinations.ports import (
    Action,
    ActionField,
    ActionMapping,
    Configured,
    Destination,
    Event,
    Setting,
    Settings,
    Tools,
)
from tifo.engagement.commands import (
    CreateProfile,
    CreateRewardAction,
    CreateRewardItem,
    CreateRewardTable,
    InvokeAction,
    NewEntry,
)
from tifo.engagement.model import Application, Profile
from tifo.eventlog.ports import Append
from tifo.kernel.errors import Transient
from tifo.kernel.ids import MessageId, Position, ProfileId, SourceId
from tifo.tracking.envelope import Message, Refused
from tifo.warehouses.ports import Warehouse
from tifo.workspace.destinations import ConnectedDestination

Counts = Mapping[Counted, int]
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


@pytest.fixture
def backend() -> TwinBackend:
    """Everything in memory and joined up; its clock stands at `NOW`."""
    return TwinBackend(clock=lambda: NOW)


def receive(
    backend: TwinBackend,
    source_id: str,
    *message_ids: str,
    at: datetime = NOW,
    refused: Sequence[str] = (),
    **more: Any,
) -> None:
    """Appends a track call for each message id to the log, and counts a refusal for each code."""
    accepted = [Message(MessageId(each), _track(each, **more)) for each in message_ids]
    codes = [Refused(code, "as told", b"{}") for code in refused]
    backend.log.append([Append(SourceId(source_id), at, accepted, codes)])


def _track(message_id: str, **more: Any) -> bytes:
    body = {"type": "track", "event": "Seen", "userId": "ada", "messageId": message_id, "properties": {}, **more}
    return msgspec.json.encode(body)


class VendorKind:
    """A kind with actions, as vendors' kinds are, without their library."""

    id = "vendor"
    name = "Vendor"
    description = "A vendor's API."
    handles = frozenset(("track", "page"))
    local = False
    settings: Sequence[Setting] = ()
    actions: Sequence[Action] = (
        Action(
            slug="trackEvent",
            name="Track Event",
            description="Sends an event.",
            trigger='type = "track"',
            fields=[
                ActionField("event", "Event", "string", "Its name.", True, False, {"@path": "$.event"}, None),
                ActionField("note", "Note", "string", "Anything.", False, False, None, None),
            ],
            batch=False,
        ),
    )
    presets: Sequence[ActionMapping] = (
        ActionMapping("calls", "Track Calls", "trackEvent", 'type = "track"', {"event": "any"}),
        ActionMapping("pages", "Page Calls", "trackEvent", 'type = "page"', {"event": "page"}),
    )

    automatic = presets[:1]

    def check(self, settings: Settings) -> Settings:
        return settings

    async def open(self, configured: Configured, tools: Tools) -> Destination:
        raise Transient(f"{configured.name} is only looked at, in {tools.folder}.")


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> VendorKind:
    """Puts a kind with actions into the catalog."""
    kind = VendorKind()
    own = catalog.kinds()
    monkeypatch.setattr(catalog, "kinds", lambda: (*own, kind))
    return kind


def settle(backend: TwinBackend, destination: ConnectedDestination, position: int, **found: Any) -> None:
    """Moves the destination's cursor over so many events, as the deliverer does; `found` are a checkpoint's fields."""
    (stored,) = backend.deliveries.settle(
        [Checkpoint(destination.id, position=Position(position), received=position, **found)]
    )
    assert stored


def counted(result: Result, number: int, *, code: str = "", name: str = "Seen", at: datetime = NOW) -> Counts:
    return {Counted(minute=int(at.timestamp() // 60), type="track", name=name, result=result, code=code): number}


def undelivered(
    position: int, message_id: str, *, code: str = "500", dead: bool = False, replay: str = ""
) -> Undelivered:
    """An event whose first attempt failed: it waits for the next one, or is a dead letter."""
    return Undelivered(
        event=Event(Position(position), message_id, "track", "Seen", "ada", NOW.timestamp(), b"{}"),
        state=UndeliveredState.FAILED if dead else UndeliveredState.WAITING,
        first_at=NOW,
        next_at=None if dead else NOW + timedelta(minutes=1),
        attempts=1,
        history=(Attempt(NOW, code, "as told", 0.25),),
        code=code,
        detail="as told",
        replay=replay,
    )


@pytest.fixture
def warehouse(backend: TwinBackend) -> Warehouse:
    """The built-in one."""
    return backend.open_warehouse("duckdb")


def earn(backend: TwinBackend, application: Application) -> ProfileId:
    """Lets a fan vote once, which pays 5 points: one row of the ledger and one fact. Returns the fan."""
    return asyncio.run(_earn(backend, application))


async def _earn(backend: TwinBackend, application: Application) -> ProfileId:
    async with backend.open_engine() as engine:

        async def do(command: type[Any], **fields: Any) -> Any:
            return await engine.handle(command(client_id=application.id, **fields))

        points = await do(CreateRewardItem, name="Points")
        await do(CreateRewardAction, name="Vote", key="vote")
        entry = NewEntry(reward_item_id=points.id, reward_item_amount=5, action_key="vote")
        await do(CreateRewardTable, name="Votes", entries=(entry,))
        fan: Profile = await do(CreateProfile, custom_id="ada")
        program = application.default_program_id
        await do(InvokeAction, program_id=program, reward_action_key="vote", profile_id=fan.id)
    return fan.id
