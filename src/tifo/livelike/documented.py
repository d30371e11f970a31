"""What a route takes, for the API's document: routes decode the body themselves, so nobody else can tell."""

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from litestar.openapi.spec import Operation

_TEMPLATE = "#/components/schemas/{name}"
_DECIMAL = {"type": "string", "format": "decimal"}
_EITHER = {
    "anyOf": [{"type": "number"}, {"type": "string", "format": "decimal", "pattern": r"^-?\d{1,15}(\.\d{1,9})?$"}]
}


@dataclass
class Documented(Operation):
    """Carries its route's body."""

    takes: ClassVar[dict[str, Any]] = {}
    required: ClassVar[bool] = True
    image: ClassVar[bool] = False
    """Whether it may come as a form with an uploaded picture."""


def takes(body: type[msgspec.Struct], *, required: bool = True, image: bool = False) -> type[Operation]:
    """An operation class for routes that decode `body`."""
    return type(
        f"Takes{body.__name__}", (Documented,), {"takes": json_schema(body), "required": required, "image": image}
    )


def json_schema(body: type[msgspec.Struct]) -> dict[str, Any]:
    """As msgspec writes it, without references; amounts of progress may come as numbers too."""
    (root,), components = msgspec.json.schema_components((body,), ref_template=_TEMPLATE)
    inlined: dict[str, Any] = _resolve(root, components)
    return inlined


def _resolve(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolve(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolve(components[schema["$ref"].rpartition("/")[2]], components)
    if schema == _DECIMAL:
        return _EITHER
    return {key: _resolve(value, components) for key, value in schema.items()}
