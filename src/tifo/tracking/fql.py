r"""Compiles Segment's filter query language, such as `type = 'track' and match(event, 'Badge *')`, to functions.

It is the full dialect of destination filters, of which the dialect of mapping triggers is a part. A path that leads to
nothing is null. Types are strict, and no message makes an evaluation fail: values that cannot be compared compare as
false, and a condition is true only where it evaluates to `true`. Our rules where Segment's documents are silent:

- `typeof` of an object is "object"; `length` of what is neither text nor list is null.
- `bool` is false for null, 0, "", "false" and []; `string` of null is "", of others their JSON; `number` of a text that
  is none is null.
- A path's part may be the index in a list: `products.0.name`.
- In a text, `\\`, `\'` and `\"` stand for the second character; any other backslash stays, as globs need it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import msgspec

from tifo.kernel.errors import Rejected
from tifo.tracking.globs import glob

MAX_BYTES = 5_000
"""Segment's limit."""
MAX_DEPTH = 50
"""Levels of brackets and negations. Ours: the parser calls itself at each one."""

Value = Any
"""JSON's types."""
Evaluate = Callable[[Mapping[str, Any]], Value]
Condition = Callable[[Mapping[str, Any]], bool]


def compiled(text: str, field: str = "if") -> Condition:
    """Compiles a condition. Raises `Rejected` for `field`, with the place of the fault."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise Rejected(f"{field} is over {MAX_BYTES:,} bytes of FQL. Write it shorter, or as two.", field=field)
    evaluate = _Parser(text, field).whole()
    # `is True`: a path that leads to a text or a number is no condition that holds.
    return lambda message: evaluate(message) is True


class _Token(NamedTuple):
    sort: str
    """One of `text`, `number`, `word` (a path or a keyword), `sign`, `end`."""
    value: Any
    at: int


_SPACE = re.compile(r"\s*")
# The look-ahead keeps `2fa.enabled` from being read as the number 2 and a rest: it is a path.
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.\\-])")
_WORD = re.compile(r"(?:[\w-]|[^\x00-\x7f]|\\.)(?:[\w.-]|[^\x00-\x7f]|\\.)*", re.DOTALL)
# Longer signs first: an alternation takes the first one that fits.
_SIGN = re.compile(r"!=|>=|<=|=|>|<|!|\(|\)|\[|\]|,")
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPED = re.compile(r"\\(['\"\\])")
_PARTS = re.compile(r"((?:[^.\\]|\\.)+)", re.DOTALL)
_INDEX = re.compile(r"[0-9]{1,9}")
_CONSTANTS = {"true": True, "false": False, "null": None}
_KEYWORDS = frozenset(("and", "or", "in"))


class _Parser:
    def __init__(self, text: str, field: str) -> None:
        self._text = text
        self._field = field
        self._at = 0
        self._depth = 0
        self._token = self._next()

    def whole(self) -> Evaluate:
        if self._token.sort == "end":
            self._fail("is empty. Write a condition such as type = 'track'")
        evaluate = self._either()
        if self._token.sort != "end":
            self._fail(f"has {self._shown()} where it should end or go on with and, or")
        return evaluate

    # One method a level: `or` binds weakest, then `and`, `!`, comparisons.

    def _either(self) -> Evaluate:
        return self._joined("or", self._both, any)

    def _both(self) -> Evaluate:
        return self._joined("and", self._term, all)

    def _joined(self, word: str, part: Callable[[], Evaluate], combined: Callable[..., bool]) -> Evaluate:
        parts = [part()]
        while self._token == ("word", word, self._token.at):
            self._advance()
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        # Strict: a text or a number is not true by itself.
        return lambda message: combined(each(message) is True for each in parts)

    def _term(self) -> Evaluate:
        if self._is_sign("!"):
            self._advance()
            self._deeper()  # a text of nothing but `!` must not reach the end of Python's stack
            negated = self._negatable()
            self._depth -= 1
            return lambda message: negated(message) is not True
        return self._comparison()

    def _negatable(self) -> Evaluate:
        operand = self._term() if self._is_sign("!") else self._operand()
        if self._comparing():
            # `!a = b` would be read in two ways: as !(a = b), or as (!a) = b.
            self._fail("has a comparison after !. Write !( … ) around it")
        return operand

    def _comparison(self) -> Evaluate:
        left = self._operand()
        if not self._comparing():
            return left
        compare = _COMPARISONS[self._token.value]
        self._advance()
        right = self._operand()
        if self._comparing():
            self._fail("compares three things. Join two comparisons by and")
        return lambda message: compare(left(message), right(message))

    def _comparing(self) -> bool:
        return self._token.sort in {"sign", "word"} and self._token.value in _COMPARISONS

    def _operand(self) -> Evaluate:
        token = self._token
        if token.sort in {"text", "number"}:
            self._advance()
            return _constant(token.value)
        if token.sort == "word" and token.value not in _KEYWORDS:
            self._advance()
            return self._call(token) if self._is_sign("(") else _named(token.value)
        if self._is_sign("("):
            return self._group()
        if not self._is_sign("["):
            self._fail(f"has {self._shown()} where a path, a text, a number or ( should stand")
        items = self._list("[", "]")
        return lambda message: [item(message) for item in items]

    def _group(self) -> Evaluate:
        self._deeper()
        self._advance()
        inner = self._either()
        self._expect(")")
        self._depth -= 1
        return inner

    def _call(self, name: _Token) -> Evaluate:
        known = _FUNCTIONS.get(name.value)
        if known is None:
            functions = ", ".join(_FUNCTIONS)
            self._fail(f"calls {name.value!r:.60}, which is no function. Known are {functions}", name.at)
        arguments = self._list("(", ")")
        if len(arguments) != known.takes:
            self._fail(f"gives {name.value} {len(arguments)} arguments; it takes {known.takes}", name.at)
        return known.made(*arguments)

    def _list(self, opening: str, closing: str) -> list[Evaluate]:
        self._deeper()
        self._expect(opening)
        items: list[Evaluate] = []
        while not self._is_sign(closing):
            if items:
                self._expect(",")
            items.append(self._either())
        self._advance()
        self._depth -= 1
        return items

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"is nested deeper than {MAX_DEPTH} levels")

    def _is_sign(self, sign: str) -> bool:
        return self._token.sort == "sign" and self._token.value == sign

    def _expect(self, sign: str) -> None:
        if not self._is_sign(sign):
            self._fail(f"has {self._shown()} where {sign} should stand")
        self._advance()

    def _advance(self) -> None:
        self._token = self._next()

    def _next(self) -> _Token:
        at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
        if at == len(self._text):
            return _Token("end", None, at)
        found = ((sort, pattern.match(self._text, at), read) for sort, pattern, read in _SORTS)
        sort, token, read = next((each for each in found if each[1]), ("", None, _quoted))
        if token is None:
            is_text = self._text[at] in "'\""
            self._fail("has a text without an end" if is_text else f"has {self._text[at]!r}, which means nothing", at)
        self._at = token.end()
        return _Token(sort, read(token), at)

    def _shown(self) -> str:
        return "its end" if self._token.sort == "end" else repr(self._token.value)[:60]

    def _fail(self, problem: str, at: int | None = None) -> NoReturn:
        place = self._token.at if at is None else at
        raise Rejected(f"{self._field}: the FQL {problem} (at character {place + 1}).", field=self._field)


def _number(found: re.Match[str]) -> int | float:
    text = found[0]
    return int(text) if text.lstrip("-").isdigit() and len(text) <= 30 else float(text)  # noqa: PLR2004 (beyond: as good as infinite)


def _quoted(found: re.Match[str]) -> str:
    return _ESCAPED.sub(r"\1", found[1] if found[1] is not None else found[2])


_SORTS: Sequence[tuple[str, re.Pattern[str], Callable[[re.Match[str]], Any]]] = (
    ("text", _TEXT, _quoted),
    ("number", _NUMBER, _number),
    ("word", _WORD, lambda found: found[0]),
    ("sign", _SIGN, lambda found: found[0]),
)


def _constant(value: Value) -> Evaluate:
    return lambda _: value


def _named(word: str) -> Evaluate:
    if word in _CONSTANTS:
        return _constant(_CONSTANTS[word])
    parts = path_of(word)
    # Most paths are single names such as `event`, in every condition of every message.
    if len(parts) == 1:
        name = parts[0]
        return lambda message: message.get(name)
    return lambda message: found_at(message, parts)


def path_of(text: str) -> Sequence[str]:
    r"""`properties.product\ 1` → `("properties", "product 1")`."""
    return tuple(re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in _PARTS.findall(text))


def found_at(value: Value, path: Sequence[str]) -> Value:
    """Returns the value at a path; None where the path leads nowhere."""
    for part in path:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _is_number(value: Value) -> bool:
    # Python counts True as an int; JSON does not.
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(left: Value, right: Value) -> bool:
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    # Also True and 1, which Python counts as equal.
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(value, right[name]) for name, value in left.items())
    return bool(left == right)


def _numbers(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    return lambda left, right: _is_number(left) and _is_number(right) and compare(left, right)


_COMPARISONS: Mapping[str, Callable[[Value, Value], bool]] = {
    "=": _same,
    "!=": lambda left, right: not _same(left, right),
    ">": _numbers(lambda left, right: left > right),
    ">=": _numbers(lambda left, right: left >= right),
    "<": _numbers(lambda left, right: left < right),
    "<=": _numbers(lambda left, right: left <= right),
    "in": lambda left, right: isinstance(right, list) and any(_same(left, each) for each in right),
}


class _Function(NamedTuple):
    takes: int
    made: Callable[..., Evaluate]


def _of_one(work: Callable[[Value], Value]) -> _Function:
    return _Function(1, lambda argument: lambda message: work(argument(message)))


def _of_text(work: Callable[[str], str]) -> _Function:
    return _of_one(lambda value: work(value) if isinstance(value, str) else None)


def _of_two_texts(work: Callable[[str, str], bool]) -> _Function:
    def made(first: Evaluate, second: Evaluate) -> Evaluate:
        def evaluate(message: Mapping[str, Any]) -> bool:
            left, right = first(message), second(message)
            return isinstance(left, str) and isinstance(right, str) and work(left, right)

        return evaluate

    return _Function(2, made)


def _matches(text: str, pattern: str) -> bool:
    return glob(pattern).fullmatch(text) is not None


def _length(value: Value) -> int | None:
    """Counts a text's bytes or a list's items."""
    # Segment: the length of null is 0, and a text's length is in bytes.
    if value is None:
        return 0
    if isinstance(value, str):
        return len(value.encode(errors="surrogatepass"))
    return len(value) if isinstance(value, list) else None


def _type(value: Value) -> str:
    if _is_number(value):
        return "number"
    return {bool: "bool", str: "string", list: "list", dict: "object"}.get(type(value), "null")


def _as_text(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _as_number(value: Value) -> int | float | None:
    if _is_number(value):
        return value  # type: ignore[no-any-return]  # a number, as was just seen
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _as_bool(value: Value) -> bool:
    return value != "false" and bool(value)


_FUNCTIONS: Mapping[str, _Function] = {
    "contains": _of_two_texts(lambda text, part: part in text),
    "match": _of_two_texts(_matches),
    "length": _of_one(_length),
    "lowercase": _of_text(str.lower),
    "uppercase": _of_text(str.upper),
    "snakecase": _of_text(lambda text: text.replace(" ", "_")),
    "kebabcase": _of_text(lambda text: text.replace(" ", "-")),
    "titlecase": _of_text(lambda text: " ".join(word[:1].upper() + word[1:] for word in text.split(" "))),
    "typeof": _of_one(_type),
    "bool": _of_one(_as_bool),
    "string": _of_one(_as_text),
    "number": _of_one(_as_number),
}
