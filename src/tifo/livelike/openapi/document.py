"""Describes LiveLike's API: paths from the routes, schemas from the structs that they answer with."""

from collections.abc import Iterable, Sequence
from inspect import cleandoc
from typing import Any

from litestar.handlers import HTTPRouteHandler

from tifo.engagement.ports import COUNTED
from tifo.livelike.errors import Detail, FieldErrors
from tifo.livelike.links import ROOT
from tifo.livelike.lists.paging import DEFAULT_SIZE, MAX_SIZE
from tifo.livelike.openapi.description import BodyDescription, RouteDescription, description_of
from tifo.livelike.request import MAX_KEY_LENGTH, MIN_ANONYMOUS_KEY_LENGTH
from tifo.web.openapi.parts import ApiPart, Tag, json_answer, parameter, path_parameters, refusals
from tifo.web.openapi.schemas import Schema, answer_schemas, body_schema, plain_schema, ref

# Every route may answer with these, so no handler has to name them.
_ERRORS = {
    400: "The request is not valid; the answer names the field.",
    401: "There is no token, or it is not valid (any more).",
    403: "The token may not do this.",
    404: "The application has no such resource, or the list has no such page.",
    413: "The body is too large.",
    429: "Too many requests are waiting; try again after Retry-After seconds.",
    503: "Tifo cannot answer right now; try again after Retry-After seconds.",
}
_WRITE_ERRORS = {
    409: "The resource exists already, a code or custom id is used, or an Idempotency-Key was used for another request."
}
_PAGES = (
    ("page", {"type": "integer", "minimum": 1}, "The page as the list is now; `next` is steadier."),
    (
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE},
        "Rows a page.",
    ),
)
_IDEMPOTENCY_KEY = {
    "type": "string",
    "minLength": MIN_ANONYMOUS_KEY_LENGTH,
    "maxLength": MAX_KEY_LENGTH,
    "pattern": "^[\\x21-\\x7e]+$",
}
_NO_CONTENT = 204
_SCHEMES = {
    "fan": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A fan's token reaches the fan's own data only. Sign-up gives it, or you make it: HS256 by"
        " the client secret, with `iss` (client id), `iat`, `custom_profile_id`.",
    },
    "producer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A producer token reaches all of one application. It is for your backend.",
    },
    "organisation": {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal API token makes and changes applications. `Token …` works as `Bearer …` does.",
    },
}
ABOUT = f"""Every write takes an `Idempotency-Key` header: the same key and body again gives the first answer again.
Lists are `{{count, next, previous, results}}`; follow `next` to see every row once, whatever is added meanwhile;
`count` stops at {COUNTED:,} in lists that may grow without end."""
_GROUP = "LiveLike API: {family}"


def describe_routes(handlers: Sequence[HTTPRouteHandler]) -> ApiPart:
    routes = [(handler, description_of(handler.fn)) for handler in handlers]
    answers, components = answer_schemas([Detail, *(description.answer for _, description in routes)])
    paths: dict[str, dict[str, Any]] = {}
    for (handler, description), answer in zip(routes, answers[1:], strict=True):
        for path in handler.paths:
            address = f"{ROOT.rstrip('/')}{path.rstrip('/')}/".replace(":str}", "}")
            for method in handler.http_methods:
                paths.setdefault(address, {})[method.lower()] = {
                    **_operation(handler, description),
                    "parameters": _parameters(description, method, address),
                    "responses": _responses(method, handler.status_code, answer),
                }
    return ApiPart(tags=_tags(handlers), paths=paths, schemas={**components, "Error": _error()}, security=_SCHEMES)


def _tags(handlers: Iterable[HTTPRouteHandler]) -> Sequence[Tag]:
    first, *others = dict.fromkeys(map(_tag, handlers))
    return [Tag(first, ABOUT), *map(Tag, others)]


def _tag(handler: HTTPRouteHandler) -> str:
    """Returns the group of the handler: a module has the routes of one noun."""
    return _GROUP.format(family=handler.fn.__module__.rpartition(".")[2].replace("_", " "))


def _operation(handler: HTTPRouteHandler, description: RouteDescription) -> dict[str, Any]:
    name = handler.fn.__name__
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": name.replace("_", " ").capitalize(),
        "description": cleandoc(handler.fn.__doc__ or ""),
        "tags": [_tag(handler)],
        "security": [{caller.value: []} if caller else {} for caller in description.callers],
    }
    if description.body is not None:
        operation["requestBody"] = {"required": description.body.required, "content": _content(description.body)}
    return operation


def _content(body: BodyDescription) -> dict[str, Any]:
    schema = body_schema(body.type)
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if body.image:
        file = {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "PNG, JPEG, GIF or WebP, 1 MiB at most.",
        }
        form = {**schema, "properties": {**schema["properties"], "file": file}}
        content["multipart/form-data"] = {"schema": form}
    return content


def _parameters(description: RouteDescription, method: str, address: str) -> list[dict[str, Any]]:
    parameters = path_parameters(address)
    parameters += [
        parameter(each.name, plain_schema(each.type), each.text, "query", required=each.required)
        for each in description.filters
    ]
    if description.is_paged:
        parameters += [parameter(name, schema, text, "query") for name, schema, text in _PAGES]
    if method != "GET":
        parameters.append(parameter("Idempotency-Key", _IDEMPOTENCY_KEY, "Makes the write safe to repeat.", "header"))
    return parameters


def _responses(method: str, status: int, answer: Schema) -> dict[str, Any]:
    errors = _ERRORS if method == "GET" else {**_ERRORS, **_WRITE_ERRORS}
    done = {"description": "Done."} if status == _NO_CONTENT else json_answer("Done.", answer)
    return {str(status): done, **refusals(errors, "Error")}


def _error() -> Schema:
    return {
        "description": "`detail`, or for each field at fault what is wrong with it.",
        "anyOf": [ref("Detail"), plain_schema(FieldErrors)],
        "examples": [{"reward_item_amount": ["Must be 1 or more."]}, {"detail": "There is no such quest."}],
    }
