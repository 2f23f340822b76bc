# ruff: noqa: T201 (a command-line program prints)
"""Writes the tables of docs/settings.md from the descriptions of the settings.

The page says which variables a table has, in a comment before it; everything in the table comes from the code.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo

from duetime.doctor import SETTINGS, variable

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
TABLE = re.compile(r"(<!-- settings: ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def fields() -> Mapping[str, FieldInfo]:
    """Return every setting by its environment variable."""
    return {variable(kind, name): field for kind in SETTINGS for name, field in kind.model_fields.items()}


def row(name: str, field: FieldInfo) -> str:
    """Return the row of a setting."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return f"| `{name}` | {extra.get('without') or default_of(field)} | {field.description} |"


def default_of(field: FieldInfo) -> str:
    """Return the default as it is written in the environment."""
    match field.default:
        case None | "":
            return "none"
        case bool():
            return f"`{str(field.default).lower()}`"
        case _:
            return f"`{field.default}`"


def table(names: Iterator[str]) -> str:
    """Return the table of some settings."""
    known = fields()
    return "\n".join(
        [
            "",
            "| variable | default | value |",
            "| --- | --- | --- |",
            *(row(name, known[name]) for name in names),
            "",
            "",
        ]
    )


def written(page: str) -> str:
    """Return the page with fresh tables."""
    return TABLE.sub(lambda match: match[1] + table(iter(match[2].split())) + match[3], page)


def named(page: str) -> list[str]:
    """Return the variables that the tables have."""
    return [name for _, names, _ in TABLE.findall(page) for name in names.split()]


def main() -> int:
    """Write the page. Return 1 if it has not all settings."""
    page = PAGE.read_text("utf-8")
    PAGE.write_text(written(page), "utf-8")
    if missing := sorted(fields().keys() - set(named(page))):
        print(f"docs/settings.md has no table with {', '.join(missing)}", file=sys.stderr)
        return 1
    print("Wrote docs/settings.md.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
