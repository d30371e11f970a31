"""Describes the pages that are for whoever runs Tifo."""

from collections.abc import Callable

from tifo.web.openapi.parts import ApiPart, Operation, Tag, json_answer
from tifo.web.openapi.schemas import Schema

_TAG = "Running Tifo"
_STATUS: Schema = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
_NEED: Schema = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "string", "enum": ["up", "starting", "down"]},
        "reason": {"type": "string"},
        "free_bytes": {"type": "integer"},
    },
}
_READINESS: Schema = {
    "type": "object",
    "required": ["status", "reasons", "state", "log", "disk", "roles"],
    "properties": {
        "status": {"type": "string", "enum": ["ready", "not ready"]},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "state": _NEED,
        "log": _NEED,
        "disk": _NEED,
        "roles": {"type": "object", "additionalProperties": _NEED},
    },
}


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
        "Says what the node needs and lacks: its state, event log, disk and roles by name.",
        {
            "200": json_answer("It lacks nothing.", _READINESS),
            "503": json_answer("It lacks what `reasons` say.", _READINESS),
        },
    ),
    "/metrics": _page(
        "metrics",
        "Counters of all roles of one `tifo up`, in Prometheus' text format. Block it in your proxy.",
        {"200": {"description": "The counters.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    ),
}
