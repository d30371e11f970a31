import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry

from tifo.egress.http import open_guarded_session, open_session
from tifo.egress.rules import read_allowed
from tifo.leases.share import Holder, WorkShare
from tifo.source.metrics import RelayMetrics
from tifo.source.relay import Relay

Until = Callable[[Callable[[], bool]], Awaitable[None]]


async def test_a_configured_endpoint_on_a_private_address_gets_nothing_and_the_status_says_why(
    rig: Any, make_fact: Callable[..., Any], until: Until
) -> None:
    rig.connect("outside")
    own = rig.connect("own")
    source = rig.catalog.create_source("Own", "livelike")
    rig.catalog.connect(own, source.write_key, None)
    rig.feed.commit(make_fact("outside", 1), make_fact("own", 1))
    stop = asyncio.Event()
    async with open_session() as session, open_guarded_session(read_allowed("")) as outside:
        relay = Relay(
            rig.feed,
            rig.catalog,
            session,
            rig.tifo.address,
            WorkShare(rig.leases, "relay", Holder("one")),
            outside=outside,
            poll_s=0.005,
            sleep=lambda _: asyncio.sleep(0),
            metrics=RelayMetrics(CollectorRegistry()),
        )
        running = asyncio.create_task(relay.run(stop))
        try:
            await until(lambda: "TIFO_EGRESS_ALLOW" in str({one.client_id: one.last_error for one in relay.status()}))
            await until(lambda: rig.tifo.taken == ["own-001"])
        finally:
            stop.set()
            await running
    assert rig.other.requests == []
