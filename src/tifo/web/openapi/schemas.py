"""Derives JSON Schemas from structs: those that are answered, and those that requests are decoded into."""

import re
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Any

import msgspec

Schema = dict[str, Any]

_TEMPLATE = "#/components/schemas/{name}"
_DECIMAL = {"type": "string", "format": "decimal"}
_SENT_DECIMAL = {"type": "number"}
_ACCEPTED_DECIMAL = {
    "anyOf": [{"type": "number"}, {"type": "string", "format": "decimal", "pattern": r"^-?\d{1,15}(\.\d{1,9})?$"}]
}
_LIST = re.compile(r"Listed_(\w+)_")
_SUFFIXES = ("Resource", "Shown")
"""Endings that tell a struct of answers from the value that it shows."""


def ref(name: str) -> Schema:
    return {"$ref": _TEMPLATE.format(name=name)}


def answer_schemas(types: Sequence[Any]) -> tuple[Sequence[Schema], Mapping[str, Schema]]:
    """Returns the schema of each type, and the components that the schemas refer to."""
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    # The name of an enumeration tells a reader nothing: its values stand where they are used.
    enums = {ref(name)["$ref"]: _sent(schema) for name, schema in components.items() if "enum" in schema}
    objects = {name: schema for name, schema in components.items() if "enum" not in schema}
    named = {_component_name(name): _sent(_with(enums, schema)) for name, schema in objects.items()}
    return [_sent(_with(enums, schema)) for schema in schemas], dict(sorted(named.items()))


def plain_schema(kind: Any) -> Schema:
    """Returns the schema of a type that holds no struct."""
    (schema,), _ = answer_schemas([kind])
    return schema


def body_schema(body: type[msgspec.Struct]) -> Schema:
    """Returns the schema of a request's body, without references and without the names of structs.

    Decimals may be sent as numbers or as texts.
    """
    (root,), components = msgspec.json.schema_components((body,), ref_template=_TEMPLATE)
    inlined: Schema = _inlined(root, components)
    return inlined


def _with(enums: Mapping[str, Schema], schema: Any) -> Any:
    """Puts enumerations in the place of references to them."""
    if isinstance(schema, list):
        return [_with(enums, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return enums.get(schema.get("$ref", "")) or {key: _with(enums, value) for key, value in schema.items()}


def _component_name(struct: str) -> str:
    """`BadgeResource` → `Badge`; `Listed_BadgeResource_` → `BadgeList`."""
    named = _LIST.sub(r"\1List", struct)
    for suffix in _SUFFIXES:
        named = named.replace(suffix, "")
    return named


def _sent(schema: Any) -> Any:
    """Rewrites msgspec's schema of an input as one of an answer: defaults are always sent, decimals are numbers."""
    if isinstance(schema, list):
        return [_sent(item) for item in schema]
    return _sent_schema(schema) if isinstance(schema, dict) else schema


def _sent_schema(schema: Schema) -> Schema:
    if schema == _DECIMAL:
        return _SENT_DECIMAL
    if "$ref" in schema:
        struct = schema["$ref"].rpartition("/")[2]
        return {**schema, **ref(_component_name(struct))}
    if "enum" in schema:
        return {"type": "string", "enum": schema["enum"]}
    if "properties" in schema:
        return _sent_object(schema)
    return {key: _sent(value) for key, value in schema.items()}


def _sent_object(schema: Schema) -> Schema:
    properties = schema["properties"]
    # msgspec writes no default for a field that may be UNSET, and only such a field may be absent from an answer.
    always = [name for name, field in properties.items() if name in schema["required"] or "default" in field]
    described = {key: cleandoc(value) for key, value in schema.items() if key == "description"}
    fields = {name: {k: v for k, v in field.items() if k != "default"} for name, field in properties.items()}
    return {
        **described,
        "type": "object",
        "required": always,
        "properties": {name: _sent(field) for name, field in fields.items()},
    }


def _inlined(schema: Any, components: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(components[schema["$ref"].rpartition("/")[2]], components)
    if schema == _DECIMAL:
        return _ACCEPTED_DECIMAL
    # The title of an object or enum is the name of its class.
    is_named = isinstance(schema.get("title"), str) and ("properties" in schema or "enum" in schema)
    shown = {key: value for key, value in schema.items() if key != "title" or not is_named}
    if isinstance(shown.get("description"), str):
        shown["description"] = cleandoc(shown["description"])
    return {key: _inlined(value, components) for key, value in shown.items()}
