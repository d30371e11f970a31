"""Describes the Tracking API: its calls as Segment's specification has them, and its answers."""
# By hand: messages are checked as bytes, and no struct has their shape. A test sends each example here to the API.

from collections.abc import Mapping
from typing import Any, NamedTuple

from tifo.tracking.limits import MAX_BATCH_EVENTS, MAX_BODY_BYTES, MAX_EVENT_BYTES, MAX_MESSAGE_ID
from tifo.web.openapi.parts import ApiPart, Operation, Tag, json_answer, path_parameters, refusals
from tifo.web.openapi.schemas import Schema, ref

_TAG = "Tracking API"
_ABOUT = f"""Receives events as Segment's Tracking API does; Segment's and RudderStack's clients send to it unmodified.

The write key of a source is the user of HTTP Basic, or `writeKey` in the body. A 200 means that the events are on disk.
An event may have {MAX_EVENT_BYTES:,} bytes, a batch {MAX_BATCH_EVENTS:,} events, a body {MAX_BODY_BYTES:,} bytes. gzip
is accepted, and counts decompressed. In a batch a bad event is refused alone; a batch without any good one is a 400."""
_REFUSALS = {
    400: "Nothing was accepted: the body is too large or no JSON, no event is valid, or the source is disabled.",
    401: "There is no write key, or no source has it.",
    429: "The source sends more than it may, or too much waits. Send it again after Retry-After seconds.",
    503: "Tifo cannot store events right now. Send it again after Retry-After seconds.",
}
_TIME: Schema = {"type": "string", "format": "date-time"}
_TEXT: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
_COMMON: Mapping[str, Schema] = {
    "messageId": {
        "type": "string",
        "maxLength": MAX_MESSAGE_ID,
        "description": "Identifies the event: a second one with the same id is dropped. Made where it is absent.",
    },
    "userId": {"type": "string", "description": "Your id of the user. Every call needs it or anonymousId."},
    "anonymousId": {"type": "string", "description": "An id of a user who is not known."},
    "timestamp": {**_TIME, "description": "When it happened, by the client's clock."},
    "sentAt": {**_TIME, "description": "When it was sent: the skew of the client's clock is corrected by it."},
    "context": {**_OBJECT, "description": "Where it happened, as Segment's specification has it."},
    "integrations": {**_OBJECT, "description": "Destinations and warehouses that get the event, or do not."},
    "writeKey": {"type": "string", "description": "The source's write key, where HTTP Basic does not carry it."},
}
_WHO: Schema = {
    "anyOf": [
        {"required": ["userId"], "properties": {"userId": {"minLength": 1}}},
        {"required": ["anonymousId"], "properties": {"anonymousId": {"minLength": 1}}},
    ]
}
_TRAITS: Schema = {**_OBJECT, "description": "What is known of the user or the group."}
_PROPERTIES: Schema = {**_OBJECT, "description": "What is known of the event."}


class _Call(NamedTuple):
    text: str
    fields: Mapping[str, Schema]
    required: tuple[str, ...]
    example: Mapping[str, Any]

    @property
    def schema(self) -> Schema:
        return {
            "type": "object",
            "required": list(self.required),
            "properties": {**self.fields, **_COMMON},
            **_WHO,
        }


