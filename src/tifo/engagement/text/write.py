"""A document to text: the same document gives the same text, and reading it gives the document again."""

import sys
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import yaml

from tifo.engagement.text.document import Document
from tifo.engagement.text.tree import is_text
from tifo.engagement.values import decimal_text
from tifo.kernel.clock import to_iso

_FLOW_ITEMS = 5
"""A mapping of so many plain values stands on one line, inside a list."""


def write(document: Document) -> str:
    """Sections in the format's order, definitions in the document's; what has its default is left out."""
    sections = {name: plain(value) for name in document.__struct_fields__ if (value := getattr(document, name))}
    parts = [_dump({name: value}) for name, value in sections.items() if value]
    return "\n".join(parts)


def plain(value: Any) -> Any:
    """What YAML can say: mappings, lists, texts, numbers and booleans."""
    match value:
        case msgspec.Struct():
            fields = msgspec.structs.fields(value)
            said = {f.name: getattr(value, f.name) for f in fields}
            return {f.name: plain(said[f.name]) for f in fields if f.required or said[f.name] != f.default}
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case tuple():
            return [plain(each) for each in value]
        case Decimal():
            return _Number(decimal_text(value))
        case datetime():
            return to_iso(value) if value.microsecond % 1000 == 0 else msgspec.to_builtins(value)
        case timedelta():
            return msgspec.to_builtins(value)
        case _:
            return value


class _Number(str):
    """Written without quotes, digit for digit."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 (lists stand indented)
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (nothing is written as an alias)
        return True

    def represent_list(self, data: list[Any]) -> yaml.Node:
        """Short elements of a list stand on a line each, and a list of texts on one."""
        node = super().represent_list(data)
        for each in node.value:
            if isinstance(each, yaml.MappingNode) and _is_short(each):
                each.flow_style = True
        node.flow_style = all(isinstance(each, yaml.ScalarNode) for each in node.value)
        return node

    def represent_text(self, data: str) -> yaml.Node:
        style = "|" if "\n" in data else None if is_text(data) else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


def _is_short(node: yaml.MappingNode) -> bool:
    return len(node.value) <= _FLOW_ITEMS and all(
        isinstance(value, yaml.ScalarNode) and "\n" not in value.value for _, value in node.value
    )


_Dumper.add_representer(list, _Dumper.represent_list)
_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(
    _Number,
    lambda dumper, value: dumper.represent_scalar(
        f"tag:yaml.org,2002:{'float' if '.' in value else 'int'}", str(value)
    ),
)


def _dump(data: object) -> str:
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=sys.maxsize
    )
    return text
