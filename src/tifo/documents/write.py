"""Writes a document as YAML. The same document gives the same text, and reading that gives the document again."""

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import yaml

from tifo.documents.model import Text
from tifo.documents.tree import FLOAT, is_text
from tifo.kernel.values import decimal_text

_BREAKS = set("\r\x85\u2028\u2029\ufeff")
_FLOW_ITEMS = 5
"""A mapping of at most this many scalars stands on one line inside a list."""


def write(document: Text) -> str:
    """Writes sections in the format's order, definitions in the document's. Leaves out fields with their default."""
    sections = {name: plain(value) for name in document.__struct_fields__ if (value := getattr(document, name))}
    parts = [_dump({name: value}) for name, value in sections.items() if value]
    return "\n".join(parts)


def plain(value: Any) -> Any:
    """Converts a document's value to mappings, lists, texts, numbers and booleans."""
    match value:
        case Text():
            return _OneLine(_written(value)) if value.on_one_line else _written(value)
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case tuple():
            return [plain(each) for each in value]
        case Decimal() | datetime() | timedelta():
            return _Unquoted(value_text(value))
    return value


def _written(text: Any) -> dict[str, Any]:
    fields = msgspec.structs.fields(text)
    values = {field.name: getattr(text, field.name) for field in fields}
    return {
        field.name: plain(values[field.name])
        for field in fields
        if field.required or values[field.name] != _default(field)
    }


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def inline(value: Any) -> str:
    """Writes one value on one line, for people."""
    if value is None:
        return "(none)"
    converted = plain(value)
    return str(converted) if isinstance(converted, _Unquoted) else msgspec.json.encode(converted).decode()


def value_text(value: Decimal | datetime | timedelta) -> str:
    match value:
        case Decimal():
            return decimal_text(value)
        case datetime():
            text: str = msgspec.to_builtins(value.astimezone(UTC))
            return text
        case timedelta():
            return duration_text(value)


def duration_text(duration: timedelta) -> str:
    """Writes the shortest ISO 8601 duration without weeks: `PT1H30M`, `P7D`."""
    days, seconds = duration.days, duration.seconds
    parts = [(seconds // 3600, "H"), (seconds // 60 % 60, "M")]
    exact = Decimal(seconds % 60) + Decimal(duration.microseconds) / 1_000_000
    time = "".join(f"{number}{unit}" for number, unit in parts if number) + (f"{decimal_text(exact)}S" if exact else "")
    return f"P{f'{days}D' if days else ''}{f'T{time}' if time else ''}"


class _OneLine(dict[str, Any]):
    """A mapping that is written between braces."""


class _Unquoted(str):
    """A number or a time, which is written as it is, without quotes."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 (lists stand indented)
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (nothing is written as an alias)
        return True

    def represent_parts(self, data: list[Any]) -> yaml.Node:
        """Puts each short mapping of a list on one line, and a list of scalars as a whole."""
        node = self.represent_list(data)
        for each in node.value:
            if isinstance(each, yaml.MappingNode) and _is_short(each):
                each.flow_style = True
        node.flow_style = all(isinstance(each, yaml.ScalarNode) for each in node.value)
        return node

    def represent_text(self, data: str) -> yaml.Node:
        """Quotes a text that would be read as something else, or whose line breaks only YAML knows."""
        is_simple = is_text(data) and not FLOAT.fullmatch(data) and not _BREAKS & set(data)
        style = '"' if not is_simple else "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def represent_unquoted(self, data: "_Unquoted") -> yaml.Node:
        tag: str = self.resolve(yaml.ScalarNode, str(data), (True, False))  # type: ignore[no-untyped-call]
        return self.represent_scalar(tag, str(data))


def _is_short(node: yaml.MappingNode) -> bool:
    return len(node.value) <= _FLOW_ITEMS and all(
        isinstance(value, yaml.ScalarNode) and "\n" not in value.value for _, value in node.value
    )


_Dumper.add_representer(list, _Dumper.represent_parts)
_Dumper.add_representer(
    _OneLine, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)
_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(_Unquoted, _Dumper.represent_unquoted)


def _dump(data: object) -> str:
    text: str = yaml.dump(
        # No width: YAML would fold long texts over several lines.
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=sys.maxsize,
    )
    return text
