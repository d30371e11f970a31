"""Describes the address that receives LiveLike's webhooks."""

from tifo.api.webhooks import MAX_BODY_BYTES
from tifo.source.webhooks.incoming import SIGNATURE_HEADER
from tifo.tracking.limits import MAX_MESSAGE_ID
from tifo.web.openapi.parts import ApiPart, Tag, json_answer, parameter, path_parameters, refusals
from tifo.web.openapi.schemas import Schema, ref

_TAG = "Incoming webhooks"
_ABOUT = (
    "Receives LiveLike's webhooks and makes events of them, for a source that was set up by `tifo source webhooks-in`."
)
_REFUSALS = {
    400: "The body is no webhook, or the source is disabled.",
    401: f"{SIGNATURE_HEADER} is missing, or does not fit the body.",
    404: "No source of this name receives webhooks.",
    413: f"The body is larger than {MAX_BODY_BYTES:,} bytes.",
    429: "Too much waits. Send it again after Retry-After seconds.",
    503: "Tifo cannot store it right now. Send it again after Retry-After seconds.",
}
_WEBHOOK: Schema = {
    "type": "object",
    "description": "A webhook as LiveLike sends it. Other events than those of rewards, badges and quests are ignored.",
    "required": ["id", "event"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": MAX_MESSAGE_ID, "description": "The event's id too."},
        "event": {"type": "string", "examples": ["reward-table-rewards-awarded"]},
        "created_at": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
}
_RECEIVED: Schema = {
    "type": "object",
    "required": ["success", "duplicate"],
    "properties": {
        "success": {"const": True},
        "duplicate": {"type": "boolean", "description": "Whether this webhook had arrived before."},
    },
}


def webhooks_part() -> ApiPart:
    signature = parameter(
        SIGNATURE_HEADER, {"type": "string"}, "HMAC of the body by the client secret.", "header", required=True
    )
    operation = {
        "operationId": "receiveLiveLikeWebhook",
        "summary": "Receive a webhook of LiveLike's",
        "description": "Answers 200 once the webhook is on disk.",
        "tags": [_TAG],
        "security": [{}],
        "parameters": [*path_parameters("/{source}", {"source": "The source's slug or id."}), signature],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("LiveLikeWebhook")}}},
        "responses": {
            "200": json_answer("The webhook is on disk.", ref("WebhookReceived")),
            **refusals(_REFUSALS, "TrackingRefusal"),
        },
    }
    return ApiPart(
        tags=[Tag(_TAG, _ABOUT)],
        paths={"/webhooks/livelike/{source}": {"post": operation}},
        schemas={"LiveLikeWebhook": _WEBHOOK, "WebhookReceived": _RECEIVED},
    )
