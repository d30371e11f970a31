"""Segment's naming of tables, columns and schemas (go-snakecase; reference: Segment's warehouse schema docs)."""

import re

_TOKEN = re.compile(r"[A-Z0-9]+[a-z0-9]*|[a-z0-9]+")
_GOOD = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


def snake_case(name: str) -> str:
    """`sampleText` → `sample_text`, `HTTPServer` → `httpserver`, `2FA Enabled` → `2fa_enabled`.

    A token is a run of capitals and digits followed by a run of small letters and digits; everything else,
    all that is not ASCII included, separates. A name that is good already passes unchanged. The result is
    empty where nothing is left (a name in another script): the caller has a fallback.
    """
    if _GOOD.fullmatch(name):
        return name
    return "_".join(_TOKEN.findall(name)).lower()
