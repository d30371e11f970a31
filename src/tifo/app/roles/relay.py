"""The role that sends: facts to their endpoints, webhooks both ways, and tracked events to the engine as actions."""

import asyncio
from collections.abc import Coroutine

import aiohttp

from tifo.app import compose
from tifo.app.compose import OpenedBackend
from tifo.app.roles.held import released
from tifo.app.roles.holding import holder_of
from tifo.app.roles.looping import Role, run_on_loop
from tifo.app.roles.presence import Presence, present
from tifo.app.settings import Settings
from tifo.egress.http import open_session
from tifo.kernel.clock import system_clock
from tifo.kernel.ids import uuid7
from tifo.leases.share import Holder, WorkShare
from tifo.source.relay import Relay
from tifo.source.segment_actions.consumer import SegmentActions
from tifo.source.webhooks.intake import WebhookIntake
from tifo.source.webhooks.sender import Sender
from tifo.store.engagement.engine import SqlEngine


def run(settings: Settings, supervised: bool) -> int:
    return run_on_loop(_relay(settings), supervised)


def _relay(settings: Settings) -> Role:
    async def relay(stop: asyncio.Event) -> None:
        with present(settings.data, "relay") as presence:
            if await released(settings, stop):
                await _relay_all(settings, stop, presence)

    return relay


async def _relay_all(settings: Settings, stop: asyncio.Event, presence: Presence) -> None:
    with (
        compose.opened_by_role(settings) as backend,
        backend.read_log() as log,
        holder_of(settings, "relay") as holder,
    ):
        async with open_session() as session, compose.outside_session(settings) as outside:
            engine = SqlEngine(backend.database, system_clock, uuid7)
            actions = SegmentActions(log, engine, backend.segment_actions)
            sending = _sending(backend, holder, session, outside, stop)
            presence.up()
            await asyncio.gather(*sending, actions.run(stop))
            await engine.close()


def _sending(
    backend: OpenedBackend,
    holder: Holder,
    session: aiohttp.ClientSession,
    outside: aiohttp.ClientSession,
    stop: asyncio.Event,
) -> tuple[Coroutine[None, None, None], ...]:
    """Makes the jobs that processes share which have one state."""
    own, leases = compose.own_address(backend.settings), backend.leases
    relaying = WorkShare(leases, "relay", holder)
    receiving, sending = WorkShare(leases, "webhooks-in", holder), WorkShare(leases, "webhooks-out", holder)
    return (
        Relay(backend.facts, backend.catalog, session, own, relaying, outside=outside).run(stop),
        WebhookIntake(backend.inbox, backend.catalog, session, own, receiving, outside=outside).run(stop),
        Sender(backend.outbox, outside, sending).run(stop),
    )
