"""Reads and builds addresses of PostgreSQL databases: libpq's `postgresql://user:password@host:port/database`."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from tifo.kernel.errors import Rejected

# A server that vanishes without a word must not hold the loader indefinitely.
_PARAMETERS = {
    "connect_timeout": "10",
    "application_name": "tifo",
    "keepalives_idle": "15",
    "tcp_user_timeout": "30000",
}
"""Connection parameters, unless the address has its own."""


def checked_url(url: str) -> str:
    """Raises `Rejected` for what is no address of a database; the message holds no password."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("postgresql", "postgres") and bool(parts.path.strip("/")) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise Rejected(
            "url is no address of a PostgreSQL database. Give one such as"
            " postgresql://user:password@host:5432/database.",
            field="url",
        )
    return url


def without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{parts.netloc.rpartition('@')[2]}"))


def with_parameters(url: str) -> str:
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit(parts._replace(query=urlencode({**_PARAMETERS, **given}, quote_via=quote)))


def url_of(settings: Mapping[str, object]) -> str:
    """Builds an address of `hostname`, `port`, `database`, `username` and `password`. Raises `Rejected`."""
    for required in ("hostname", "database", "username"):
        if not settings.get(required):
            raise Rejected(f"settings.{required} is missing. Give it, or settings.url.", field=f"settings.{required}")
    parts = ("hostname", "port", "database", "username", "password")
    host, port, database, user, password = (quote(str(settings.get(part, "")), safe="") for part in parts)
    secret = f":{password}" if password else ""
    return f"postgresql://{user}{secret}@{host}:{port or 5432}/{database}"


def settings_of(url: str) -> dict[str, str]:
    """Returns the parts of the address that may be shown."""
    parts = urlsplit(url)
    # Without the query: a parameter may hold a secret.
    return {
        "hostname": parts.hostname or "",
        "port": str(parts.port or 5432),
        "database": parts.path.strip("/"),
        "username": parts.username or "",
    }
