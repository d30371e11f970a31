"""The document of the api role holds everything that the role serves, and nothing of how it is made."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from tests.described import document
from tifo.api import browser, rudder, tracking, webhooks
from tifo.api.described.tracking import SHORT
from tifo.api.management import app as management
from tifo.app import compose
from tifo.app.roles import api
from tifo.app.roles.document import api_document
from tifo.app.settings import Settings
from tifo.leases.share import Holder
from tifo.livelike.fast_path import FastPath
from tifo.web.asgi import AsgiApp
from tifo.web.openapi import pages

PRIVATE: Mapping[str, str] = {
    **dict.fromkeys(SHORT, "Segment's browser client writes the calls of the Tracking API so; they are described once"),
    rudder.ROOT: "RudderStack's browser client asks for its settings there; nobody calls it by hand",
    f"{tracking.BEACON}batch": "the browser's beacons of RudderStack's client; the calls are described once",
    "/media/{}": "addresses of pictures come in answers, and nobody builds them",
}
"""Addresses that the document leaves out, each with the reason. A part of the path that varies is `{}`."""
PREFIXES: Mapping[str, list[str]] = {
    browser.ROOT: [f"{browser.ROOT}{{}}/settings"],
    "/v1/": [*tracking._CALLS],
    webhooks.ROOT: [f"{webhooks.ROOT}{{}}"],
    management.ROOT: [
        f"{management.ROOT}{route.path}" for resource in management.RESOURCES for route in resource.ROUTES
    ],
    rudder.ROOT: [rudder.ROOT],
    tracking.BEACON: [f"{tracking.BEACON}batch"],
    "/metrics": ["/metrics"],
    "/ready": ["/ready"],
    pages.ROOT: [],
}
"""The addresses behind each prefix that is served without Litestar. The document does not describe itself."""


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Mapping[str, AsgiApp], Any]:
    """What the api role serves: an application by each prefix, and Litestar's for the rest."""
    caught: list[Any] = []
    monkeypatch.setattr(api, "dispatch", lambda by_prefix, rest: caught.append((by_prefix, rest)))
    settings = Settings(data=tmp_path / "data")
    settings.data.mkdir()
    with compose.opened(settings) as backend, contextlib.closing(compose.open_log(settings)) as log:
        parts = api._Parts(settings, backend, log, Holder("node"))
        parts.app()
        await parts.close()
    ((by_prefix, rest),) = caught
    return by_prefix, rest


async def test_every_route_that_is_served_is_described_or_is_private_for_a_reason(
    served: tuple[Mapping[str, AsgiApp], FastPath],
) -> None:
    by_prefix, fast_path = served
    assert set(by_prefix) <= set(PREFIXES), "say here which addresses the new prefix has"
    litestar: Any = fast_path._litestar
    registered = {_shape(address) for prefix in by_prefix for address in PREFIXES[prefix]}
    registered |= {_shape(route.path) for route in litestar.routes}
    described = {_shape(address) for address in api_document(lambda _: True)["paths"]}
    assert registered - described == PRIVATE.keys()
    assert described - registered <= {"/ready"}
    methods = {
        (_shape(route.path), method)
        for route in litestar.routes
        for method in route.methods - {"OPTIONS", "HEAD"}
        if _shape(route.path) not in PRIVATE
    }
    assert methods <= {(_shape(path), method.upper()) for path, each in document()["paths"].items() for method in each}


def test_the_document_is_valid_and_each_operation_has_a_name_of_its_own() -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.validate()
    unresolved = [each.err() for each in schema.get_all_operations() if not hasattr(each, "ok")]
    assert unresolved == []
    operations = [each for path in document()["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(names) == len(set(names)) > 170
    groups = [tag["name"] for tag in document()["tags"]]
    assert len(groups) == len(set(groups))
    assert {tag for each in operations for tag in each["tags"]} == set(groups)
    assert all(each["security"] for each in operations)


INTERNAL = re.compile(
    r"\b_\w+|\w+(Resource|Input|Shown|Struct)\b|\b(msgspec|SQL|SQLite|Litestar|Raises|Segment's library|docs/|None)\b"
    r"|decisions/|\n {4}|`[a-z_]+\.[a-z_]+\("
)


def test_no_text_of_the_document_shows_how_it_is_made() -> None:
    assert [(place, text) for place, text in _texts(document(), "") if INTERNAL.search(text)] == []
    assert [name for name in document()["components"]["schemas"] if INTERNAL.search(name)] == []


def test_the_document_leaves_out_pages_that_are_not_served() -> None:
    assert "/ready" not in api_document({"/health"}.__contains__)["paths"]


def _texts(node: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from _texts(each, f"{place}/{number}")
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and key in {"description", "summary", "title"}:
                yield f"{place}/{key}", value
            yield from _texts(value, f"{place}/{key}")


def _shape(address: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", address).rstrip("/") or "/"
