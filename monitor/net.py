"""Which addresses a request of ours may lead to. Pure decisions, and one function that asks the resolver."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence

NAT64 = ipaddress.ip_network("64:ff9b::/96")

RESERVED = [ipaddress.ip_network(one) for one in ("192.0.0.0/24", "168.63.129.16/32", "fec0::/10")]
"""Inside addresses that the standard library calls public: clouds' metadata services, and what was site-local."""

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) -> its addresses. OSError where it has none."""

Refuse = Callable[[str], str | None]
"""address -> why no request may go there, or None."""


def refusal(address: str) -> str | None:
    """Why no request may go to this address, or None. Link-local holds the clouds' metadata services."""
    try:
        ip = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return "no IP address"
    for kind in ("loopback", "link_local", "multicast", "unspecified", "private", "reserved"):
        if getattr(ip, f"is_{kind}"):
            return f"a {kind.replace('_', '-')} address"
    if any(ip in network for network in RESERVED):
        return "a reserved address"
    return None if ip.is_global else "not a public address"


def public_addresses(host: str, port: int, resolve: Resolve, refuse: Refuse = refusal) -> list[str]:
    """The host's addresses where none is refused, else PermissionError. One bad one spoils all: a name that
    answers with both is an attack or a mistake, and which one a retry would take is chance."""
    addresses = list(dict.fromkeys(resolve(host, port)))
    for address in addresses:
        if reason := refuse(address):
            raise PermissionError(f"{host} is {reason}" if host == address else f"{host} leads to {address}, {reason}")
    return addresses


def system_resolve(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _innermost(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one wraps, where it wraps one."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
