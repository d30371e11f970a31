"""Serves the document, and a page that shows it without loading anything from elsewhere."""

from importlib.resources import files
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from tifo.livelike.request import LiveLikeRequest
from tifo.livelike.responses import respond


def docs_routes(document: dict[str, Any]) -> list[HTTPRouteHandler]:
    @get("/docs/openapi.json", sync_to_thread=False)
    def openapi_json(request: LiveLikeRequest) -> ASGIResponse:
        return respond({**document, "servers": [{"url": request.links.base}]})

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
