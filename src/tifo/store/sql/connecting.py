"""Connects to PostgreSQL, and breaks connections to a server that does not answer.

A server that is stopped refuses connections. One that is paused, or cut off from the network, says nothing: the driver
would wait for it without end.
"""

import contextlib
import socket
import struct
import time
from collections.abc import Generator
from typing import Any

import psycopg

from tifo.kernel.postgres_refusals import is_lasting
from tifo.store.sql.reachability import Reachability

_SILENCE_S = 0.4
"""The time for which a statement waits before the server is asked whether it answers at all."""
_PROBE_S = 0.5
"""The time within which it answers then."""
_BETWEEN_TRIES_S = 0.1
_CONNECT_S = 2
"""The least time that the driver can be told to wait for a server's answer to a new connection."""
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL answers it with one byte before anything else, and so does PgBouncer."""
_SILENT = "the server does not answer"


class ServerProbe:
    """Asks a PostgreSQL server for a sign of life. It knows no address before the first connection: then it is up."""

    def __init__(self) -> None:
        self._address: tuple[str, int] | None = None

    def know(self, connection: "psycopg.Connection[Any]") -> None:
        with contextlib.suppress(psycopg.Error):
            info = connection.info
            self._address = info.hostaddr or info.host, info.port

    def require(self) -> None:
        """Raises psycopg's `OperationalError` where the server is away."""
        if not self():
            raise psycopg.OperationalError(_SILENT)

    def __call__(self) -> bool:
        if self._address is None:
            return True
        host, port = self._address
        try:
            with _connected(host, port) as server:
                server.sendall(_SSL_REQUEST)
                return bool(server.recv(1))
        except OSError:
            return False


class PatientConnect:
    """Connects to PostgreSQL, which refuses while it restarts."""

    def __init__(self, probe: ServerProbe, reachability: Reachability, patience_s: float) -> None:
        self._probe = probe
        self._reachability = reachability
        self._patience_s = patience_s
        self._connect = _bounded_connections(reachability).connect

    def __call__(self, _dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        deadline_s = time.monotonic() + self._patience_s
        while True:
            try:
                # A server that is paused takes connections and says nothing: the driver would wait for two seconds.
                self._probe.require()
                connection = self._connect(*arguments, **{"connect_timeout": _CONNECT_S, **options})
            except psycopg.OperationalError as error:
                # A wrong name or password stays wrong, however long it is tried.
                if is_lasting(str(error)):
                    raise
                # Also a server that is starting up answers with this error.
                if time.monotonic() > deadline_s:
                    self._reachability.went_away()
                    raise
                time.sleep(_BETWEEN_TRIES_S)
            else:
                self._probe.know(connection)
                return connection


def _bounded_connections(reachability: Reachability) -> type["psycopg.Connection[Any]"]:
    """Makes a kind of connection that breaks, instead of waiting for a server that is away."""

    class BoundedConnection(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
            return super().wait(_watched(gen, self, reachability), *args, **kwargs)

    return BoundedConnection


def _watched(
    waiting: Generator[Any, Any, Any], connection: "psycopg.Connection[Any]", reachability: Reachability
) -> Generator[Any, Any, Any]:
    """Passes on what the driver waits for. The driver says each 0.1 s that nothing came."""
    since_s = 0.0
    try:
        wanted = next(waiting)
        while True:
            ready = yield wanted
            if not ready:
                now_s = time.monotonic()
                since_s = since_s or now_s
                if now_s - since_s >= _SILENCE_S and reachability.look():
                    connection.pgconn.finish()
                    raise psycopg.OperationalError(_SILENT)
            wanted = waiting.send(ready)
    except StopIteration as ended:
        return ended.value


def _connected(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port), _PROBE_S)
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(_PROBE_S)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server
