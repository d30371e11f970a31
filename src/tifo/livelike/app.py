"""The Litestar application that serves LiveLike's resources below `/api/v1/`."""

from litestar import Litestar, Router, get
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse

from tifo.engagement.access import Access
from tifo.engagement.images import Images
from tifo.engagement.ports import Engine, Queries
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import TifoError
from tifo.livelike.call import LiveLikeRequest, LiveLikeServices, answer
from tifo.livelike.errors import on_crash, on_http_exception, on_tifo_error
from tifo.livelike.images import serve_image
from tifo.livelike.links import ROOT
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.openapi import docs_routes, document
from tifo.livelike.reads import Reads
from tifo.livelike.routes import (
    applications,
    badges,
    changes,
    leaderboards,
    ledger,
    organisation,
    profiles,
    quests,
    rewards,
    user_quests,
    webhooks,
)
from tifo.livelike.tokens import Tokens
from tifo.source.webhooks.outbox import WebhookOutbox
from tifo.workspace.model import Catalog

MAX_BODY_BYTES = 1 << 20


def livelike_app(
    engine: Engine,
    queries: Queries,
    *,
    access: Access | None = None,
    images: Images | None = None,
    public_url: str | None = None,
    clock: Clock = system_clock,
    outbox: WebhookOutbox | None = None,
    catalog: Catalog | None = None,
) -> Litestar:
    """Addresses in answers start with `public_url`, or with the request's own scheme and host where there is none.

    The routes of webhooks are there where an `outbox` is given; actions of type `segment` need the `catalog`.
    `/docs` describes the routes, from `/docs/openapi.json`.
    """
    tokens, nicknames = Tokens(queries, clock, access), Nicknames(queries)
    families = (changes, applications, profiles, rewards, ledger, badges, quests, user_quests, leaderboards)
    routes = [handler for family in families for handler in family.ROUTES]
    if access is not None:
        routes += organisation.ROUTES
    if outbox is not None:
        routes += webhooks.ROUTES
    return Litestar(
        [Router(ROOT, route_handlers=routes), health, serve_image, *docs_routes(document(routes))],
        request_class=LiveLikeRequest,
        request_max_body_size=MAX_BODY_BYTES,
        exception_handlers={TifoError: on_tifo_error, HTTPException: on_http_exception, Exception: on_crash},
        state=State(
            {
                "desk": LiveLikeServices(
                    engine, queries, tokens, nicknames, public_url, clock, Reads(queries), access=access, images=images
                ),
                "webhooks": outbox,
                "catalog": catalog,
            }
        ),
        on_shutdown=[_close],
        cors_config=_CORS,
        openapi_config=None,
        logging_config=None,
    )


async def _close(app: Litestar) -> None:
    desk: LiveLikeServices = app.state["desk"]
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
