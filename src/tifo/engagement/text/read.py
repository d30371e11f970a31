"""Text to a document: every field is checked, and all that is wrong is told at once, with its path and line."""

import difflib
import functools
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from tifo.engagement.definitions import MAX_PARTS, MAX_TIMEOUT
from tifo.engagement.text.document import SECTIONS, Checked, Document, Refers, Text
from tifo.engagement.text.tree import (
    FALSE,
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
    grow,
    grow_toml,
    is_text,
)
from tifo.engagement.values import MAX_AMOUNT, check_text
from tifo.kernel.errors import Rejected

D = TypeVar("D", bound=Text)
MAX_TOLD = 50
"""Problems in one message."""
MAX_KEYS = 10_000
"""Definitions in a section. Ours."""


class Reference(NamedTuple):
    section: str
    key: str
    path: str
    line: int | None


class Reading(NamedTuple):
    """`document` is None where there are problems."""

    document: Document | None
    problems: list[TextProblem]
    references: list[Reference]
    named: dict[str, set[str]]
    """The keys by section, of definitions with problems too: what names them is not to blame."""


def load(text: str, file: str, known: Mapping[str, Collection[str]]) -> Document:
    """The document. `known` are the keys, by section, that it may refer to without naming them itself.

    Raises `Rejected` with all problems, each with file, line, path, value and remedy.
    """
    reading = read(text)
    problems = [*reading.problems, *_unknown(reading, known)]
    if problems or reading.document is None:
        raise bad_file(file, problems)
    return reading.document


def load_as(kind: type[D], text: str, file: str, *, beside: Collection[str] = ()) -> D:
    """A document of another kind, made of the same parts: TOML where the file is named so, else YAML. `beside` names
    what else may stand in the file.

    Raises `Rejected` with all problems.
    """
    try:
        root, problems = (grow_toml if file.endswith(".toml") else grow)(text)
    except Unreadable as error:
        raise bad_file(file, [error.problem]) from error
    if isinstance(root, MappingNode):
        root = MappingNode(root.line, {name: node for name, node in root.items.items() if name not in beside})
    document: D | None = _Reader(problems).struct(root, kind, "")
    if problems or document is None:
        raise bad_file(file, problems)
    return document


def bad_file(file: str, problems: Iterable[TextProblem]) -> Rejected:
    ordered = sorted(problems, key=lambda problem: problem.line or 0)
    told = [f"{file}: {problem}" for problem in ordered[:MAX_TOLD]]
    if len(ordered) > MAX_TOLD:
        told.append(f"{file}: and {len(ordered) - MAX_TOLD:,} more problems.")
    return Rejected("\n".join(told), code="bad_file")


def read(text: str) -> Reading:
    """References are gathered, and not looked up."""
    try:
        root, problems = grow(text)
    except Unreadable as error:
        return Reading(None, [error.problem], [], {})
    reader = _Reader(problems)
    document = reader.struct(root, Document, "")
    named = {
        section: set(mapped.items)
        for section in SECTIONS
        if isinstance(root, MappingNode) and isinstance(mapped := root.items.get(section), MappingNode)
    }
    return Reading(None if reader.problems else document, reader.problems, reader.references, named)


def _unknown(reading: Reading, known: Mapping[str, Collection[str]]) -> Iterable[TextProblem]:
    for section, key, path, line in reading.references:
        all_known = {*known.get(section, ()), *reading.named.get(section, ())}
        if key not in all_known:
            kind = SECTIONS[section]
            remedy = _nearest(key, all_known) or f"Add it under {section}, or name another."
            yield TextProblem(path, line, f"There is no {kind} {key!r:.100}. {remedy}")


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


class _Reader:
    """Each method gives the value, or None after it has noted a problem."""

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
                remedy = _nearest(name, fields) or f"Known are {', '.join(fields)}."
                self._note(below(path, name), value.line, f"There is no field {name!r:.100} here. {remedy}")
        values = {}
        for field in msgspec.structs.fields(kind):
            under = below(path, field.name)
            given = node.items.get(field.name)
            if given is not None and not (isinstance(given, Scalar) and given.is_null):
                values[field.name] = self.value(given, fields[field.name], under, field.name)
            elif field.required:
                self._note(under, node.line, f"{field.name} is missing. Write it.")
        required = {field.name for field in msgspec.structs.fields(kind) if field.required}
        if not required <= values.keys():
            return None
        made = kind(**values)
        if len(self.problems) == problems_before and (clash := made.clash()):
            self._note(below(path, clash[0]), node.items[clash[0]].line, clash[1])
        return made

    def value(self, node: Node, kind: Any, path: str, field: str) -> Any:
        if get_origin(kind) in {Union, UnionType}:
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
            self._note(path, node.line, f"{field} has {len(node.items):,} parts; at most {MAX_PARTS:,} are taken.")
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
            self._note(path, node.line, f"There are {len(node.items):,} keys; at most {MAX_KEYS:,} are taken.")
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
        if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in node.text):
            return self._wrong(node, path, "a text that can be stored. Take the control letters away")
        return node.text

    def _int(self, node: Scalar, path: str) -> Any:
        if node.is_quoted or not WHOLE.fullmatch(node.text):
            return self._wrong(node, path, f"a whole number from 1 to {MAX_AMOUNT}, without quotes")
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
        if moment is None or moment.tzinfo is None:
            return self._wrong(node, path, "a time with its zone, such as 2026-11-24T20:00:00Z")
        return moment

    def _timedelta(self, node: Scalar, path: str) -> Any:
        try:
            duration = msgspec.convert(node.text, timedelta)
        except msgspec.ValidationError:
            return self._wrong(node, path, "a duration, such as PT90M or P7D")
        if not timedelta(0) < duration <= MAX_TIMEOUT:
            wanted = f"longer than nothing and at most {MAX_TIMEOUT.days} days (P{MAX_TIMEOUT.days}D)"
            return self._wrong(node, path, wanted)
        return duration

    def _wrong(self, node: Node, path: str, wanted: str) -> Any:
        """Always None, which is what its callers then give."""
        shown = {ListNode: "a list", MappingNode: "a mapping"}.get(type(node)) or repr(getattr(node, "text", "")[:80])
        self._note(path, node.line, f"{shown} is not {wanted}.")

    def _note(self, path: str, line: int | None, message: str) -> None:
        self.problems.append(TextProblem(path, line, message))


def _json(node: Node) -> Any:
    """Whatever stands there, as YAML's JSON schema reads it."""
    if isinstance(node, MappingNode):
        return {name: _json(each) for name, each in node.items.items()}
    if isinstance(node, ListNode):
        return [_json(each) for each in node.items]
    if node.is_quoted or is_text(node.text):
        return node.text
    if node.is_null:
        return None
    if node.text in TRUE | FALSE:
        return node.text in TRUE
    return int(node.text) if WHOLE.fullmatch(node.text) else float(node.text)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


_WORDS: dict[Any, str] = {
    str: "a text",
    int: "a whole number",
    Decimal: "a number",
    bool: "true or false",
    datetime: "a time",
    timedelta: "a duration",
}
