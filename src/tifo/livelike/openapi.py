"""The API's document (OpenAPI 3.1), made from the routes themselves, and the page that shows it."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from tifo.livelike.call import LiveLikeRequest, answer
from tifo.livelike.described import FILTERS, ROUTES, SHAPES, RouteDescription, Schema, ref
from tifo.livelike.documented import Documented
from tifo.livelike.links import ROOT

_ERRORS = {
    400: "The request is not valid; the answer names the field.",
    401: "There is no token, or it is not valid (any more).",
    403: "The token may not do this.",
    404: "There is no such thing in this application, or no such page.",
    413: "The body is too large.",
    429: "Too many requests are waiting; try again after Retry-After seconds.",
    503: "The state is out of reach; try again after Retry-After seconds.",
}
_WRITES = {409: "The thing is there already, a code or custom id is taken, or an Idempotency-Key met another request."}
_PAGES = (
    ("page", {"type": "integer", "minimum": 1}, "The page as the list is now; `next` is steadier."),
    ("page_size", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Rows a page."),
)
_SCHEMES = {
    "fan": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A fan's: own data only. From sign-up, or made by you: HS256 by the client secret, with `iss`"
        " (client id), `iat`, `custom_profile_id`.",
    },
    "producer": {"type": "http", "scheme": "bearer", "description": "Your backend's: all of one application."},
    "organisation": {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal API token: makes and changes applications. `Token …` works as `Bearer …` does.",
    },
}
_ABOUT = """LiveLike-compatible profiles, reward items, reward tables, badges and quests.

Every write takes an `Idempotency-Key` header: the same key and body again gives the first answer again.
Lists are `{count, next, previous, results}`; follow `next` to see every row once, whatever is added meanwhile;
`count` stops at 10,000 in lists that may grow without end."""


def document(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for handler in handlers:
        for path in handler.paths:
            address = f"{ROOT.rstrip('/')}{path.rstrip('/')}/".replace(":str}", "}")
            for method in handler.http_methods:
                paths.setdefault(address, {})[method.lower()] = _operation(handler, method, address)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tifo", "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": dict(SHAPES), "securitySchemes": _SCHEMES},
    }


def docs_routes(described: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/docs/openapi.json", sync_to_thread=False)
    def openapi_json(request: LiveLikeRequest) -> ASGIResponse:
        return answer({**described, "servers": [{"url": request.links.base}]})

    return [openapi_json, docs_page, docs_viewer]


@get("/docs", sync_to_thread=False)
def docs_page() -> ASGIResponse:
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return ASGIResponse(body=_PAGE, media_type="text/html", headers=headers)


@get("/docs/rapidoc.js", sync_to_thread=False)
def docs_viewer() -> ASGIResponse:
    return ASGIResponse(body=_VIEWER, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})


_VIEWER = files("tifo.livelike").joinpath("vendor", "rapidoc-min.js").read_bytes()
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:"
_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Tifo's API</title>
<script type="module" src="/docs/rapidoc.js"></script>
<rapi-doc spec-url="/docs/openapi.json" load-fonts="false" render-style="read" show-header="false" theme="light">
</rapi-doc>
</html>
"""


def _operation(handler: HTTPRouteHandler, method: str, address: str) -> dict[str, Any]:
    name, text = handler.fn.__name__, (handler.fn.__doc__ or "").strip()
    route = ROUTES.get(name, RouteDescription())
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": name.replace("_", " ").capitalize(),
        "description": text,
        "tags": [address.removeprefix(ROOT).split("/")[0]],
        "security": [*route.who],
        "parameters": _parameters(route, method, address),
        "responses": _responses(route, method, route.status or handler.status_code),
    }
    kind = handler.operation_class
    if issubclass(kind, Documented):
        operation["requestBody"] = {"required": kind.required, "content": _content(kind)}
    return operation


def _content(kind: type[Documented]) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": kind.takes}}
    if kind.image:
        file = {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "PNG, JPEG, GIF or WebP, 1 MiB at most.",
        }
        form = {**kind.takes, "properties": {**kind.takes["properties"], "file": file}}
        content["multipart/form-data"] = {"schema": form}
    return content


def _parameters(route: RouteDescription, method: str, address: str) -> list[dict[str, Any]]:
    parts = [part.strip("{}") for part in address.split("/") if part.startswith("{")]
    parameters = [_parameter(part, {"type": "string", "minLength": 1}, "", "path", required=True) for part in parts]
    for spelled in route.filters:
        schema, text = FILTERS[spelled]
        name = spelled.partition("@")[0].rstrip("!")
        parameters.append(_parameter(name, schema, text, "query", required=spelled.endswith("!")))
    if route.paged:
        parameters += [_parameter(name, schema, text, "query") for name, schema, text in _PAGES]
    if method != "GET":
        key = {"type": "string", "minLength": 16, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"}
        parameters.append(_parameter("Idempotency-Key", key, "Makes the write safe to repeat.", "header"))
    return parameters


def _parameter(name: str, schema: Schema, text: str, place: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "description": text, "schema": schema}


def _responses(route: RouteDescription, method: str, status: int) -> dict[str, Any]:
    errors = _ERRORS if method == "GET" else {**_ERRORS, **_WRITES}
    answers: dict[str, Any] = {str(code): _json(text, ref("Error")) for code, text in sorted(errors.items())}
    done = {"description": "Done."} if status == 204 else _json("Done.", route.answer or {})  # noqa: PLR2004 (No Content)
    return {str(status): done, **answers}


def _json(text: str, schema: Schema) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}
