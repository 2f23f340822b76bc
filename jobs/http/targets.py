"""The addresses that tasks may call: public ones and those that DUETIME_TARGETS_ALLOWED names, except those that
DUETIME_TARGETS_DENIED names.

The check applies to the address of a connection, however the URL spells it, together with the name and port that led to
it. `ipaddress.is_global` is not enough: it counts multicast, 6to4 and site-local addresses as global.

Sources: the IANA registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SHAPE = "networks, hosts or host:port, separated by commas, as in 10.1.0.0/16, hooks.internal:8443, *.svc.internal"

NOT_PUBLIC = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and a metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's own service for its machines, public only in form
        "169.254.0.0/16",  # link-local, and most metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, and a metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
PUBLIC_IPV6 = IPv6Network("2000::/3")
"""The assigned part of IPv6. Loopback, IPv4-compatible, unique local, link-local, site-local and multicast lie outside.
"""
NOT_PUBLIC_IPV6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]
NAT64 = IPv6Network("64:ff9b::/96")
"""DNS64 creates these from public names, so the IPv4 address inside counts. The range for local use is not public."""
ISATAP = {0x00005EFE, 0x02005EFE}
"""Third quarters of addresses that contain an IPv4 address in their last quarter."""

MAPPED_BITS = 96
"""Bits before an IPv4 address inside an IPv6 address (`::ffff:0:0/96`)."""

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class TargetRefused(Exception):
    """A call to this target is not allowed. The error reveals neither addresses of a name nor what listens there."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"the target is not allowed: calls to {netloc(host, port)} are blocked here")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a list: a network or a name, on one port or on all. `*.` stands for every name below."""

    network: Network | None
    name: str | None
    port: int | None

    def matches(self, address: Address, *, host: str, port: int) -> bool:
        """Return whether the entry matches an address, or the name that led to it."""
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return address in self.network
        name = self.name or ""
        return host.endswith(name[1:]) if name.startswith("*.") else host == name


class EgressPolicy:
    """The lists of allowed and denied targets. Without entries, tasks may call only public addresses."""

    def __init__(self, *, allowed: Sequence[Rule] = (), denied: Sequence[Rule] = ()) -> None:
        self._allowed = tuple(allowed)
        self._denied = tuple(denied)

    def permits(self, address: str, *, host: str, port: int) -> bool:
        """Return whether a connection to an address is allowed. `host` led to it, and `address` is numeric."""
        host = host.lower().removesuffix(".")
        reached = address_of(address)
        meant = [reached, *embedded(reached)]
        if any(rule.matches(each, host=host, port=port) for rule in self._denied for each in meant):
            return False
        if any(rule.matches(reached, host=host, port=port) for rule in self._allowed):
            return True
        return all(is_public(each) for each in meant)


@lru_cache(maxsize=4096)
def address_of(text: str) -> Address:
    """Return the address without a zone, and an IPv4 address inside IPv6 (`::ffff:10.0.0.1`) as IPv4."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def embedded(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses inside an IPv6 address, to which a gateway may forward the connection."""
    if isinstance(address, IPv4Address):
        return
    packed = int(address)
    if address in NAT64 or (packed >> 32) & 0xFFFFFFFF in ISATAP or packed >> 32 == 0:
        yield IPv4Address(packed & 0xFFFFFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo


def is_public(address: Address) -> bool:
    """Return whether anyone on the internet could call the address."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC)
    if address in NAT64:
        return True
    return address in PUBLIC_IPV6 and not any(address in network for network in NOT_PUBLIC_IPV6)


def parse_rules(text: str) -> list[Rule]:
    """Return the entries of a list. `ValueError` names the entry that is wrong."""
    return [parse_rule(entry.strip()) for entry in text.split(",") if entry.strip()]


def parse_rule(entry: str) -> Rule:
    """Return one entry. `ValueError` says what is wrong with it."""
    if "/" in entry:
        return Rule(parse_network(entry), None, None)
    host, port = split_port(entry)
    try:
        return Rule(ip_network(address_of(host)), None, port)
    except ValueError:
        pass
    wildcard, name = "*." if host.startswith("*.") else "", host.lower().removeprefix("*.").removesuffix(".")
    try:
        # Read the name as the host of a URL is read: since 2010, IDNA has had two ways to write some letters (straße).
        name = name if name.isascii() else URL.build(scheme="http", host=name).raw_host or ""
    except ValueError:
        raise ValueError(f"{entry!r} is neither a network nor a host; write {SHAPE}") from None
    labels = name.split(".")
    # A name that ends in digits would be a wrong or oddly spelled address.
    if not all(LABEL.fullmatch(label) for label in labels) or re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1]):
        raise ValueError(f"{entry!r} is neither a network nor a host; write {SHAPE}")
    return Rule(None, wildcard + name, port)


def parse_network(entry: str) -> Network:
    """Return a network; an IPv4 network inside IPv6 as IPv4. `ValueError` says what is wrong with it."""
    try:
        return without_mapping(ip_network(entry))
    except ValueError:
        pass
    try:
        meant = ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(f"{entry!r} is not a network; write {SHAPE}") from None
    raise ValueError(f"{entry!r} is an address within a network; the network is {meant}")


def without_mapping(network: Network) -> Network:
    """Return the network in the form in which `address_of` returns addresses."""
    first = network.network_address
    if isinstance(first, IPv6Address) and first.ipv4_mapped is not None and network.prefixlen >= MAPPED_BITS:
        return IPv4Network((first.ipv4_mapped, network.prefixlen - MAPPED_BITS))
    return network


def split_port(entry: str) -> tuple[str, int | None]:
    """Return an entry's host and port, if it has one. An IPv6 address with a port is in brackets."""
    if entry.startswith("["):
        host, bracket, rest = entry[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{entry!r} is not an address in brackets; write [::1] or [::1]:8080")
        port = rest[1:] if rest else None
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    else:
        return entry, None
    if port is None:
        return host, None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f"{entry!r} has no port from 1 to 65535 after its colon")
    return host, int(port)


def netloc(host: str, port: int) -> str:
    """Return a host and a port as a URL writes them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
