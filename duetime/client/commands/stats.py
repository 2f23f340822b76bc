"""`duetime stats`: how runs ended."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from duetime.client import calls, documents, filters
from duetime.client.choices import BUCKETS
from duetime.client.commands import options
from duetime.client.commands.options import AsJson, Profile, Where, option
from duetime.client.errors import UsageError
from duetime.client.output import duration, instant, print_json, print_table

OfTask = Annotated[str | None, option("--task", metavar="TASK", text="Only runs of this task, by id or external id.")]
Last = Annotated[str, typer.Option("--last", metavar="DURATION", help="How far to look back, such as 90m or 7d.")]
Since = Annotated[
    str | None,
    option("--from", metavar="INSTANT", text="Where to begin, instead of --last, such as 2030-01-31T00:00:00Z."),
]
Until = Annotated[str | None, option("--to", metavar="INSTANT", text="Where to end; now by default.")]
Bucket = Annotated[
    str,
    typer.Option(
        "--bucket",
        metavar="BUCKET",
        help="Count per minute, hour or day.",
        autocompletion=lambda: ["minute", "hour", "day"],
    ),
]


def checked_bucket(given: str) -> str:
    """Return a bucket as the API names it. Raises `UsageError`."""
    if given.upper() not in BUCKETS:
        raise UsageError(f"--bucket {given!r} must be minute, hour or day")
    return given.upper()


def stats(
    *,
    task: OfTask = None,
    last: Last = "24h",
    since: Since = None,
    until: Until = None,
    bucket: Bucket = "hour",
    where: Where = None,
    as_json: AsJson = False,
    profile: Profile = None,
) -> None:
    """Show for each minute, hour or day how many runs ended with which outcome, how late they began, and how long they
    took."""
    length = checked_bucket(bucket)
    chosen = filters.filter_of(where or (), filters.STATISTICS)
    begin = since or (datetime.now(UTC) - timedelta(milliseconds=options.duration("--last", last))).isoformat()
    end = until or datetime.now(UTC).isoformat()
    with calls.connected(profile) as api:
        if task is not None:
            chosen["taskId"] = calls.task_id(api, task)
        variables = {"from": begin, "to": end, "bucket": length, "filter": chosen}
        found = api.field(documents.STATISTICS, **variables)
    if as_json:
        print_json(found)
        return
    print_table(
        ("FROM", "RUNS", "SUCCEEDED", "FAILED", "OTHER", "SUCCESS", "LATE P50", "P99", "TOOK P50", "P95"),
        [
            (
                instant(each["from"]),
                each["runs"],
                each["succeeded"],
                each["failed"],
                each["cancelled"] + each["skipped"] + each["missed"] + each["unknown"],
                None if each["successRatePercent"] is None else f"{each['successRatePercent']:.1f} %",
                *(
                    duration(each[name])
                    for name in ("latenessP50Ms", "latenessP99Ms", "durationP50Ms", "durationP95Ms")
                ),
            )
            for each in found
        ],
    )
