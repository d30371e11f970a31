"""The Litestar application that serves LiveLike's resources below `/api/v1/`."""

from litestar import Litestar, Router, get
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.response.base import ASGIResponse

from tifo.engagement.ports import Engine, Queries
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import TifoError
from tifo.livelike.call import Call, Desk, answer
from tifo.livelike.errors import on_crash, on_http_exception, on_tifo_error
from tifo.livelike.links import ROOT
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.reads import Reads
from tifo.livelike.routes import applications, badges, leaderboards, ledger, profiles, quests, rewards, user_quests
from tifo.livelike.tokens import Tokens

MAX_BODY_BYTES = 1 << 20


def livelike_app(
    engine: Engine, queries: Queries, *, public_url: str | None = None, clock: Clock = system_clock
) -> Litestar:
    """Addresses in answers start with `public_url`, or with the request's own scheme and host where there is none.

    `/docs/openapi.json` describes the routes; there is no page for it, as Litestar's need a CDN.
    """
    tokens, nicknames = Tokens(queries, clock), Nicknames(queries)
    families = (applications, profiles, rewards, ledger, badges, quests, user_quests, leaderboards)
    routes = [handler for family in families for handler in family.ROUTES]
    return Litestar(
        [Router(ROOT, route_handlers=routes), health],
        request_class=Call,
        request_max_body_size=MAX_BODY_BYTES,
        exception_handlers={TifoError: on_tifo_error, HTTPException: on_http_exception, Exception: on_crash},
        state=State({"desk": Desk(engine, queries, tokens, nicknames, public_url, clock, Reads(queries))}),
        on_shutdown=[_close],
        cors_config=_CORS,
        openapi_config=OpenAPIConfig("Tifo", "1", path="/docs", render_plugins=[JsonRenderPlugin()]),
        logging_config=None,
    )


async def _close(app: Litestar) -> None:
    desk: Desk = app.state["desk"]
    await desk.reads.close()


@get("/health")
async def health() -> ASGIResponse:
    return answer({"status": "ok"})


_CORS = CORSConfig(
    allow_origins=["*"],
    allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    allow_headers=["authorization", "content-type", "idempotency-key"],
    expose_headers=["retry-after"],
    max_age=86_400,
)
