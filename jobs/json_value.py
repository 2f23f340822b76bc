"""JSON that Duetime can store: Postgres's `jsonb`, read back by Python, digit for digit."""

import json
import math
from collections.abc import Iterator
from typing import Any

from db.postgres_text import is_postgres_text

MAX_DEPTH = 128
MAX_DIGITS = 4_300
"""Python's own limit: reading a longer integer takes quadratic time (CVE-2020-10735)."""

DIGITS_BOUND = 10**MAX_DIGITS
MISSING = object()


class NotJson(ValueError):
    """The text is not acceptable JSON; the message says where and why."""


def without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members. Duplicate names are refused, because RFC 8259 does not define their meaning."""
    found = dict(members)
    if len(found) < len(members):
        # A name that is new removes itself from `found`, so the first that is not there occurs for the second time.
        twice = next(name for name, _ in members if found.pop(name, MISSING) is MISSING)
        raise NotJson(f"the member {twice[:100]!r} occurs twice in one object")
    return found


def refuse_constant(name: str) -> Any:
    """Refuse NaN and infinities, which Python's parser accepts and RFC 8259, section 6, does not."""
    raise NotJson(f"{name} is not JSON")


def parse(text: bytes | str) -> Any:
    """Return the value of a JSON text, read strictly. Raises `NotJson`."""
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(decoded, object_pairs_hook=without_duplicates, parse_constant=refuse_constant)
    except NotJson:
        raise
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise NotJson(f"nested too deeply; at most {MAX_DEPTH} levels can be stored") from error
    except ValueError as error:
        raise NotJson(f"an integer has more than {MAX_DIGITS:,} digits") from error


def faults(value: Any) -> Iterator[str]:
    """Yield the reasons why a value cannot be stored."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield f"is nested too deeply; at most {MAX_DEPTH} levels can be stored"
            return
        match item:
            case None | bool():
                pass
            case str():
                yield from text_faults(item)
            case int():
                if abs(item) >= DIGITS_BOUND:
                    yield f"contains an integer of more than {MAX_DIGITS:,} digits"
            case float():
                if not math.isfinite(item):
                    yield "contains a number that JSON has no text for: NaN, infinite, or with too many digits"
            case list():
                waiting += [(member, depth + 1) for member in item]
            case dict():
                for name in item:
                    yield from text_faults(name)
                waiting += [(member, depth + 1) for member in item.values()]
            case _:
                # graphql-core puts its Undefined where a literal uses a variable that was not given.
                yield "contains a variable without a value"


def text_faults(text: str) -> Iterator[str]:
    """Yield the reasons why a string in the value cannot be stored."""
    if not is_postgres_text(text):
        yield "contains a NUL character (\\u0000) or half a surrogate pair, which Postgres cannot store"


def encode(value: Any) -> str:
    """Return the value as JSON text, spaced as Postgres writes it, without escaping."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
