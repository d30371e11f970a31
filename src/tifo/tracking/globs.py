"""Compiles globs of Segment's filter query language, such as `Badge *`, to regular expressions."""

import re
from functools import lru_cache

_CHUNKS = re.compile(
    r"\[(?P<set>\^?(?:[^\\\]]|\\.)+)\]|\\(?P<escaped>.)|(?P<any>\?)|(?P<star>\*+)|(?P<plain>.)", re.DOTALL
)
_NOTHING = re.compile(r"(?!)")


# A pattern is a constant of its condition, so it is compiled once and used for every message.
@lru_cache(maxsize=512)
def glob(pattern: str) -> re.Pattern[str]:
    """Compiles a glob, which must match the whole text. Time grows with the text only."""
    chunks = [""]
    for found in _CHUNKS.finditer(pattern):
        if found["star"]:
            chunks.append("")
        elif found["set"]:
            chunks[-1] += f"[{_set(found['set'])}]"
        elif found["any"]:
            chunks[-1] += "."
        else:
            chunks[-1] += re.escape(found["escaped"] or found["plain"])
    first, *others = chunks
    # Atomic groups: the first place where a chunk fits is final, which is right for a glob. With plain groups a pattern
    # such as `*a*a*a*b` takes time that grows by powers of the text's length. The last chunk must reach the text's end,
    # so it stands outside of them.
    inner = "".join(f"(?>.*?{chunk})" for chunk in others[:-1])
    last = f".*{others[-1]}" if others else ""
    try:
        return re.compile(first + inner + last, re.DOTALL)
    except re.error:  # such as a range that runs backwards: it matches nothing
        return _NOTHING


def _set(inside: str) -> str:
    negated = inside.startswith("^")
    # Letters that mean something in a set of Python's but not in a glob's (`[`, `&&`, `--`) are escaped.
    rest = re.sub(r"\\(.)|(.)", lambda found: _in_set(found[1], found[2]), inside[negated:], flags=re.DOTALL)
    return ("^" if negated else "") + rest


def _in_set(escaped: str | None, plain: str | None) -> str:
    if escaped is not None:
        return re.escape(escaped)
    return "-" if plain == "-" else re.escape(plain or "")
