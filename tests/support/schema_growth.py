# ruff: noqa: T201 (a program, which prints)
"""A program that checks that schema.graphql has kept everything on which clients rely since it was last published.

It compares the schema with origin/main; if that does not exist or does not differ, with the latest commit that does. It
accepts a change that breaks clients, or may surprise them, only if docs/graphql.md lists the change in the words that
this program prints.
"""

import subprocess
import sys
from pathlib import Path

from graphql import (
    BreakingChange,
    DangerousChange,
    DangerousChangeType,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
)

SCHEMA = "schema.graphql"
DOCUMENTATION = Path("docs/graphql.md")
SURPRISES = {
    DangerousChangeType.VALUE_ADDED_TO_ENUM,
    DangerousChangeType.TYPE_ADDED_TO_UNION,
    DangerousChangeType.ARG_DEFAULT_VALUE_CHANGE,
    DangerousChangeType.INPUT_FIELD_DEFAULT_VALUE_CHANGE,
}
"""What a client may not have reckoned with, although it asks as before."""


def git(*arguments: str) -> str | None:
    """Return the output of git, or nothing if it fails."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def published(now: str) -> tuple[str, str] | None:
    """Return the last schema that differs from this one, and where it was found."""
    changed = git("log", "--max-count=5", "--format=%h", "--", SCHEMA) or ""
    for revision in ("origin/main", "HEAD", *changed.split()):
        before = git("show", f"{revision}:{SCHEMA}")
        if before is not None and before != now:
            return before, revision
    return None


def unannounced(before: str, now: str, documentation: str) -> list[BreakingChange | DangerousChange]:
    """Return the changes that break or may surprise clients and that the documentation does not list."""
    old, new = build_schema(before), build_schema(now)
    changes: list[BreakingChange | DangerousChange] = [
        *find_breaking_changes(old, new),
        *(change for change in find_dangerous_changes(old, new) if change.type in SURPRISES),
    ]
    listed = {line.removeprefix("- ").strip() for line in documentation.splitlines() if line.startswith("- ")}
    return [change for change in changes if change.description not in listed]


def main() -> int:
    """Return 0 if the documentation lists every change; otherwise print the others on stderr and return 1."""
    now = Path(SCHEMA).read_text("utf-8")
    found = published(now)
    if found is None:
        print("There is no other schema.graphql to compare with: this is no clone, or one without history.")
        return 0
    before, revision = found
    changes = unannounced(before, now, DOCUMENTATION.read_text("utf-8"))
    for change in changes:
        print(f"Clients of {revision} would break or be surprised: {change.description}", file=sys.stderr)
    if changes:
        print(
            f"Deprecate first what is to go; list the rest in {DOCUMENTATION}: `- {changes[0].description}`",
            file=sys.stderr,
        )
        return 1
    print(f"schema.graphql has everything that it had in {revision}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
