"""Measures how deep JSON values nest. Pure."""


def is_deeper(value: object, levels: int) -> bool:
    """Says whether objects and arrays nest deeper than so many levels. Looks no deeper than one level more."""
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    children = value.values() if isinstance(value, dict) else value
    return any(is_deeper(child, levels - 1) for child in children)
