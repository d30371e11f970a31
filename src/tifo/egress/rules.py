"""Decides which addresses a request may go to. Pure.

An address that someone configures (an endpoint, a webhook, LiveLike's API) must not become a way into the network that
Tifo stands in. So requests go to public addresses only, and to those that the setting `egress_allow` names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tifo.kernel.errors import Rejected

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = ip_network("64:ff9b::/96")
"""A translator's addresses for IPv4 hosts (RFC 6052): the last 32 bits are the host."""


@dataclass(frozen=True)
class Egress:
    """Judges addresses. `allowed` are the networks that may be reached although they are not public."""

    allowed: tuple[Network, ...] = ()

    def refuses(self, address: Address) -> bool:
        """Refuses an address if it, or an IPv4 address that it wraps, is neither public nor allowed."""
        return any(not _is_public(each) and not self._names(each) for each in _meanings(address))

    def _names(self, address: Address) -> bool:
        return any(address in network for network in self.allowed)


def read_allowed(text: str) -> Egress:
    """Reads `10.0.0.0/8, 192.168.1.5`: networks and addresses, separated by commas or blanks.

    Raises `Rejected` for text that is neither.
    """
    return Egress(tuple(map(_network, text.replace(",", " ").split())))


def parse_address(text: str) -> Address:
    """Reads an address without the zone that a link-local IPv6 address may carry. Raises ValueError for other text."""
    return ip_address(text.partition("%")[0])


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise Rejected(
            f"egress_allow has {text!r:.100}, which is no network: {error}. Give one such as 10.1.0.0/16 or 10.1.2.3.",
            field="egress_allow",
        ) from error


def _is_public(address: Address) -> bool:
    # Python counts multicast addresses as global.
    return address.is_global and not address.is_multicast


def _meanings(address: Address) -> Iterator[Address]:
    """Yields the hosts that the address leads to: an IPv6 address may wrap an IPv4 one, and then that host counts.

    The wrappings are mapped addresses, 6to4, Teredo and NAT64.
    """
    if isinstance(address, IPv4Address):
        yield address
        return
    # Judging the IPv6 address alone would let `64:ff9b::7f00:1`, which is 127.0.0.1, through.
    wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        wrapped.append(IPv4Address(int(address) & 0xFFFFFFFF))
    inner = [each for each in wrapped if each is not None]
    yield from inner or [address]
