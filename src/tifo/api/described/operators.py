"""Describes the pages that are for whoever runs Tifo."""

from collections.abc import Callable

from tifo.web.openapi.parts import ApiPart, Operation, Tag, json_answer
from tifo.web.openapi.schemas import Schema

_TAG = "Running Tifo"
_STATUS: Schema = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}


def operators_part(is_served: Callable[[str], bool]) -> ApiPart:
    """Leaves out pages that are not served."""
    return ApiPart(
        tags=[Tag(_TAG, "Pages for load balancers and for Prometheus. They need no token.")],
        paths={address: {"get": operation} for address, operation in _PAGES.items() if is_served(address)},
    )


def _page(name: str, text: str, answers: dict[str, object]) -> Operation:
    return {
        "operationId": name,
        "summary": name.capitalize(),
        "description": text,
        "tags": [_TAG],
        "security": [{}],
        "parameters": [],
        "responses": answers,
    }


_PAGES = {
    "/health": _page("health", "Says that the process lives.", {"200": json_answer("It lives.", _STATUS)}),
    "/ready": _page(
        "ready",
        "Says whether Tifo can do its work, and what it lacks.",
        {"200": json_answer("It can.", _STATUS), "503": json_answer("It lacks something.", _STATUS)},
    ),
    "/metrics": _page(
        "metrics",
        "Counters of all roles of one `tifo up`, in Prometheus' text format. Block it in your proxy.",
        {"200": {"description": "The counters.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    ),
}
