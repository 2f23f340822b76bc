"""Measures whether a flow limit holds under load, and what it costs the calls to other hosts."""

from uuid import uuid4

from sqlalchemy import TextClause, text

from tests.bench.line import Line, median
from tests.bench.rounds import CROWDED_HOST, Bench, Servers

CALLS, HOSTS, SECONDS = 1_000, 100, 20
CROWDED = 300
RATE = 10
ROUNDS = 3
LIMIT = text("INSERT INTO flow_limits (id, host, rate_per_second, burst) VALUES (:id, :host, :rate, 1)")


async def flow_limit_lines(servers: Servers) -> list[Line]:
    """Return the lines for one limited host among many others, against the same calls without the limit."""
    bench = Bench(servers)
    free, limited = [], []
    for _ in range(ROUNDS):
        free.append(await bench.mixed(CALLS, SECONDS, hosts=HOSTS, crowded=CROWDED))
        await execute(servers, LIMIT, id=uuid4(), host=CROWDED_HOST.partition(":")[0], rate=RATE)
        limited.append(await bench.mixed(CALLS, SECONDS, hosts=HOSTS, crowded=CROWDED))
        await execute(servers, text("DELETE FROM flow_limits"))
    rate = median(rate for _, rate in limited)
    return [
        Line(
            f"calls per second of a host limited to {RATE}, {CROWDED} in {SECONDS} s among {CALLS:,} of {HOSTS} hosts",
            f"{rate:.2f}/s",
            f"{RATE}/s (the limit)",
            rate / RATE,
            wanted,
        )
        for wanted in ("at least 0.95", "at most 1.05")
    ] + [
        Line(
            f"{name} lateness of the other hosts",
            f"{median(getattr(late, name) for late, _ in limited):,.1f} ms",
            f"{median(getattr(late, name) for late, _ in free):,.1f} ms (without the limit)",
            median(getattr(a, name) / getattr(b, name) for (a, _), (b, _) in zip(limited, free, strict=True)),
            "at most 1.2",
        )
        for name in ("p50", "p99")
    ]


async def execute(servers: Servers, statement: TextClause, **values: object) -> None:
    """Execute a statement."""
    async with servers.engine.begin() as connection:
        await connection.execute(statement, values)
