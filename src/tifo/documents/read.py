"""Reads a document from text. Every field is checked; all problems are reported at once, with path and line."""

import difflib
import functools
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from tifo.documents.model import Checked, Longest, Refers, Text
from tifo.documents.tree import (
    FALSE,
    FLOAT,
    NUMBER,
    TRUE,
    WHOLE,
    ListNode,
    MappingNode,
    Node,
    Scalar,
    TextProblem,
    Unreadable,
    below,
    is_text,
    parse_toml,
    parse_yaml,
)
from tifo.kernel.errors import Rejected
from tifo.kernel.values import MAX_EXACT_INTEGER, check_text

D = TypeVar("D", bound=Text)
MAX_REPORTED = 50
"""Problems that one message reports."""
MAX_KEYS = 10_000
"""Definitions in a section. Ours."""
MAX_PARTS = 1_000
"""Elements of a list. Ours."""


class Reference(NamedTuple):
    """A key that stands in the file in the place of a definition."""

    section: str
    key: str
    path: str
    line: int | None


@dataclass(frozen=True)
class Reading(Generic[D]):
    document: D | None
    """None where there are problems."""
    problems: list[TextProblem]
    references: list[Reference]
    """Gathered, and not looked up."""
    named: Mapping[str, set[str]]
    """The keys by section, also of definitions with problems."""
    # A reference to a definition with problems is sound: a mistake must not be reported wherever it is named.


def load_as(kind: type[D], text: str, file: str, *, beside: Collection[str] = ()) -> D:
    """Reads a document: TOML where the file is named so, else YAML. `beside` names the fields that are ignored.

    Raises `Rejected` with all problems, each with file, line, path, value and remedy.
    """
    reading = read(kind, text, is_toml=file.endswith(".toml"), beside=beside)
    if reading.document is None:
        raise bad_file(file, reading.problems)
    return reading.document


def read(kind: type[D], text: str, *, is_toml: bool = False, beside: Collection[str] = ()) -> Reading[D]:
    try:
        root, problems = (parse_toml if is_toml else parse_yaml)(text)
    except Unreadable as error:
        return Reading(None, [error.problem], [], {})
    if isinstance(root, MappingNode):
        # tifo.toml holds settings beside the workspace: others read those.
        root = MappingNode(root.line, {name: node for name, node in root.items.items() if name not in beside})
    reader = _Reader(problems)
    document: D | None = reader.struct(root, kind, "")
    return Reading(None if reader.problems else document, reader.problems, reader.references, _named(root))


def _named(root: Node) -> dict[str, set[str]]:
    sections = root.items if isinstance(root, MappingNode) else {}
    return {section: set(node.items) for section, node in sections.items() if isinstance(node, MappingNode)}


