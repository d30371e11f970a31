"""Describes the management API: paths from the routes; parameters, bodies and answers from their handlers' types."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, get_type_hints

from tifo.api.management.answers import Pagination
from tifo.api.management.app import MAX_BODY_BYTES, RESOURCES, ROOT
from tifo.api.management.describing import QueryField, accepted_by
from tifo.api.management.paging import DEFAULT_COUNT, MAX_COUNT
from tifo.api.management.request import ManagementRoute
from tifo.web.openapi.parts import ApiPart, Operation, Tag, json_answer, parameter, path_parameters, refusals
from tifo.web.openapi.schemas import Schema, answer_schemas, body_schema, plain_schema

ABOUT = """Reads and changes the workspace, in the shape of Segment's Public API. A success is `{"data": …}`, a refusal
`{"errors": […]}`. Lists are cut by `pagination[count]` and `pagination[cursor]`; follow `next`."""
_GROUP = "Management API: {noun}"
_CREDENTIAL = "management"
_ERRORS = {
    400: "The request is not valid; the answer names the field.",
    401: "There is no token, or it is not valid (any more).",
    403: "The token's role may not do this.",
    404: "There is no such thing; the message names those that there are.",
    413: f"The body is larger than {MAX_BODY_BYTES:,} bytes.",
    429: "Too many requests are waiting; try again after Retry-After seconds.",
    503: "Tifo cannot answer right now; try again after Retry-After seconds.",
}
_WRITE_ERRORS = {409: "A name is used already, or something is in use."}
_PAGES = (
    QueryField("pagination[count]", f"Items a page, 1 to {MAX_COUNT}; {DEFAULT_COUNT} by default.", int),
    QueryField("pagination[cursor]", "The page that begins here: `next` or `previous` of another page."),
)
_PARTS = {
    "source_id": "A source's id or slug.",
    "warehouse_id": "A warehouse's name.",
    "destination_id": "A destination's id or name.",
    "subscription_id": "A subscription's id or name.",
    "filter_id": "A filter's id or title.",
    "plan_id": "A tracking plan's id or name.",
    "metadata_id": "A kind's id.",
    "write_key": "One of the source's write keys.",
}
_REFUSAL: Schema = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "message", "status"],
                "properties": {
                    "type": {"type": "string"},
                    "message": {"type": "string"},
                    "status": {"type": "integer"},
                    "field": {"type": "string", "description": "The field at fault, where there is one."},
                },
            },
        }
    },
}


def management_part() -> ApiPart:
    routes = [route for resource in RESOURCES for route in resource.ROUTES]
    types = [get_type_hints(route.handle)["return"] for route in routes]
    schemas, components = answer_schemas(types)
    paths: dict[str, dict[str, Operation]] = {}
    for route, kind, schema in zip(routes, types, schemas, strict=True):
        is_paged = Pagination in get_type_hints(kind).values()
        operation = _operation(route, schema, is_paged=is_paged)
        paths.setdefault(f"{ROOT}{route.path}", {})[route.method.lower()] = operation
    about, *others = dict.fromkeys(map(_tag, routes))
    return ApiPart(
        tags=[Tag(about, ABOUT), *map(Tag, others)],
        paths=paths,
        schemas={**components, "ManagementErrors": _REFUSAL},
        security={
            _CREDENTIAL: {
                "type": "http",
                "scheme": "bearer",
                "description": "A workspace token of role viewer, editor or owner: `tifo workspace token create`.",
            }
        },
    )


def _operation(route: ManagementRoute, schema: Schema, *, is_paged: bool) -> Operation:
    name, accepted = route.handle.__name__, accepted_by(route.handle)
    query = [*accepted.query, *(_PAGES if is_paged else ())]
    operation: Operation = {
        "operationId": _camel(name),
        "summary": name.replace("_", " ").capitalize(),
        "description": f"{cleandoc(route.handle.__doc__ or '')}\n\nNeeds a token of role {route.needs}.".strip(),
        "tags": [_tag(route)],
        "security": [{_CREDENTIAL: []}],
        "parameters": [*path_parameters(route.path, _PARTS), *map(_query_parameter, query)],
        "responses": {"200": json_answer("Done.", _enveloped(schema)), **_refusals(route.method)},
    }
    if accepted.body is not None:
        content = {"application/json": {"schema": body_schema(accepted.body)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _refusals(method: str) -> Mapping[str, Any]:
    return refusals(_ERRORS if method == "GET" else {**_ERRORS, **_WRITE_ERRORS}, "ManagementErrors")


def _query_parameter(field: QueryField) -> Mapping[str, Any]:
    return parameter(field.name, plain_schema(field.type), field.text, "query", required=field.required)


def _enveloped(schema: Schema) -> Schema:
    return {"type": "object", "required": ["data"], "properties": {"data": schema}}


def _tag(route: ManagementRoute) -> str:
    """Returns the group of the route: a module has the routes of one noun."""
    return _GROUP.format(noun=route.handle.__module__.rpartition(".")[2].replace("_", " "))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
