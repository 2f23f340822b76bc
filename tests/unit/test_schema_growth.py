"""What the check of schema.graphql against its last version finds."""

import pytest

from tests.support.schema_growth import unannounced

BEFORE = "type Query { task(id: ID!): String, tasks: Int @deprecated, runs: Int } enum State { DONE FAILED }"


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (f"{BEFORE} type Task {{ id: ID! }}", []),
        (BEFORE.replace("task(id: ID!)", "task(id: ID!, at: Int)"), []),
        (BEFORE.replace("DONE", "DONE LOST"), ["Enum value State.LOST was added."]),
        (BEFORE.replace("String", "Int"), ["Field Query.task changed type from String to Int."]),
        (
            BEFORE.replace("task(id: ID!)", "task(id: ID!, at: Int!)"),
            ["A required argument Query.task(at:) was added."],
        ),
        (BEFORE.replace("FAILED", ""), ["Enum value State.FAILED was removed."]),
        (BEFORE.replace(", tasks: Int @deprecated", ""), ["Field Query.tasks was removed."]),
    ],
    ids=[
        "type added",
        "argument added",
        "value added",
        "type changed",
        "argument required",
        "value removed",
        "field removed",
    ],
)
def test_growing_is_fine_and_breaking_is_not(now: str, found: list[str]) -> None:
    """What clients may have asked for has to go on meaning the same."""
    assert [change.description for change in unannounced(BEFORE, now, "")] == found


def test_what_the_documentation_lists_may_break() -> None:
    """A line of the documentation lets one change through, and no other."""
    now = "type Query { task(id: ID!): String, runs: Int } enum State { DONE }"
    [left] = unannounced(BEFORE, now, "## Changes that break\n\n- Field Query.tasks was removed.\n")
    assert left.description == "Enum value State.FAILED was removed."
