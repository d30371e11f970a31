"""Names tables, columns and schemas as Segment does (go-snakecase; see Segment's warehouse schema docs)."""

import re

_TOKEN = re.compile(r"[A-Z0-9]+[a-z0-9]*|[a-z0-9]+")
_GOOD = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


def snake_case(name: str) -> str:
    """Writes `sampleText` as `sample_text`, `HTTPServer` as `httpserver`, `2FA Enabled` as `2fa_enabled`.

    A token is a run of capitals and digits followed by a run of small letters and digits. Every other character
    separates tokens, also one that is not ASCII. A name in snake case is returned unchanged. The result is empty where
    no token is left (a name in another script): the caller has a fallback.
    """
    if _GOOD.fullmatch(name):
        return name
    return "_".join(_TOKEN.findall(name)).lower()
