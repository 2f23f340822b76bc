"""Live events over connections that may break."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any

from duetime.client import documents
from duetime.client.api import Api, GraphQLErrors
from duetime.client.errors import Unreachable
from duetime.client.output import tell

FIRST_DELAY, LONGEST_DELAY = 0.5, 10.0

Stream = Generator[dict[str, Any], None, None]


def run_events(api: Api, *, task_id: str | None, after: str | None) -> Stream:
    """Yield the changes of runs after a cursor, or from now on, and the gaps between them, indefinitely. After a lost
    connection it resumes where it stopped. Raises `ClientError` if the API cannot be reached at first, or
    refuses.
    """
    newest = api.field(documents.NEWEST_EVENT)
    cursor = after or newest
    with closing(lasting(lambda: api.subscribe(documents.RUN_EVENTS, taskId=task_id, after=cursor))) as changes:
        for event in changes:
            cursor = event["cursor"]
            yield event


def lasting(subscribe: Callable[[], Stream]) -> Stream:
    """Yield the results of a subscription indefinitely: after a lost connection it subscribes again."""
    delay = FIRST_DELAY
    while True:
        try:
            with closing(subscribe()) as results:
                for result in results:
                    delay = FIRST_DELAY
                    yield result
        except (Unreachable, GraphQLErrors) as error:
            if isinstance(error, GraphQLErrors) and not is_outage(error):
                raise
            tell(f"duetime: {error}; trying again in {delay:g} s")
        time.sleep(delay)
        delay = min(delay * 2, LONGEST_DELAY)


def is_outage(error: GraphQLErrors) -> bool:
    """Return whether the API failed, rather than the operation."""
    return all((each.get("extensions") or {}).get("code") == "INTERNAL" for each in error.errors)
