"""Waits until runs have ended."""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from duetime.client import calls, documents, events
from duetime.client.api import Api
from duetime.client.output import duration, print_table

FINAL = {"SUCCEEDED", "FAILED", "CANCELLED", "SKIPPED", "MISSED", "UNKNOWN"}


def finished(api: Api, results: Sequence[dict[str, Any]], *, after: str) -> list[dict[str, Any]]:
    """Return the results with the runs' final states. `after` is a cursor from before the runs began."""
    waiting = {result["id"] for result in results if result["__typename"] == "Run" and result["state"] not in FINAL}
    with closing(events.run_events(api, task_id=None, after=after)) as changes:
        while waiting:
            event = next(changes)
            if event["__typename"] == "RunEventsGap":
                waiting -= {identifier for identifier in waiting if run_of(api, identifier)["state"] in FINAL}
            elif event["state"] in FINAL:
                waiting.discard(event["runId"])
    return [
        {"__typename": "Run"} | run_of(api, result["id"]) if result["__typename"] == "Run" else result
        for result in results
    ]


def run_of(api: Api, identifier: str) -> dict[str, Any]:
    """Return a run. One that was deleted counts as cancelled."""
    found: dict[str, Any] | None = api.field(documents.RUN_BY_ID, id=identifier)
    return found or {"id": identifier, "state": "CANCELLED", "statusCode": None, "errorMessage": "deleted"}


def print_finished(references: Sequence[str], results: Sequence[dict[str, Any]]) -> None:
    """Print how runs ended."""
    rows = []
    for reference, result in zip(references, results, strict=True):
        if result["__typename"] == "Run":
            outcome = result["statusCode"] or result["errorMessage"]
            rows.append((reference, result["id"], result["state"], outcome, duration(result.get("durationMs"))))
        else:
            rows.append((reference, None, "REFUSED", calls.refusal(result), None))
    print_table(("TASK", "RUN", "STATE", "RESULT", "DURATION"), rows)
