"""All that a fault can hit, running: Postgres, Valkey, workers, an API, a proxy to Postgres, and a target."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import make_url, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from db.connection import CONNECTION_ERRORS
from db.models import Run, RunEvent, utc_now
from tests.faults.checker import Evidence, Findings, check
from tests.faults.order import Order
from tests.support.engine import save
from tests.support.faulty_target import FaultyTarget, running_faulty_target
from tests.support.killable import KillableServers, killable_servers
from tests.support.ports import free_port
from tests.support.processes import ServiceProcess
from tests.support.proxy import Proxy, running_proxy
from tests.support.servers import data_folder
from tests.support.waiting import wait_until

WORKERS = 2
SLOTS = "60"
"""Few, so that a test can fill them all."""
STARTS_WITHIN = 60
SETTLES_WITHIN = 30
CREATE = """
mutation ($input: CreateTaskInput!) { createTask(input: $input) {
  __typename ... on Task { id } ... on Error { message }
} }
"""
HOLDING = text("SELECT pid FROM workers WHERE renewed_at > clock_timestamp() - interval '2 seconds'")
UNSETTLED = text("""
SELECT (SELECT count(*) FROM tasks WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'scheduled')
     + (SELECT count(*) FROM task_results WHERE task_id = ANY(CAST(:ids AS uuid[])) AND finished_at IS NULL)
