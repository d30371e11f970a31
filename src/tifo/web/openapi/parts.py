"""Joins the parts that APIs describe of themselves into one document."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tifo.web.openapi.schemas import Schema, ref

Operation = dict[str, Any]


class Tag(NamedTuple):
    """A group of operations. The page shows groups in the order of the document."""

    name: str
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ApiPart:
    """Describes one API: its paths with an operation for each method, and what they refer to."""

    tags: Sequence[Tag]
    paths: Mapping[str, Mapping[str, Operation]]
    schemas: Mapping[str, Schema] = field(default_factory=dict)
    security: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The kinds of credentials, by the name that operations use."""


def document(parts: Iterable[ApiPart], *, title: str, about: str) -> dict[str, Any]:
    """Raises `ValueError` where two parts describe one thing differently."""
    tags: list[dict[str, str]] = []
    paths: dict[str, Mapping[str, Operation]] = {}
    schemas: dict[str, Schema] = {}
    security: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        tags += [{"name": tag.name, "description": tag.text} for tag in part.tags]
        _add(paths, part.paths)
        _add(schemas, part.schemas)
        _add(security, part.security)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1", "description": about},
        "tags": tags,
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": security},
    }


def parameter(name: str, schema: Schema, text: str, place: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "description": text, "schema": schema}


def path_parameters(address: str, texts: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Describes the parts in braces of an address."""
    parts = [part.strip("{}") for part in address.split("/") if part.startswith("{")]
    text = {} if texts is None else texts
    return [
        parameter(part, {"type": "string", "minLength": 1}, text.get(part, ""), "path", required=True) for part in parts
    ]


def json_answer(text: str, schema: Schema) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def refusals(texts: Mapping[int, str], schema: str) -> dict[str, Any]:
    """Describes answers that all have the schema of this name, by status."""
    return {str(status): json_answer(text, ref(schema)) for status, text in sorted(texts.items())}


def _add(known: dict[str, Any], more: Mapping[str, Any]) -> None:
    twice = [name for name in more if name in known and known[name] != more[name]]
    if twice:
        raise ValueError(f"Two parts of the document describe {', '.join(twice)} differently.")
    known.update(more)
