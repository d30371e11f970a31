"""Ports of this machine, before a server listens on one."""

import socket

from tifo.kernel.errors import Rejected


def free_port() -> int:
    """Returns a port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_port(host: str, port: int) -> None:
    """Raises `Rejected` where the api could not listen there."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise Rejected(
            f"Tifo cannot listen on {host}:{port}: {error.strerror or error}. Choose another --host or --port.",
            field="port",
        ) from error