""")


@dataclass(slots=True, kw_only=True)
class Cluster:
    """The cluster. `engine` connects to Postgres directly, the workers and the API through the `proxy`."""

    servers: KillableServers
    proxy: Proxy
    target: FaultyTarget
    engine: AsyncEngine
    http: httpx.AsyncClient
    environment: Mapping[str, str]
    api: ServiceProcess
    workers: list[ServiceProcess]

    def process(self, name: str) -> ServiceProcess:
        """Return the API or a worker by its name."""
        return next(process for process in self.processes if process.name == name)

    async def mend(self) -> None:
        """Start what is not running, and wait until everything works."""
        self.proxy.flow()
        self.proxy.latency = timedelta()
        await self.servers.postgres.start()
        await self.servers.valkey.start()
        for process in self.processes:
            process.resume()
            process.ignore_log_so_far()
        await self.until_up(*self.processes)
        await wait_until(self.is_healthy, what="the API is healthy", within=STARTS_WITHIN)

    async def until_up(self, *processes: ServiceProcess, within: float = STARTS_WITHIN) -> None:
        """Start processes and wait until they work. Like a supervisor, restart those that find no servers."""

        async def up() -> bool:
            for process in processes:
                process.start()
            for process in processes:
                if not await self.works(process):
                    return False
            return True

        try:
            await wait_until(up, what="what was started works", within=within)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *(process.log_tail() for process in processes)])) from None

    async def works(self, process: ServiceProcess) -> bool:
        """Return whether a worker has its lease, or the API responds."""
        if process is self.api:
            with suppress(httpx.HTTPError):
                return (await self.http.get("/health")).status_code in {200, 503}
            return False
        with suppress(*CONNECTION_ERRORS):
            async with self.engine.connect() as connection:
                return process.alive and process.pid in (await connection.execute(HOLDING)).scalars().all()
        return False

    async def is_healthy(self) -> bool:
        """Return whether the API says that all is healthy."""
        with suppress(httpx.HTTPError):
            return (await self.http.get("/health")).status_code == 200
        return False

    async def insert(self, orders: Sequence[Order], *, elsewhere: bool = False) -> None:
        """Insert the tasks as rows. With `elsewhere`, they call the target's other host."""
        rows = [order.row(self.target.other_url if elsewhere else self.target.url) for order in orders]
        for order, row in zip(orders, rows, strict=True):
            order.id = row.id
        await save(self.engine, *rows)
        assert utc_now() < min(order.first for order in orders), (
            "the tasks were inserted too late for their first instants"
        )

    async def named(self, names: Iterable[str]) -> Sequence[UUID]:
        """Return the tasks that have one of these names."""
        async with self.engine.connect() as connection:
            found = await connection.execute(text("SELECT id FROM tasks WHERE name = ANY(:names)"), {"names": [*names]})
            return found.scalars().all()

    async def newest_event(self) -> int:
        """Return the number of the last event."""
        async with self.engine.connect() as connection:
            seq: int = (await connection.execute(text("SELECT seq FROM run_event_counter"))).scalar_one()
            return seq

    async def events_after(self, seq: int) -> Sequence[RunEvent]:
        """Return all events with greater numbers, in order."""
        later = select(RunEvent).where(RunEvent.seq > seq).order_by(RunEvent.seq)  # type: ignore[arg-type]
        async with AsyncSession(self.engine) as session:
            return (await session.execute(later)).scalars().all()

    def creation(self, order: Order) -> dict[str, Any]:
        """Return the GraphQL request that creates a task."""
        return {"query": CREATE, "variables": {"input": order.input(self.target.url)}}

    async def create(self, order: Order) -> None:
        """Have the API create the task."""
        made = (await self.ask(**self.creation(order)))["createTask"]
        assert made["__typename"] == "Task", made
        order.id = UUID(made["id"])

    @staticmethod
    async def until(instant: datetime) -> None:
        """Wait for an instant at which a test wants something to happen."""
        await asyncio.sleep((instant - utc_now()).total_seconds())

    async def ask(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the data of an operation that has no errors."""
        answer = await self.http.post("/graphql", json={"query": query, "variables": variables})
        found = answer.json()
        assert "errors" not in found, found
        data: dict[str, Any] = found["data"]
        return data

    async def settled(self, orders: Sequence[Order], *, within: float = SETTLES_WITHIN) -> Findings:
        """Return what the checker finds once all that was due has ended, or at the latest after `within` seconds.

        Fails if it finds what must not happen, or if a process has ended by itself.
        """
        ids = [order.id for order in orders]

        async def quiet() -> bool:
            async with self.engine.connect() as connection:
                return not (await connection.execute(UNSETTLED, {"ids": ids})).scalar_one()

        complaint = ""
        try:
            await wait_until(quiet, what="all that was due has ended", within=within)
        except AssertionError as error:
            complaint = f"{error}\n"
        findings = check(await self.evidence(orders))
        ok = not complaint and not findings.bad
        assert ok, "\n".join([f"{complaint}{findings}", *(process.log_tail() for process in self.processes)])
        self.all_alive()
        return findings

    @property
    def processes(self) -> list[ServiceProcess]:
        """The API and the workers."""
        return [self.api, *self.workers]

    def all_alive(self) -> None:
        """Fail if a process has ended by itself, or has logged an unexpected exception."""
        for process in self.processes:
            assert process.process is None or process.alive, f"{process.name} ended by itself\n{process.log_tail()}"
            surprises = process.tracebacks()
            assert not surprises, f"{process.name} logged an unexpected exception:\n{surprises[0]}"

    async def evidence(self, orders: Sequence[Order]) -> Evidence:
        """Return all that the checker looks at, read without the code under test."""
        ids = [order.id for order in orders if order.id is not None]
        async with AsyncSession(self.engine) as session:
            runs = (await session.execute(select(Run).where(Run.task_id.in_(ids)))).scalars().all()  # type: ignore[attr-defined]
            events = (await session.execute(select(RunEvent).where(RunEvent.task_id.in_(ids)))).scalars().all()  # type: ignore[attr-defined]
            numbers = (await session.execute(select(RunEvent.seq))).scalars().all()  # type: ignore[call-overload]
        return Evidence(orders=orders, runs=runs, events=events, numbers=numbers, calls=await self.target.calls())


@asynccontextmanager
async def running_cluster() -> AsyncIterator[Cluster]:
    """Run a whole cluster until the block ends."""
    async with AsyncExitStack() as running:
        folder = running.enter_context(data_folder())
        servers = await running.enter_async_context(killable_servers(folder))
        target = await running.enter_async_context(running_faulty_target())
        proxy = await running.enter_async_context(running_proxy(servers.postgres.server.port))
        # A killed server leaves connections behind, so each one is tried before it is used.
        engine = create_async_engine(servers.database.url(), pool_pre_ping=True)
        running.push_async_callback(engine.dispose)
        database_url = make_url(servers.postgres.url).set(port=proxy.port).render_as_string(hide_password=False)
        port = free_port()
        # A kept connection must not be used again while the API, which closes idle ones, does so.
        client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=10, limits=httpx.Limits(keepalive_expiry=2)
        )
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": servers.valkey.url,
            "PORT": str(port),
            "DUETIME_SLOTS": SLOTS,
            "DUETIME_SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
        }
        cluster = Cluster(
            servers=servers,
            proxy=proxy,
            target=target,
            engine=engine,
            http=await running.enter_async_context(client),
            environment=environment,
            api=ServiceProcess("api", environment=environment, cwd=folder.parent, name="api"),
            workers=[
                ServiceProcess("worker", environment=environment, cwd=folder.parent, name=f"worker-{n}")
                for n in range(WORKERS)
            ],
        )
        try:
            await cluster.mend()
            yield cluster
        finally:
            for process in cluster.processes:
                if process.alive:
                    await process.kill()
