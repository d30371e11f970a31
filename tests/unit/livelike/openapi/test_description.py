"""A handler is described in place, and the shape of its answer is its return type."""

from typing import Any

import pytest
from litestar import get
from litestar.response.base import ASGIResponse

from tifo.livelike.lists.paging import Listed
from tifo.livelike.openapi.description import FAN_OR_PRODUCER, PRODUCER, describe, description_of
from tifo.livelike.openapi.document import describe_routes
from tifo.livelike.openapi.filters import CLIENT_ID
from tifo.livelike.resources.ledger import BalanceResource
from tifo.livelike.responses import JsonResponse, respond


def test_the_answer_of_a_route_is_the_type_that_its_handler_returns() -> None:
    @describe(CLIENT_ID)
    async def handler() -> JsonResponse[Listed[BalanceResource]]:
        raise NotImplementedError

    description = description_of(handler)
    assert description.answer == Listed[BalanceResource]
    assert (description.is_paged, description.callers, description.filters) == (True, FAN_OR_PRODUCER, (CLIENT_ID,))
    assert handler.__annotations__["return"] is ASGIResponse


def test_a_handler_without_an_answer_has_an_empty_one() -> None:
    @describe(callers=PRODUCER)
    async def handler() -> None: ...

    assert description_of(handler).answer is None


def test_a_handler_whose_answer_has_no_type_is_refused() -> None:
    async def handler() -> ASGIResponse:
        raise NotImplementedError

    with pytest.raises(TypeError, match="JsonResponse"):
        describe()(handler)


def test_the_document_refuses_a_route_without_a_description() -> None:
    @get("/seats/")
    async def list_seats() -> None: ...

    with pytest.raises(AttributeError):
        describe_routes([list_seats])


def test_a_response_without_a_described_struct_is_sent_as_it_is() -> None:
    response: JsonResponse[dict[str, Any]] = respond({"status": "ok"}, 202)
    assert (response.body, response.status_code) == (b'{"status":"ok"}', 202)
