import pytest

from tifo.egress.rules import parse_address, read_allowed
from tifo.kernel.errors import Rejected


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 (refused, not bound)
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:0001::1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_what_is_not_public_is_refused_however_it_is_written(address: str) -> None:
    assert read_allowed("").refuses(parse_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public_is_reached(address: str) -> None:
    assert not read_allowed("").refuses(parse_address(address))


def test_only_the_networks_that_are_named_are_allowed() -> None:
    egress = read_allowed("10.1.0.0/16, 192.168.1.5 fd00::/8")
    allowed = [not egress.refuses(parse_address(text)) for text in ("10.1.2.3", "192.168.1.5", "fd00::1")]
    assert allowed == [True, True, True]
    assert egress.refuses(parse_address("10.2.0.1"))
    assert egress.refuses(parse_address("192.168.1.6"))
    assert egress.refuses(parse_address("127.0.0.1"))


def test_an_allowed_ipv4_network_holds_for_its_addresses_in_ipv6_clothes() -> None:
    assert not read_allowed("127.0.0.0/8").refuses(parse_address("::ffff:127.0.0.1"))


@pytest.mark.parametrize("text", ["localhost", "10.0.0.1/8", "10.0.0.0/33", "1.2.3"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(Rejected, match=text):
        read_allowed(f"10.0.0.0/8,{text}")
