"""The role that sends: facts to their endpoints, webhooks both ways, and tracked events to the engine as actions."""

import asyncio

from tifo.app import compose
from tifo.app.roles.looping import Role, run_on_loop
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
        database = compose.open_state(settings)
        feed, catalog = compose.facts_of(database), compose.catalog_of(database)
        async with open_session() as session, compose.outside_session(settings) as outside:
            own = compose.own_address(settings)
            relaying = Relay(feed, catalog, session, own, outside=outside)
            intake = WebhookIntake(compose.inbox_of(database), catalog, session, own, outside=outside)
            sender = Sender(compose.outbox_of(database), outside)
            log, engine = compose.open_log_reader(settings), SqlEngine(database, system_clock, uuid7)
            actions = SegmentActions(log, engine, compose.actions_of(database))
            await asyncio.gather(relaying.run(stop), intake.run(stop), sender.run(stop), actions.run(stop))
            await engine.close()
            log.close()
        database.dispose()

    return relay
