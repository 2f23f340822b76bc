"""`duetime forecast`: the upcoming calls."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from duetime.client import calls, documents
from duetime.client.commands import options
from duetime.client.commands.options import AsJson, Profile
from duetime.client.commands.stats import Bucket, checked_bucket
from duetime.client.output import instant, print_json, print_table, say

WIDTH = 40
"""Columns of the longest bar."""

Next = Annotated[str, typer.Option("--next", metavar="DURATION", help="How far to look ahead, such as 6h.")]


def forecast(
    *, following: Next = "24h", bucket: Bucket = "hour", as_json: AsJson = False, profile: Profile = None
) -> None:
    """Show per minute, hour or day how many calls are due, and which hosts they go to."""
    now = datetime.now(UTC)
    end = now + timedelta(milliseconds=options.duration("--next", following))
    variables = {"from": now.isoformat(), "to": end.isoformat(), "bucket": checked_bucket(bucket)}
    with calls.connected(profile) as api:
        found = api.field(documents.FORECAST, **variables)
    if as_json:
        print_json(found)
        return
    are_due = "call is due" if found["calls"] == 1 else "calls are due"
    say(f"{found['calls']:,} {are_due}, as computed at {instant(found['computedAt'])}.")
    print_table(("FROM", "CALLS", ""), bars(found["buckets"]))
    if found["hosts"]:
        print_table(("HOST", "CALLS"), [(each["host"], each["calls"]) for each in found["hosts"]])


def bars(buckets: list[dict[str, Any]]) -> list[tuple[str | None, int, str]]:
    """Return a row for each bucket, with a bar."""
    most = max((each["calls"] for each in buckets), default=0) or 1
    return [(instant(each["from"]), each["calls"], "#" * -(-each["calls"] * WIDTH // most)) for each in buckets]
