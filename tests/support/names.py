"""DNS for tests: the addresses of targets' names, always on this machine."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import cast

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset


async def no_names(host: str, port: int) -> Sequence[str]:
    """Fail: the name does not exist."""
    raise OSError(f"no address for {host}:{port}")


class NameServer(asyncio.DatagramProtocol):
    """A DNS server whose names have the addresses that a test chooses, and may have others at the next query.

    `asked` counts the queries for addresses by name. Responses have a time to live of zero.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.port = 0
        self._means: dict[str, list[Sequence[str]]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def means(self, name: str, *addresses: Sequence[str]) -> None:
        """Give these addresses to a name, one list after another, the last one from then on."""
        self._means[name] = list(addresses)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a query: for IPv4 with the next list, for IPv6 with the same one."""
        query = dns.message.from_wire(data)
        [question] = query.question
        name = question.name.to_text(omit_final_dot=True)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        addresses = self._addresses(name, first=question.rdtype == dns.rdatatype.A)
        wanted = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}.get(question.rdtype)
        if found := [address for address in addresses if ip_address(address).version == wanted]:
            answer.answer.append(dns.rrset.from_text(question.name, 0, "IN", question.rdtype, *found))
        if self._transport is not None:
            self._transport.sendto(answer.to_wire(), addr)

    def _addresses(self, name: str, *, first: bool) -> Sequence[str]:
        lists = self._means.get(name, [[]])
        place = min(max(self.asked[name] - (not first), 0), len(lists) - 1)
        self.asked[name] += first
        return lists[place]

    async def lookup(self, host: str, port: int) -> Sequence[str]:
        """Query this server by real datagrams, as a resolver does."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.port
        resolver.lifetime = 2
        try:
            answers = [await resolver.resolve(host, kind, raise_on_no_answer=False) for kind in ("A", "AAAA")]
        except dns.exception.DNSException as error:
            raise OSError(f"no address for {host}:{port}: {error}") from error
        found = [str(record) for answer in answers for record in answer]
        if not found:
            raise OSError(f"no address for {host}:{port}")
        return found


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Run a name server on a free port of the loopback address."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        server.port = transport.get_extra_info("sockname")[1]
        yield server
    finally:
        transport.close()
