"""Checks recorded answers against the API's own document: no status and no field that it does not describe."""

import functools
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema_rs

from tifo.app.roles.document import api_document


@functools.cache
def document() -> dict[str, Any]:
    """The document of an api that serves every page."""
    return api_document(lambda _: True)


def closed(schema: Any) -> Any:
    """The schema, which now allows no property beyond those that it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else made


def operation_of(method: str, path: str) -> tuple[str, Mapping[str, Any]] | None:
    """The path as the document writes it, and the operation; None where the document has none."""
    for literal in sorted(document()["paths"], key=lambda each: each.count("{")):
        if _pattern(literal).fullmatch(path) and method.lower() in document()["paths"][literal]:
            return literal, document()["paths"][literal][method.lower()]
    return None


def check_answer(method: str, url: str, status: int, body: Any) -> None:
    """Fails where a described operation answered in a way that is not described."""
    found = operation_of(method, unquote(urlsplit(url).path))
    # 405 belongs to a method that no operation has, and 500 to nothing that is described.
    if found is None:
        return
    place = f"{method} {found[0]}"
    responses = found[1]["responses"]
    assert str(status) in responses, f"{place} answered {status}, which is not described: {body}"
    content = responses[str(status)].get("content", {}).get("application/json")
    if content is not None:
        errors = [str(each) for each in _validator(found[0], method, status).iter_errors(body)]
        assert errors == [], f"{place} answered {status} with {body}"


@functools.cache
def _validator(literal: str, method: str, status: int) -> Any:
    response = document()["paths"][literal][method.lower()]["responses"][str(status)]
    schema = closed(response["content"]["application/json"]["schema"])
    return jsonschema_rs.validator_for({**schema, "components": closed(document()["components"])})


@functools.cache
def _pattern(literal: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(literal)) + "/?")
