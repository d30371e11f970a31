"""What OpenAPI says of a route's body: routes decode it themselves, so Litestar cannot tell."""

from dataclasses import dataclass
from typing import Any, cast

import msgspec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema

_TEMPLATE = "#/components/schemas/{name}"


def takes(body: type[msgspec.Struct], *, required: bool = True) -> type[Operation]:
    """An operation class for routes that decode `body`."""

    @dataclass
    class Documented(Operation):
        def __post_init__(self) -> None:
            media = OpenAPIMediaType(schema=cast("Schema", _JsonSchema(_inlined(body))))
            self.request_body = RequestBody(content={"application/json": media}, required=required)

    return Documented


class _JsonSchema(dict[str, Any]):
    """JSON Schema as msgspec writes it, where Litestar expects a schema of its own."""

    def to_schema(self) -> dict[str, Any]:
        return self


def _inlined(body: type[msgspec.Struct]) -> dict[str, Any]:
    (root,), components = msgspec.json.schema_components((body,), ref_template=_TEMPLATE)
    return cast("dict[str, Any]", _resolve(root, components))


def _resolve(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolve(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolve(components[schema["$ref"].rpartition("/")[2]], components)
    return {key: _resolve(value, components) for key, value in schema.items()}
