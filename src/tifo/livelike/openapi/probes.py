"""Describes the two routes that monitors ask. They need no token."""

from typing import Any

_STATUS = {"type": "string", "enum": ["up", "starting", "down"]}
_NEED = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": _STATUS, "reason": {"type": "string"}, "free_bytes": {"type": "integer"}},
}
_READINESS = {
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
_HEALTH = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


PROBES: dict[str, dict[str, Any]] = {
    "/health": {
        "get": {
            "operationId": "health",
            "summary": "Health",
            "description": "Says that the process lives, whatever it lacks.",
            "tags": ["monitoring"],
            "security": [{}],
            "parameters": [],
            "responses": {"200": _answer("It lives.", _HEALTH)},
        }
    },
    "/ready": {
        "get": {
            "operationId": "ready",
            "summary": "Ready",
            "description": "Says what the node needs and lacks: its state, event log, disk and roles by name.",
            "tags": ["monitoring"],
            "security": [{}],
            "parameters": [],
            "responses": {
                "200": _answer("It lacks nothing.", _READINESS),
                "503": _answer("It lacks what `reasons` say.", _READINESS),
            },
        }
    },
}
