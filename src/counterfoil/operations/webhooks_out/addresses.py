"""Which addresses webhooks may go to: public ones, looked at on the address that is then connected to, so that no name can change it.

What a partner enters must not make this server speak to itself, its neighbours, or its host's metadata. The registers of IANA say
which addresses are of no public host; of IPv6 only 2000::/3 is given out, and what carries an IPv4 address in it is refused.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from counterfoil.base.problems import InvalidInput

URL_MAX: Final = 2_000
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NOT_PUBLIC: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own (CGNAT)
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # measurements
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
        "2001::/23",  # Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",  # documentation
    )
)
_GIVEN_OUT: Final = ipaddress.ip_network("2000::/3")  # NAT64, unique local, link-local, mapped and multicast lie outside


class AddressRefused(Exception):
    """Our own filter refuses the address; nothing was connected to."""


def networks_of(given: str) -> tuple[Network, ...]:
    """`127.0.0.1/32, 10.1.0.0/16`: networks that may be told, although they are not public. Raises ValueError."""
    return tuple(ipaddress.ip_network(one.strip(), strict=False) for one in given.split(",") if one.strip())


def is_public(address: Address) -> bool:
    """Is it an address of a host on the public internet?"""
    if isinstance(address, ipaddress.IPv6Address) and address not in _GIVEN_OUT:
        return False
    return not any(address.version == one.version and address in one for one in _NOT_PUBLIC)


def is_allowed(address: Address, networks: Sequence[Network], *, public: bool = True) -> bool:
    """Is it public, or in one of the networks that a setting allows? Without `public`, those alone. An IPv4 address within an IPv6 one is
    that IPv4 address."""
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    known = address if inner is None else inner
    return (public and is_public(address)) or any(known in one for one in networks if one.version == known.version)


def checked_url(url: str, networks: Sequence[Network]) -> SplitResult:
    """An endpoint's address as it is entered. Raises InvalidInput. Whether its name may be connected to is asked each time anew."""
    if len(url) > URL_MAX or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InvalidInput("url", f"an address of at most {URL_MAX} ASCII characters without spaces", got=url[:80])
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInput("url", "an address such as https://books.example/hooks", got=url[:80]) from error
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise InvalidInput("url", "an address such as https://books.example/hooks", got=url[:80])
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInput("url", "without a user, a password and a fragment: they would be sent nowhere", got=f"{parts.scheme}://…")
    literal = _literal(parts.hostname)
    if literal is not None and not is_allowed(literal, networks):
        raise InvalidInput("url", "a public address, or one of the setting webhook_networks", got=str(literal))
    if parts.scheme == "http" and (not networks or (literal is not None and is_public(literal))):
        raise InvalidInput("url", "https; http goes to addresses of the setting webhook_networks only", got=url[:80])
    return parts


def dial_allowed(networks: Sequence[Network], *, public: bool) -> Callable[..., socket.socket]:
    """Connects as `socket.create_connection` does, to addresses that are allowed alone; the name is looked up once, and each address that
    it has is looked at. One that is refused among them refuses all: an honest name has no address within this house. The function that
    is returned raises AddressRefused."""

    def dial(address: tuple[str, int], timeout: float | None = None, source_address: tuple[str, int] | None = None) -> socket.socket:
        host, port = address
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, there in found:
            if not is_allowed(ipaddress.ip_address(str(there[0]).partition("%")[0]), networks, public=public):
                raise AddressRefused(f"{host} is at {there[0]}, which is {'not public and ' if public else ''}not in webhook_networks")
        failed: OSError | None = None
        for *_, there in found:
            try:
                return socket.create_connection((str(there[0]), int(there[1])), timeout, source_address)
            except OSError as error:
                failed = error
        raise failed or OSError("the name has no address")

    return dial


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
