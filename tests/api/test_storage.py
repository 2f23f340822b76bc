"""Query.storage: what the database holds by kind and day, and what the retention removes next."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text

from db.maintenance import partitions
from db.models import utc_now
from db.settings import DatabaseSettings
from jobs.settings import JobsSettings
from tests.support.engine import one_off, save
from tests.support.graphql import Api, serving
from tests.support.history import append_events, fill
from tests.support.statements import statements
from tests.support.waiting import wait_until

STORAGE = """{ storage {
    totalBytes
    kinds { kind rows bytes retentionDays }
    days { kind day rows bytes prunedAt }
    nextPruning { kind before at rows bytes }
} }"""
DAY = timedelta(days=1)


def midnight(day: date) -> str:
    """Return the beginning of a day in UTC as the API writes it."""
    return datetime.combine(day, time(tzinfo=UTC)).isoformat().replace("+00:00", "Z")


async def storage(api: Api) -> dict[str, Any]:
    """Return what the API says."""
    found: dict[str, Any] = (await api.data(STORAGE))["storage"]
    return found


def of_kind(found: dict[str, Any], member: str, kind: str) -> list[dict[str, Any]]:
    """Return the entries of a kind."""
    return [each for each in found[member] if each["kind"] == kind]


async def test_what_is_stored_and_what_goes_next(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """Runs and events have days; each kind that is removed by age says when, and nothing is read row by row."""
    settings = jobs_settings.model_copy(update={"retention_days": 30, "retention_failed_days": 90})
    async with serving(database, settings) as api:
        now = utc_now()
        today, first = now.date(), (now - 20 * DAY).date()
        task = one_off("http://a/", now)
        async with api.engine.begin() as connection:
            await partitions.make(connection, first)
        await save(api.engine, task)
        async with api.engine.begin() as connection:
            await fill(connection, 300, first=datetime.combine(first, time(12, tzinfo=UTC)))
        for days, number in ((3, 40), (1, 5), (0, 7)):
            await append_events(api.engine, number, task_id=task.id, run_id=task.id, at=now - days * DAY)
        async with api.engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO audit_log (key_name, action, at) VALUES ('ops', 'a', :at)"), {"at": now - 9 * DAY}
            )

        async def is_estimated_well() -> bool:
            async with api.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(text("ANALYZE"))
            kinds = {each["kind"]: each["rows"] for each in (await storage(api))["kinds"]}
            return [kinds[kind] for kind in ("runs", "events", "audit", "tasks")] == [300, 52, 1, 1]

        # A connection reports the rows that it has written a while later, and until the next ANALYZE they count twice.
        await wait_until(is_estimated_well, what="the estimates are those of the last ANALYZE")
        with statements(api) as executed:
            found = await storage(api)
        assert len(executed) <= 3
        kinds = {each["kind"]: each for each in found["kinds"]}
        assert [kinds[kind]["retentionDays"] for kind in ("runs", "events", "audit", "tasks", "notifications")] == [
            30,
            7,
            365,
            None,
            30,
        ]
        assert sum(each["bytes"] for each in kinds.values()) == found["totalBytes"] > 0
        [runs] = [each for each in of_kind(found, "days", "runs") if each["rows"]]
        assert (runs["day"], runs["rows"], runs["prunedAt"]) == (str(first), 300, midnight(first + 31 * DAY))
        events = {each["day"]: (each["rows"], each["prunedAt"]) for each in of_kind(found, "days", "events")}
        assert events == {
            str(today - days * DAY): (number, midnight(today - (days - 8) * DAY))
            for days, number in ((3, 40), (2, 0), (1, 5), (0, 7))
        }
        next_pruning = {each["kind"]: (each["before"], each["at"], each["rows"]) for each in found["nextPruning"]}
        assert next_pruning == {
            "runs": (midnight(first + DAY), midnight(first + 31 * DAY), 300),
            "events": (midnight(today - 2 * DAY), midnight(today + 5 * DAY), 40),
            "audit": (midnight(today - 8 * DAY), midnight(today - 8 * DAY + 365 * DAY), 1),
        }


async def test_nothing_is_stored_and_nothing_ends(database: DatabaseSettings, jobs_settings: JobsSettings) -> None:
    """An empty database has no days of events, and one that keeps everything has nothing to remove."""
    for_ever = {"retention_days": 0, "retention_failed_days": 0, "retention_events_days": 0, "retention_audit_days": 0}
    async with serving(database, jobs_settings.model_copy(update=for_ever)) as api:
        found = await storage(api)
        assert found["nextPruning"] == of_kind(found, "days", "events") == []
        assert all(each["retentionDays"] is None for each in found["kinds"] if each["kind"] != "notifications")
        task = one_off("http://a/", utc_now())
        await append_events(api.engine, 3, task_id=task.id, run_id=task.id)

        async def events() -> list[Any]:
            return [(each["rows"], each["prunedAt"]) for each in of_kind(await storage(api), "days", "events")]

        assert await events() == [(3, None)]
