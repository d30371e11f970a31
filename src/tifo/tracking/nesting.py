"""Measures how deep JSON values nest, and shows them in messages. Pure."""

import reprlib

_short = reprlib.Repr()
_short.maxstring = _short.maxlong = _short.maxother = 80


def shown(value: object) -> str:
    """Writes any JSON value short, however deep it nests or long it is."""
    return f"{_short.repr(value):.80}"


def is_deeper(value: object, levels: int) -> bool:
    """Says whether objects and arrays nest deeper than so many levels. Looks no deeper than one level more."""
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    children = value.values() if isinstance(value, dict) else value
    return any(is_deeper(child, levels - 1) for child in children)