def bad_file(file: str, problems: Iterable[TextProblem]) -> Rejected:
    ordered = sorted(problems, key=lambda problem: problem.line or 0)
    shown = [f"{file}: {problem}" for problem in ordered[:MAX_REPORTED]]
    if len(ordered) > MAX_REPORTED:
        shown.append(f"{file}: and {len(ordered) - MAX_REPORTED:,} more problems.")
    return Rejected("\n".join(shown), code="bad_file")


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns a remedy that names the likeliest word; empty where none is near."""
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


class _Reader:
    """Reads nodes by the types of a document. Each method returns the value, or None after it has noted a problem."""

    def __init__(self, problems: list[TextProblem]) -> None:
        self.problems = problems
        self.references: list[Reference] = []

    def struct(self, node: Node, kind: Any, path: str) -> Any:
        if not isinstance(node, MappingNode):
            return self._wrong(node, path, "a mapping with fields such as " + ", ".join(kind.__struct_fields__[:3]))
        problems_before = len(self.problems)
        fields = _hints(kind)
        for name, value in node.items.items():
            if name not in fields:
                remedy = nearest(name, fields) or f"Known are {', '.join(fields)}."
                self._note(below(path, name), value.line, f"There is no field {name!r:.100} here. {remedy}")
        values = {}
        for field in msgspec.structs.fields(kind):
            under = below(path, field.name)
            given = node.items.get(field.name)
            if given is not None and not (isinstance(given, Scalar) and given.is_null):
                values[field.name] = self.value(given, fields[field.name], under, field.name)
            elif field.required:
                self._note(under, node.line, f"{field.name} is missing. Write it.")
        # Without a required field the struct cannot be made; the problem is noted already.
        required = {field.name for field in msgspec.structs.fields(kind) if field.required}
        if not required <= values.keys():
            return None
        made = kind(**values)
        # A field with a problem of its own has no value that could be compared with another's.
        if len(self.problems) == problems_before and (clash := made.clash()):
            self._note(below(path, clash[0]), node.items[clash[0]].line, clash[1])
        return made

    def value(self, node: Node, kind: Any, path: str, field: str) -> Any:
        if get_origin(kind) in {Union, UnionType}:
            # A field that is not written is None; a written one has the other type.
            kind = next(each for each in get_args(kind) if each is not NoneType)
        marks: tuple[Any, ...] = ()
        if get_origin(kind) is Annotated:
            kind, *rest = get_args(kind)
            marks = tuple(rest)
        if get_origin(kind) is tuple:
            return self._list(node, get_args(kind)[0], path, field)
        if get_origin(kind) is dict:
            return self._by_key(node, get_args(kind)[1], path)
        if kind is Any:
            return _json(node)
        if issubclass(kind, msgspec.Struct):
            return self.struct(node, kind, path)
        if not isinstance(node, Scalar):
            return self._wrong(node, path, _WORDS[kind])
        value = getattr(self, f"_{kind.__name__}")(node, path)
        for mark in marks if value is not None else ():
            value = self._marked(mark, value, node, path, field)
        return value

    def _marked(self, mark: Any, value: Any, node: Scalar, path: str, field: str) -> Any:
        if isinstance(mark, Refers):
            self.references.append(Reference(mark.section, value, path, node.line))
        if isinstance(mark, Longest) and not timedelta(0) < value <= mark.limit:
            days = mark.limit.days
            return self._wrong(node, path, f"longer than nothing and at most {days} days (P{days}D)")
        if isinstance(mark, Checked):
            try:
                return mark.by(value, field)
            except Rejected as error:
                self._note(path, node.line, error.message)
        return value

    def _list(self, node: Node, kind: Any, path: str, field: str) -> tuple[Any, ...]:
        if not isinstance(node, ListNode):
            self._wrong(node, path, "a list")
            return ()
        if len(node.items) > MAX_PARTS:
            self._note(path, node.line, f"{field} has {len(node.items):,} parts; at most {MAX_PARTS:,} are allowed.")
            return ()
        texts = [each.text for each in node.items if isinstance(each, Scalar)]
        for n, text in enumerate(texts):
            if text in texts[:n]:
                self._note(f"{path}[{n}]", node.line, f"{text!r:.100} is here twice. Keep one.")
        return tuple(self.value(each, kind, f"{path}[{n}]", field) for n, each in enumerate(node.items))

    def _by_key(self, node: Node, kind: Any, path: str) -> dict[str, Any]:
        if not isinstance(node, MappingNode):
            self._wrong(node, path, "a mapping from keys")
            return {}
        if len(node.items) > MAX_KEYS:
            self._note(path, node.line, f"There are {len(node.items):,} keys; at most {MAX_KEYS:,} are allowed.")
            return {}
        for key, value in node.items.items():
            try:
                check_text(key, "key")
            except Rejected as error:
                self._note(below(path, key), value.line, error.message)
        return {key: self.value(value, kind, below(path, key), key) for key, value in node.items.items()}

    def _str(self, node: Scalar, path: str) -> Any:
        if not node.is_quoted and not is_text(node.text):
            return self._wrong(node, path, f'a text. Put it in quotes: "{node.text}"')
        # PostgreSQL stores no NUL, and half a surrogate pair is no UTF-8.
        if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in node.text):
            return self._wrong(node, path, "a text that can be stored. Take the control letters away")
        return node.text

    def _int(self, node: Scalar, path: str) -> Any:
        if node.is_quoted or not WHOLE.fullmatch(node.text):
            return self._wrong(node, path, f"a whole number from 1 to {MAX_EXACT_INTEGER}, without quotes")
        return int(node.text)

    def _Decimal(self, node: Scalar, path: str) -> Any:  # noqa: N802 (named after the type that it reads)
        if node.is_quoted or not NUMBER.fullmatch(node.text):
            return self._wrong(node, path, "a number such as 3 or 0.5, without quotes")
        return Decimal(node.text)

    def _bool(self, node: Scalar, path: str) -> Any:
        if node.is_quoted or node.text not in TRUE | FALSE:
            return self._wrong(node, path, "true or false")
        return node.text in TRUE

    def _datetime(self, node: Scalar, path: str) -> Any:
        try:
            moment = msgspec.convert(node.text, datetime)
        except msgspec.ValidationError:
            moment = None
        # Without a zone the same file would mean another moment on another machine.
        if moment is None or moment.tzinfo is None:
            return self._wrong(node, path, "a time with its zone, such as 2026-11-24T20:00:00Z")
        return moment

    def _timedelta(self, node: Scalar, path: str) -> Any:
        try:
            duration = msgspec.convert(node.text, timedelta)
        except msgspec.ValidationError:
            return self._wrong(node, path, "a duration, such as PT90M or P7D")
        return duration

    def _wrong(self, node: Node, path: str, wanted: str) -> Any:
        """Notes a problem. Returns None, which its callers pass on."""
        shown = {ListNode: "a list", MappingNode: "a mapping"}.get(type(node)) or repr(getattr(node, "text", "")[:80])
        self._note(path, node.line, f"{shown} is not {wanted}.")

    def _note(self, path: str, line: int | None, message: str) -> None:
        self.problems.append(TextProblem(path, line, message))


def _json(node: Node) -> Any:
    """Reads any value by YAML's JSON schema: a field of type Any takes whatever is there."""
    if isinstance(node, MappingNode):
        return {name: _json(each) for name, each in node.items.items()}
    if isinstance(node, ListNode):
        return [_json(each) for each in node.items]
    return _json_scalar(node)


def _json_scalar(node: Scalar) -> Any:
    if not node.is_quoted and FLOAT.fullmatch(node.text) and math.isfinite(float(node.text)):
        return float(node.text)
    if node.is_quoted or is_text(node.text):
        return node.text
    if node.is_null:
        return None
    if node.text in TRUE | FALSE:
        return node.text in TRUE
    return int(node.text) if WHOLE.fullmatch(node.text) else float(node.text)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__}


_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    Decimal: "a number",
    bool: "true or false",
    datetime: "a time",
    timedelta: "a duration",
}
