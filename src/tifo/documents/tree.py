"""Parses YAML and TOML into a tree of nodes with their lines. Tags, anchors, aliases and repeated keys are problems.

A scalar stays text here (`yes`, `1:30`, `2026-01-01`): the type of its field decides what it is.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any, NamedTuple

import yaml

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
"""Documents need a depth of 6, and the JSON schemas in them some more."""
NULLS = {"", "~", "null", "Null", "NULL"}
TRUE, FALSE = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}
WHOLE = re.compile(r"[-+]?[0-9]{1,40}")
NUMBER = re.compile(r"[-+]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})")
FLOAT = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{0,40})?[eE][-+]?[0-9]{1,3}")
"""A number with an exponent. Only a field of any type reads it as one; a text field takes it as a text."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one, where the package has libyaml


class TextProblem(NamedTuple):
    """One thing that is wrong with a file. `path` is like `quests.derby.tasks[0].action`; lines count from 1."""

    path: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = "" if self.line is None else f"line {self.line}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class Unreadable(Exception):
    """The text cannot be parsed any further."""

    def __init__(self, problem: TextProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Scalar:
    text: str
    line: int | None
    is_quoted: bool = False

    @property
    def is_null(self) -> bool:
        return not self.is_quoted and self.text in NULLS


@dataclass(frozen=True)
class ListNode:
    line: int | None
    items: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class MappingNode:
    line: int | None
    items: dict[str, "Node"] = field(default_factory=dict)


Node = Scalar | ListNode | MappingNode


def below(path: str, name: str) -> str:
    """Returns the path of a field below `path`."""
    # Control characters are escaped: paths are printed, and a key may hold the codes that steer a terminal.
    shown = name[:100] if name.isprintable() else repr(name[:100])
    return f"{path}.{shown}" if path else shown


def is_text(plain: str) -> bool:
    """Says whether a scalar without quotes is a text: not null, a truth value or a number."""
    return plain not in NULLS | TRUE | FALSE and not NUMBER.fullmatch(plain)


def parse_yaml(text: str) -> tuple[Node, list[TextProblem]]:
    """Parses YAML. Returns the tree and its problems. Raises `Unreadable` for text that cannot be parsed."""
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise Unreadable(TextProblem("", None, f"The file has {size:,} bytes; at most {MAX_BYTES:,} are read."))
    try:
        return _YamlParser(text).root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(filter(None, (error.context, error.problem)))
        line = None if mark is None else mark.line + 1
        raise Unreadable(TextProblem("", line, f"This is no YAML: {said}.")) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise Unreadable(TextProblem("", None, f"This is no YAML: {str(error).splitlines()[0]}.")) from error


def parse_toml(text: str) -> tuple[Node, list[TextProblem]]:
    """Parses TOML as `parse_yaml` parses YAML, but without lines: Python's parser reports none."""
    if len(text) > MAX_BYTES:
        raise Unreadable(
            TextProblem("", None, f"The file has {len(text):,} characters; at most {MAX_BYTES:,} are read.")
        )
    try:
        return _node_of(tomllib.loads(text), "", 1), []
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(TextProblem("", None, f"This is no TOML: {error}.")) from error


def _node_of(value: Any, path: str, depth: int) -> Node:
    if depth > MAX_DEPTH:
        raise Unreadable(TextProblem(path, None, f"This is nested more than {MAX_DEPTH} deep."))
    if isinstance(value, dict):
        return MappingNode(None, {name: _node_of(each, below(path, name), depth + 1) for name, each in value.items()})
    if isinstance(value, list):
        return ListNode(None, [_node_of(each, f"{path}[{n}]", depth + 1) for n, each in enumerate(value)])
    if isinstance(value, bool):
        return Scalar(str(value).lower(), None)
    text = value.isoformat() if isinstance(value, date | time) else str(value)
    return Scalar(text, None, is_quoted=isinstance(value, str))


# Not PyYAML's constructor: that follows aliases, runs tags, and makes numbers of `1:30` and truth of `yes`.
class _YamlParser:
    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._problems: list[TextProblem] = []

    def root(self) -> tuple[Node, list[TextProblem]]:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                if root is not None:
                    raise Unreadable(TextProblem("", _line(event), "A second document begins. Keep one in a file."))
                root = self._node(event, "", 1)
        if root is None or (isinstance(root, Scalar) and root.is_null):
            raise Unreadable(TextProblem("", None, "The file holds nothing."))
        return root, self._problems

    def _node(self, event: Any, path: str, depth: int) -> Node:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise Unreadable(TextProblem(path, line, f"This is nested more than {MAX_DEPTH} deep."))
        self._check_plain(event, path, line)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, line, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._listing(path, line, depth)
        # `implicit[0]` says that a scalar has neither quotes nor a tag.
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, line, is_quoted=not event.implicit[0])
        return Scalar("", line)

    def _check_plain(self, event: Any, path: str, line: int) -> None:
        if isinstance(event, yaml.AliasEvent):
            # Aliases are not followed: a small file could become a tree of any size.
            self._problems.append(TextProblem(path, line, f"*{event.anchor} is an alias. Write the value out."))
        elif event.anchor is not None:
            self._problems.append(TextProblem(path, line, f"&{event.anchor} is an anchor. Remove it."))
        if getattr(event, "tag", None) is not None:
            self._problems.append(TextProblem(path, line, f"{event.tag!r:.100} is a tag. Remove it."))

    def _mapping(self, path: str, line: int, depth: int) -> MappingNode:
        mapped = MappingNode(line)
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, path, depth + 1)
            name = key.text if isinstance(key, Scalar) else f"line {key.line}"
            under = below(path, name)
            if not isinstance(key, Scalar):
                self._problems.append(TextProblem(path, key.line, "A key is no text. Write `key: value`."))
            elif name in mapped.items:
                first = mapped.items[name].line
                self._problems.append(TextProblem(under, key.line, f"The key is here twice (line {first}). Keep one."))
            value = self._node(next(self._events), under, depth + 1)
            mapped.items.setdefault(name, value)
        return mapped

    def _listing(self, path: str, line: int, depth: int) -> ListNode:
        listed = ListNode(line)
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            listed.items.append(self._node(event, f"{path}[{len(listed.items)}]", depth + 1))
        return listed


def _line(event: Any) -> int:
    line: int = event.start_mark.line + 1
    return line
