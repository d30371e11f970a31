"""Says why a state cannot be used before an operator acts: a file, a database or a right is missing."""

import errno
import sqlite3
from typing import Any

from sqlalchemy import URL

from tifo.kernel.errors import Unusable
from tifo.kernel.postgres_refusals import is_lasting, reason_of

OUT_OF_REACH = "The state cannot be read or written right now. Send this again."
_OF_RIGHTS = frozenset({sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH})
_NO_DATABASE = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
_OF_PLACES = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENAMETOOLONG,
    }
)
_MISSING_RIGHT, _MISSING_DATABASE, _BAD_LOGIN = "42501", "3D000", "28"


def lasting_fault(cause: Any, url: URL | None) -> Unusable | None:
    """Returns None for what another try may mend. `url` is the state's; its password is not in the reason."""
    reason = _of_sqlite(cause, url) or _of_postgres(cause, url)
    return None if reason is None else Unusable(OUT_OF_REACH, reason=reason)


def place_of(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    port = f":{url.port}" if url.port else ""
    return f"{url.host or 'the local socket'}{port}/{url.database or ''}"


def _of_sqlite(cause: Any, url: URL | None) -> str | None:
    place = "" if url is None else f" {place_of(url)}"
    if isinstance(cause, OSError) and cause.errno in _OF_PLACES:
        where = cause.filename or place.strip()
        return f"{where}: {cause.strerror}. Correct its rights, or name another folder by --data."
    code = getattr(cause, "sqlite_errorcode", None)
    if code is None:
        return None
    code &= 0xFF  # the rest tells more about the same kind
    if code in _OF_RIGHTS:
        remedy = "Correct the rights of its folder, or name another by --data."
        return f"The state{place} cannot be opened or written: {cause}. {remedy}"
    if code in _NO_DATABASE:
        return f"The state{place} is no database: {cause}. Restore it from a backup, or name another folder by --data."
    return None


def _of_postgres(cause: Any, url: URL | None) -> str | None:
    if not hasattr(cause, "sqlstate"):
        return None
    state, place = cause.sqlstate or "", "" if url is None else f" {place_of(url)}"
    if state == _MISSING_RIGHT:
        return f"PostgreSQL{place}: {reason_of(str(cause))}. Grant the right (docs/postgresql.md)."
    if state == _MISSING_DATABASE or state.startswith(_BAD_LOGIN) or (not state and is_lasting(str(cause))):
        return (
            f"PostgreSQL{place} refuses the connection: {reason_of(str(cause))}. Correct database_url, or make the"
            " database, the user or the right (docs/postgresql.md)."
        )
    return None