_NAMED = {"name": _TEXT, "category": _TEXT, "properties": _PROPERTIES}
CALLS: Mapping[str, _Call] = {
    "track": _Call(
        "Records what a user did.",
        {"event": {"type": "string", "minLength": 1}, "properties": _PROPERTIES},
        ("event",),
        {"userId": "ada", "event": "Order Completed", "properties": {"total": 12.5}},
    ),
    "identify": _Call(
        "Says who a user is.", {"traits": _TRAITS}, (), {"userId": "ada", "traits": {"email": "ada@example.com"}}
    ),
    "page": _Call(
        "Records a page that a user saw.", _NAMED, (), {"anonymousId": "a-1", "name": "Home", "properties": {}}
    ),
    "screen": _Call("Records a screen of an app that a user saw.", _NAMED, (), {"userId": "ada", "name": "Scores"}),
    "group": _Call(
        "Puts a user into a group.",
        {"groupId": {"type": "string", "minLength": 1}, "traits": _TRAITS},
        ("groupId",),
        {"userId": "ada", "groupId": "fans", "traits": {"name": "Fans"}},
    ),
    "alias": _Call(
        "Gives a user another id.",
        {"previousId": {"type": "string", "minLength": 1}},
        ("previousId",),
        {"userId": "ada", "previousId": "a-1"},
    ),
}
_BATCHES = {"batch": "Sends many events.", "import": "Does the same as batch, whose older name it is."}
SHORT = {f"/v1/{name[0]}": name for name in (*CALLS, "batch")}
"""Short paths that Segment's browser client sends to. They are left out of the document: they are the calls again."""


def tracking_part() -> ApiPart:
    calls = {name: _operation(name, call.text, ref(_title(name)), call.example) for name, call in CALLS.items()}
    batch = {"batch": [{"type": name, **call.example} for name, call in CALLS.items()]}
    batches = {name: _operation(name, text, ref("BatchOfEvents"), batch) for name, text in _BATCHES.items()}
    return ApiPart(
        tags=[Tag(_TAG, _ABOUT)],
        paths={
            **{f"/v1/{name}": {"post": operation} for name, operation in {**calls, **batches}.items()},
            "/v1/projects/{write_key}/settings": {"get": _settings()},
        },
        schemas={
            **{_title(name): call.schema for name, call in CALLS.items()},
            "BatchOfEvents": _batch(),
            "Accepted": {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}},
            "TrackingRefusal": _refusal(),
        },
        security={
            "writeKey": {
                "type": "http",
                "scheme": "basic",
                "description": "A source's write key is the user; the password is empty.",
            }
        },
    )


def _operation(name: str, text: str, body: Schema, example: Mapping[str, Any]) -> Operation:
    return {
        "operationId": name,
        "summary": name.capitalize(),
        "description": text,
        "tags": [_TAG],
        # The body may carry the write key instead.
        "security": [{"writeKey": []}, {}],
        "parameters": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body, "examples": {name: {"value": example}}}},
        },
        "responses": {
            "200": json_answer("The events are on disk.", ref("Accepted")),
            **refusals(_REFUSALS, "TrackingRefusal"),
        },
    }


def _settings() -> Operation:
    return {
        "operationId": "browserSettings",
        "summary": "Browser settings",
        "description": "Segment's browser client reads here where to send its events.",
        "tags": [_TAG],
        "security": [{}],
        "parameters": path_parameters("/{write_key}", {"write_key": "The write key of an enabled source."}),
        "responses": {
            "200": json_answer("The settings, in the form that the client reads.", {"type": "object"}),
            **refusals({404: "No enabled source has this write key."}, "TrackingRefusal"),
        },
    }


def _batch() -> Schema:
    event = {"type": "object", "required": ["type"], "properties": {"type": {"enum": list(CALLS)}}}
    kinds = [{"if": {"properties": {"type": {"const": name}}}, "then": ref(_title(name))} for name in CALLS]
    shared = {name: _COMMON[name] for name in ("sentAt", "context", "integrations", "writeKey")}
    return {
        "type": "object",
        "required": ["batch"],
        "properties": {"batch": {"type": "array", "minItems": 1, "items": {**event, "allOf": kinds}}, **shared},
    }


def _refusal() -> Schema:
    return {
        "type": "object",
        "required": ["success", "code", "message"],
        "properties": {"success": {"const": False}, "code": {"type": "string"}, "message": {"type": "string"}},
        "examples": [{"success": False, "code": "unknown_source", "message": "There is no write key. Send …"}],
    }


def _title(name: str) -> str:
    return name.capitalize()
