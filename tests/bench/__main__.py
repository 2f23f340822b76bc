"""`make bench`: measure the engine against its bare counterparts, in alternating rounds, and print a Markdown table.

Every figure compares two measurements from the same round, because machines differ and are noisy. The table shows
the median of the rounds. The servers are those of the local stack, with the settings that users get.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from duetime import loop
from tests.bench.bulk import bulk_lines
from tests.bench.creations import creations
from tests.bench.due import due_lines
from tests.bench.filters import filter_lines
from tests.bench.flow_limits import flow_limit_lines
from tests.bench.growth import growth_lines
from tests.bench.history import history_lines
from tests.bench.line import Line, median
from tests.bench.lists import lists
from tests.bench.long_history import LongHistory, long_history
from tests.bench.notifications import notification_lines
from tests.bench.pages import page_lines
from tests.bench.processes import idle_lines, process_lines, start_lines
from tests.bench.requests import Rates
from tests.bench.retention import retention_lines
from tests.bench.rounds import Bench, Dispatch, Herd, NewDay, Servers, Throughput, bench_servers
from tests.bench.statistics import statistics_lines
from tests.bench.subscribers import Deliveries, subscriptions

THROUGHPUT_TASKS = 4_000
RUNS_OF_NEW_DAY = 20_000
HERD_TASKS = 1_000
SPREAD_TASKS = 1_000
SPREAD_SECONDS = 20
SUBSCRIBERS = 1_000
EVENTS = 100
CREATED = 600
LISTED = 600
LISTS = "lists of 20 tasks and the count of 1,000"
ROWS: dict[str, Callable[[Servers], Awaitable[list[Line]]]] = {
    "bulk": bulk_lines,
    "notifications": notification_lines,
    "idle": idle_lines,
    "start": start_lines,
    "processes": process_lines,
    "filters": filter_lines,
    "history": history_lines,
    "due": due_lines,
    "growth": growth_lines,
    "flow-limits": flow_limit_lines,
    "statistics": statistics_lines,
    "pages": page_lines,
}
"""Groups of rows that measure both sides of their ratios themselves."""
SLOW = {"filters", "history", "due", "growth", "flow-limits", "statistics", "pages"}
"""The groups that take more than a minute."""
DAYS_KEPT = 90
RUNS_PER_DAY = 50_000
OLD_RUNS = 10_000_000


def throughput_lines(rounds: list[Throughput]) -> list[Line]:
    """Return the lines for the rate and the CPU time of tasks that are all due at once, against the bare loop."""
    return [
        Line(
            f"runs finished per second, {THROUGHPUT_TASKS:,} due at one instant",
            f"{median(r.rate for r in rounds):,.0f}/s",
            f"{median(r.bare_rate for r in rounds):,.0f}/s (bare httpx loop)",
            median(r.rate / r.bare_rate for r in rounds),
            "at least 1",
        ),
        Line(
            "CPU of the worker per run",
            f"{median(r.cpu_us for r in rounds):,.0f} µs",
            f"{median(r.bare_cpu_us for r in rounds):,.0f} µs (bare httpx loop)",
            median(r.cpu_us / r.bare_cpu_us for r in rounds),
            "at most 1",
        ),
    ]


def new_day_lines(rounds: list[NewDay]) -> list[Line]:
    """Return the line for the rate on a new day before autovacuum, against the rate once the tables are analysed."""
    return [
        Line(
            f"runs finished per second, {THROUGHPUT_TASKS:,} due on a new day with {RUNS_OF_NEW_DAY:,} runs",
            f"{median(r.rate for r in rounds):,.0f}/s (before autovacuum)",
            f"{median(r.analysed_rate for r in rounds):,.0f}/s (analysed)",
            median(r.rate / r.analysed_rate for r in rounds),
            "at least 0.9",
        )
    ]


def herd_lines(rounds: list[Herd]) -> list[Line]:
    """Return the lines for how late the last of many tasks is, against the time that a bare loop needs for as many
    calls.
    """
    return [
        Line(
            f"p99 lateness, {HERD_TASKS:,} due at one instant",
            f"{median(r.late.p99 for r in rounds):,.0f} ms",
            f"{median(r.bare_ms for r in rounds):,.0f} ms (the herd at the bare loop's rate)",
            median(r.late.p99 / r.bare_ms for r in rounds),
            "at most 1.3",
        )
    ]


def dispatch_lines(rounds: list[Dispatch]) -> list[Line]:
    """Return the lines for how late tasks are that are due one after another, against timers that make the calls."""
    return [
        Line(
            f"{name} lateness, {SPREAD_TASKS:,} spread over {SPREAD_SECONDS} s",
            f"{median(getattr(r.late, name) for r in rounds):,.1f} ms",
            f"{median(getattr(r.timers_late, name) for r in rounds):,.1f} ms (timers that make the calls)",
            median(getattr(r.late, name) - getattr(r.timers_late, name) for r in rounds),
            wanted,
            unit=" ms more",
        )
        for name, wanted in (("p50", "at most 2"), ("p99", "at most 5"))
    ]


def subscription_lines(rounds: list[Deliveries]) -> list[Line]:
    """Return the lines for the cost of sending an event to subscribers, against a broadcast of the same text by the
    same server.
    """
    return [
        Line(
            f"events delivered per second, {SUBSCRIBERS:,} subscribers with one document",
            f"{median(r.rate for r in rounds):,.0f}/s",
            f"{median(r.bare_rate for r in rounds):,.0f}/s (bare broadcast)",
            median(r.rate / r.bare_rate for r in rounds),
            "",
        ),
        Line(
            "CPU of the API per event delivered",
            f"{median(r.cpu_us for r in rounds):,.0f} µs",
            f"{median(r.bare_cpu_us for r in rounds):,.0f} µs (bare broadcast)",
            median(r.cpu_us / r.bare_cpu_us for r in rounds),
            "at most 1.5",
        ),
    ]


def request_lines(what: str, rounds: list[Rates], *, graphql: str, rest: str) -> list[Line]:
    """Return the lines for requests by both APIs, against a bare API that does the same statements."""
    lines = []
    for name, api, wanted in (("GraphQL", "graphql", graphql), ("REST", "rest", rest)):
        ours = [getattr(r, api) for r in rounds]
        bare = [getattr(r, f"{api}_bare") for r in rounds]
        lines += [
            Line(
                f"{what} per second by {name}",
                f"{median(each.rate for each in ours):,.0f}/s",
                f"{median(each.rate for each in bare):,.0f}/s (bare API)",
                median(a.rate / b.rate for a, b in zip(ours, bare, strict=True)),
                wanted,
            ),
            Line(
                f"CPU of the API for {what} by {name}, each",
                f"{median(each.cpu_us for each in ours):,.0f} µs",
                f"{median(each.cpu_us for each in bare):,.0f} µs (bare API)",
                median(a.cpu_us / b.cpu_us for a, b in zip(ours, bare, strict=True)),
                "",
            ),
        ]
    return lines


def long_history_lines(rounds: list[LongHistory]) -> list[Line]:
    """Return the lines for the engine over many days of history, against the same engine over two days."""
    few = "two days kept"
    lines = [
        Line(
            f"runs finished per second, {THROUGHPUT_TASKS:,} due at one instant, {DAYS_KEPT} days of "
            f"{RUNS_PER_DAY:,} runs kept",
            f"{median(r.many.rate for r in rounds):,.0f}/s",
            f"{median(r.few.rate for r in rounds):,.0f}/s ({few})",
            median(r.many.rate / r.few.rate for r in rounds),
            "at least 0.9",
        )
    ]
    for name in ("p50", "p99"):
        many = [getattr(r.many.late, name) for r in rounds]
        short = [getattr(r.few.late, name) for r in rounds]
        lines.append(
            Line(
                f"{name} lateness, {SPREAD_TASKS:,} spread over {SPREAD_SECONDS} s, {DAYS_KEPT} days kept",
                f"{median(many):,.1f} ms",
                f"{median(short):,.1f} ms ({few})",
                median(a / b for a, b in zip(many, short, strict=True)),
                "at most 1.1",
            )
        )
    for what, name in (("claim of one task", "claim_ms"), ("finish of one run", "finish_ms")):
        many = [getattr(r.many, name) for r in rounds]
        short = [getattr(r.few, name) for r in rounds]
        lines.append(
            Line(
                f"{what}, {DAYS_KEPT} days kept",
                f"{median(many):,.2f} ms",
                f"{median(short):,.2f} ms ({few})",
                median(a / b for a, b in zip(many, short, strict=True)),
                "at most 1.1",
            )
        )
    return lines


async def measure(rounds: int, only: str | None, *, everything: bool, old_runs: int) -> list[Line]:
    """Run the rounds, Duetime and its counterpart in turn. Long ones run with `everything`, or alone."""
    lines: list[Line] = []
    async with bench_servers() as servers:
        bench = Bench(servers)
        if only in (None, "throughput"):
            lines += throughput_lines([await bench.throughput(THROUGHPUT_TASKS) for _ in range(rounds)])
        if only in (None, "new-day"):
            lines += new_day_lines([await bench.new_day(THROUGHPUT_TASKS, runs=RUNS_OF_NEW_DAY) for _ in range(rounds)])
        if only in (None, "herd"):
            lines += herd_lines([await bench.herd(HERD_TASKS) for _ in range(rounds)])
        if only in (None, "spread"):
            lines += dispatch_lines([await bench.dispatch(SPREAD_TASKS, SPREAD_SECONDS) for _ in range(rounds)])
        if only in (None, "subscriptions"):
            lines += subscription_lines(
                [await subscriptions(servers, subscribers=SUBSCRIBERS, events=EVENTS) for _ in range(rounds)]
            )
        if only in (None, "creations"):
            made = [await creations(servers, CREATED) for _ in range(rounds)]
            lines += request_lines("tasks created", made, graphql="at least 0.4", rest="at least 0.6")
        if only in (None, "lists"):
            read = [await lists(servers, LISTED) for _ in range(rounds)]
            lines += request_lines(LISTS, read, graphql="at least 0.5", rest="at least 0.65")
        if only == "long-history" or (everything and only is None):
            lines += long_history_lines(
                await long_history(
                    servers,
                    days=DAYS_KEPT,
                    runs=RUNS_PER_DAY,
                    rounds=rounds,
                    herd=THROUGHPUT_TASKS,
                    spread=SPREAD_TASKS,
                    seconds=SPREAD_SECONDS,
                )
            )
        if only == "retention" or (everything and only is None):
            lines += await retention_lines(servers, runs=old_runs)
        for name, measured in ROWS.items():
            if only == name or (only is None and (everything or name not in SLOW)):
                lines += await measured(servers)
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    groups = ("throughput", "new-day", "herd", "spread", "subscriptions", "creations", "lists", "long-history")
    choices = (*groups, "retention", *ROWS)
    parser.add_argument("group", nargs="?", choices=choices, help="measure this group alone, as --only does")
    parser.add_argument("--only", choices=choices)
    parser.add_argument("--old-runs", type=int, default=OLD_RUNS, help="how many runs the group `retention` removes")
    parser.add_argument("--all", action="store_true", help="measure the slow groups, too, which takes an hour")
    arguments = parser.parse_args()
    only = arguments.group or arguments.only
    lines = asyncio.run(measure(arguments.rounds, only, everything=arguments.all, old_runs=arguments.old_runs))
    print(f"Both sides run on {loop.factory().__module__}.\n")  # noqa: T201
    print("| measured | Duetime | counterpart | ratio | target | verdict |\n| --- | --- | --- | --- | --- | --- |")  # noqa: T201
    print("\n".join(map(str, lines)))  # noqa: T201


if __name__ == "__main__":
    main()
