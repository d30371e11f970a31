"""The Litestar application that serves LiveLike's resources below `/api/v1/`, and what describes its routes."""

from litestar import Litestar, Router, get
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from tifo.engagement.access import Access
from tifo.engagement.images import Images
from tifo.engagement.ports import Engine, Queries
from tifo.kernel.clock import Clock, system_clock
from tifo.kernel.errors import TifoError
from tifo.livelike.batched_reads import BatchedReads
from tifo.livelike.errors import on_crash, on_http_exception, on_tifo_error
from tifo.livelike.images import serve_image
from tifo.livelike.links import ROOT
from tifo.livelike.nicknames import Nicknames
from tifo.livelike.openapi.document import describe_routes
from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.responses import respond
from tifo.livelike.routes import (
    applications,
    badges,
    invoked_actions,
    leaderboards,
    ledger,
    organisation,
    profiles,
    quests,
    reward_tables,
    rewards,
    user_quests,
    webhooks,
)
from tifo.livelike.services import LiveLikeServices
from tifo.livelike.tokens import Tokens
from tifo.source.webhooks.outbox import WebhookOutbox
from tifo.web.openapi.parts import ApiPart
from tifo.workspace.model import Catalog

MAX_BODY_BYTES = 1 << 20
"""Our limit. Uploads of images have their own."""
_FAMILIES = (
    applications,
    profiles,
    rewards,
    reward_tables,
    invoked_actions,
    ledger,
    badges,
    quests,
    user_quests,
    leaderboards,
)


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
    """Builds the application. Addresses in its answers start with `public_url`, or else with the request's own host.

    `access` adds the organisation's routes, `outbox` the routes of webhooks. Actions of the type `segment` need the
    `catalog`.
    """
    routes = _routes(with_organisation=access is not None, with_webhooks=outbox is not None)
    services = LiveLikeServices(
        engine=engine,
        queries=queries,
        tokens=Tokens(queries, clock, access),
        nicknames=Nicknames(queries),
        public_url=public_url,
        clock=clock,
        reads=BatchedReads(queries),
        access=access,
        images=images,
        outbox=outbox,
        catalog=catalog,
    )
    return Litestar(
        [Router(ROOT, route_handlers=routes), health, serve_image],
        request_class=LiveLikeRequest,
        request_max_body_size=MAX_BODY_BYTES,
        exception_handlers={TifoError: on_tifo_error, HTTPException: on_http_exception, Exception: on_crash},
        state=State({"services": services}),
        on_shutdown=[_close],
        cors_config=_CORS,
        # The document is our own: Litestar's generator does not know the types of bodies that handlers decode.
        openapi_config=None,
        logging_config=None,
    )


def livelike_part(*, with_organisation: bool = True, with_webhooks: bool = True) -> ApiPart:
    """Describes the routes that `livelike_app` has, for the API's document."""
    return describe_routes(_routes(with_organisation=with_organisation, with_webhooks=with_webhooks))


def _routes(*, with_organisation: bool, with_webhooks: bool) -> list[HTTPRouteHandler]:
    families = [*_FAMILIES, *([organisation] if with_organisation else []), *([webhooks] if with_webhooks else [])]
    return [handler for family in families for handler in family.ROUTES]


async def _close(app: Litestar) -> None:
    services: LiveLikeServices = app.state["services"]
    await services.reads.close()


@get("/health")
async def health() -> ASGIResponse:
    return respond({"status": "ok"})


# A token is sent in a header and never in a cookie, so a request from any site is harmless without one.
_CORS = CORSConfig(
    allow_origins=["*"],
    allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    # The first two are those that LiveLike's SDK sends; Idempotency-Key is ours.
    allow_headers=["authorization", "content-type", "idempotency-key"],
    # Browsers hide other headers than the simplest from a page's scripts.
    expose_headers=["retry-after"],
    max_age=86_400,
)
