"""Finds free ports of this machine, and checks that a server can listen on one."""

import socket

from tifo.kernel.errors import Rejected


def free_port() -> int:
    """Returns a port that nothing listens on right now; another program may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(host: str, port: int) -> None:
    """Raises `Rejected` where a server could not listen there.

    The server itself would fail in a process of its own, whose error nobody sees.
    """
    try:
        # It sets SO_REUSEADDR: connections of the last run that are still closing do not count as a listener.
        socket.create_server((host, port)).close()
    except OSError as error:
        raise Rejected(
            f"Tifo cannot listen on {host}:{port}: {error.strerror or error}. Choose another --host or --port.",
            field="port",
        ) from error
