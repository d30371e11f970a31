"""The role that sends: facts to their endpoints, webhooks both ways, and tracked events to the engine as actions."""

import asyncio

from tifo.app import compose
from tifo.app.roles.looping import Role, run_on_loop
from tifo.app.roles.presence import present
from tifo.app.settings import Settings
from tifo.egress.http import open_session
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import uuid7
from tifo.source.relay import Relay
from tifo.source.segment_actions.consumer import SegmentActions
from tifo.source.webhooks.intake import WebhookIntake
from tifo.source.webhooks.sender import Sender
from tifo.store.engagement.engine import SqlEngine


def run(settings: Settings, supervised: bool) -> int:
    return run_on_loop(_relay(settings), supervised)


def _relay(settings: Settings) -> Role:
    async def relay(stop: asyncio.Event) -> None:
        with (
            present(settings.data, "relay") as presence,
            compose.opened_by_role(settings) as backend,
            backend.read_log() as log,
        ):
            async with open_session() as session, compose.outside_session(settings) as outside:
                own, engine = compose.own_address(settings), SqlEngine(backend.database, system_clock, uuid7)
                relaying = Relay(backend.facts, backend.catalog, session, own, outside=outside)
                intake = WebhookIntake(backend.inbox, backend.catalog, session, own, outside=outside)
                sender = Sender(backend.outbox, outside)
                actions = SegmentActions(log, engine, backend.segment_actions)
                presence.up()
                await asyncio.gather(relaying.run(stop), intake.run(stop), sender.run(stop), actions.run(stop))
                await engine.close()

    return relay
