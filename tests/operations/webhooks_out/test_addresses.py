"""Which addresses webhooks may go to: looked at on the address that is connected to, whatever the name said before."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.providers.connection import OneRequest
from counterfoil.operations.webhooks_out.addresses import AddressRefused, checked_url, dial_allowed, is_allowed, is_public, networks_of

OURS = networks_of("127.0.0.1/32, 10.1.0.0/16")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.19.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_of_no_public_host_is_refused(address):
    assert not is_public(ipaddress.ip_address(address))
    if address != "::ffff:8.8.8.8":
        assert not is_allowed(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::1"])
def test_a_public_address_is_allowed(address):
    assert is_allowed(ipaddress.ip_address(address), ())
    assert not is_allowed(ipaddress.ip_address(address), OURS, public=False)


def test_a_named_network_is_allowed_and_nothing_beside_it_also_within_an_ipv6_address():
    for address in ("127.0.0.1", "10.1.255.255", "::ffff:10.1.0.9"):
        assert is_allowed(ipaddress.ip_address(address), OURS)
    for address in ("127.0.0.2", "10.2.0.0", "::ffff:10.2.0.9", "::1"):
        assert not is_allowed(ipaddress.ip_address(address), OURS)


@given(st.ip_addresses())
def test_nothing_that_the_library_calls_private_or_multicast_is_public(address):
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local or address.is_loopback:
        assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        ("ftp://partner.example/", "https://"),
        ("https:///hooks", "https://"),
        ("https://partner.example:0/", "https://"),
        ("https://partner.example:99999/", "https://"),
        ("https://[::1", "https://"),
        ("https://user:word@partner.example/", "without a user"),
        ("https://partner.example/#here", "without a user"),
        ("https://partner.example/a b", "ASCII"),
        ("https://pärtner.example/", "ASCII"),
        ("https://partner.example\\@127.0.0.1/", "ASCII"),
        ("https://127.0.0.1/", "public address"),
        ("https://[::ffff:169.254.169.254]/", "public address"),
        ("http://partner.example/", "https"),
        ("https://partner.example/" + "x" * 2_000, "at most 2000"),
    ],
)
def test_an_address_that_cannot_be_is_refused_as_it_is_entered(url, limit):
    with pytest.raises(InvalidInput) as refused:
        checked_url(url, ())
    assert refused.value.facts["field"] == "url"
    assert limit in str(refused.value.facts["limit"])


# Other ways to write loopback, unspecified, the metadata of clouds, and private addresses: numbers, octal, hexadecimal, short, within IPv6.
NOTATIONS = (
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "127.1",
    "127.0.1",
    "0",
    "0x0",
    "localhost",
    "LOCALHOST",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "10.1",
    "0xa.1",
    "192.168.257",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fd00:ec2::254]",
    "[fe80::1%25lo]",
    "[fec0::1]",
)


@pytest.mark.parametrize("host", NOTATIONS)
def test_an_inner_address_is_refused_however_it_is_written_and_nothing_is_connected_to(monkeypatch, host):
    connected = []
    monkeypatch.setattr(socket, "create_connection", lambda address, *_, **__: connected.append(address))
    with pytest.raises((InvalidInput, AddressRefused)):
        dial_allowed((), public=True)((checked_url(f"https://{host}/", ()).hostname, 443))
    assert connected == []


def test_http_goes_to_named_networks_alone():
    assert checked_url("http://127.0.0.1:9000/hooks", OURS).port == 9000
    for url in ("http://8.8.8.8/", "http://127.0.0.2/"):
        with pytest.raises(InvalidInput):
            checked_url(url, OURS)
    checked_url("http://hooks.internal/", OURS)  # its address is looked at when it is connected to


def resolving(monkeypatch, *addresses: str) -> list[str]:
    """Every name has these addresses now; which of them was connected to."""
    connected: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (one, port)) for one in addresses])

    def connect(address, timeout=None, source_address=None):
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    return connected


def test_a_name_is_judged_by_the_addresses_that_it_has_when_it_is_connected_to(monkeypatch):
    connected = resolving(monkeypatch, "169.254.169.254")
    with pytest.raises(AddressRefused, match=r"169\.254\.169\.254"):
        OneRequest("https://partner.example/", limit_s=1, dial=dial_allowed((), public=True))
    assert connected == []


def test_one_inner_address_among_public_ones_refuses_them_all(monkeypatch):
    connected = resolving(monkeypatch, "8.8.8.8", "10.0.0.1")
    with pytest.raises(AddressRefused):
        dial_allowed((), public=True)(("partner.example", 443))
    assert connected == []


def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(monkeypatch):
    connected = resolving(monkeypatch, "8.8.8.8", "1.1.1.1")
    with pytest.raises(ConnectionRefusedError):
        dial_allowed((), public=True)(("partner.example", 443))
    assert connected == ["8.8.8.8", "1.1.1.1"]


def test_a_name_entered_with_http_is_never_connected_to_in_public(monkeypatch):
    connected = resolving(monkeypatch, "8.8.8.8")
    with pytest.raises(AddressRefused, match="webhook_networks"):
        dial_allowed(OURS, public=False)(("hooks.internal", 80))
    assert connected == []
