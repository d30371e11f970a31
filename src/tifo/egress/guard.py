"""Makes the connector that reaches allowed addresses only."""

import errno
import socket
from typing import Any

import aiohttp

from tifo.egress.rules import Egress, parse_address


def guarded_connector(egress: Egress) -> aiohttp.TCPConnector:
    """Returns a connector; call this in the event loop.

    A refused address is an `aiohttp.ClientConnectorError` whose text names the remedy. Where a name has several
    addresses, the allowed ones are tried.
    """

    # The check stands where a socket is made for one resolved address. So it holds for literal addresses, for names
    # (whatever they resolve to this time) and for each redirect, and nothing can change between check and use.
    def socket_of(info: tuple[Any, Any, int, str, Any]) -> socket.socket:
        family, kind, protocol, _, place = info
        if egress.refuses(parse_address(place[0])):
            raise PermissionError(
                errno.EACCES,
                f"{place[0]} is no public address. To reach it, name it in the setting egress_allow"
                f" (TIFO_EGRESS_ALLOW={place[0]}).",
            )
        return socket.socket(family=family, type=kind, proto=protocol)

    # No limit over all hosts: some dead hosts would use it up and delay the others.
    return aiohttp.TCPConnector(limit=0, socket_factory=socket_of)
