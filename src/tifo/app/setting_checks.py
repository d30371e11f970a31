"""Checks of settings, one for each kind of value: a flag, a variable and `tifo.toml` are held to the same rules."""

import math
import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

from tifo.egress.rules import read_allowed
from tifo.kernel.errors import Rejected

Check = Callable[[object], str | None]
"""Returns what is wrong with a value and how to write it; None for a good one."""

MAX_PORT = 65_535
OTHER_VARIABLES = frozenset(("TIFO_SUPERVISED", "TIFO_ROLES", "TIFO_ACTIONS_ROUTE", "TIFO_TOKEN"))
"""Variables beside the settings: the supervisor's mark, the vendors' stand-in, and the token of docs/management.md."""
# Kubernetes gives every pod variables of each service; a service named `tifo` has these.
_OF_KUBERNETES = re.compile(r"TIFO_(SERVICE_.*|PORT_[0-9]+_(TCP|UDP)(_.*)?)")


def positive(value: object) -> str | None:
    return None if _is_finite(value) and value > 0 else "no number above 0"  # type: ignore[operator]


def not_negative(value: object) -> str | None:
    return None if _is_finite(value) and value >= 0 else "no number of 0 or more"  # type: ignore[operator]


def at_least_one(value: object) -> str | None:
    return None if isinstance(value, int) and value >= 1 else "no whole number of 1 or more"


def a_port(value: object) -> str | None:
    sound = isinstance(value, int) and 0 <= value <= MAX_PORT
    return None if sound else f"no port. Give one from 1 to {MAX_PORT}, or 0 for a free one"


def a_host(value: object) -> str | None:
    text = str(value)
    if "/" in text or not text.isprintable() or any(letter.isspace() for letter in text):
        return "no address to listen on. Give a host name or an IP address, without a scheme, such as 0.0.0.0"
    return None


def a_web_address(value: object) -> str | None:
    return _address(str(value), {"http", "https"}, "http(s) address", "https://tifo.example.com")


def a_database(value: object) -> str | None:
    schemes = {"postgres", "postgresql", "postgresql+psycopg"}
    # The host may be absent: libpq then takes its socket.
    return _address(
        str(value), schemes, "address of PostgreSQL", "postgresql://user:password@host/tifo", needs_host=False
    )


def a_mail_server(value: object) -> str | None:
    return _address(str(value), {"smtp", "smtps"}, "address of a mail server", "smtp://user:password@host:587")


def networks(value: object) -> str | None:
    try:
        read_allowed(str(value))
    except Rejected as error:
        return f"no list of networks: {error.message.rstrip('.')}"
    return None


def a_folder(value: object) -> str | None:
    if "\0" in str(value):
        return "no folder: its name holds a NUL. Name another"
    path = Path(str(value)).absolute()
    for place in (path, *path.parents):
        # A folder that is not there is made where its next parent is one.
        try:
            if place.is_dir():
                return None
            if place.exists():
                return f"no folder: {place} is a file. Name a folder"
        except OSError as error:
            return f"no folder that can be opened: {error.strerror}. Name another"
    return None


def unknown_variables(names: Collection[str], known: Collection[str]) -> str | None:
    """Describes the first variable that looks like a setting and is none; None where there is none."""
    for name in sorted(names):
        is_ours = name.startswith("TIFO_") and name not in OTHER_VARIABLES and not _OF_KUBERNETES.fullmatch(name)
        if is_ours and name not in known:
            return f"The variable {name:.100} is no setting. {remedy(name, known)}"
    return None


def remedy(name: str, known: Collection[str]) -> str:
    """Names the nearest of the known names."""
    near = get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {near[0]}?" if near else "docs/settings.md lists the settings."


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _address(text: str, schemes: Collection[str], what: str, example: str, *, needs_host: bool = True) -> str | None:
    """Checks an address. An empty text means that the setting is not set."""
    if not text:
        return None
    try:
        parts = urlsplit(text)
        sound = parts.scheme in schemes and (bool(parts.hostname) or not needs_host) and parts.port != 0
    except ValueError:
        sound = False
    if sound and "://" in text and text.isprintable() and " " not in text:
        return None
    return f"no {what}. Write it with its scheme, such as {example}"
