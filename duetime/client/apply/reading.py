"""Reads YAML and JSON, keeps the lines of objects, and replaces environment variables in texts."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from duetime.client import digits
from duetime.client.errors import UsageError, one_line

STDIN = "-"
REFERENCE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
"""${NAME}, ${NAME:-default}, and $${NAME} for the text ${NAME} itself."""
CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""The words that are not strings in YAML 1.2. `yes`, `on` and `12:30` are texts, unlike in YAML 1.1."""
MOST_VALUES = 5_000_000
"""Values in one document. A few lines with aliases of aliases could stand for more than any memory holds."""
MERGE = "<<"
STANDARD_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "null", "bool", "int", "float", "timestamp", "value")}
# The C implementation is ten times as fast, but PyYAML may have been built without it.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Substitute = Callable[[str, int], str]


class Members(dict[str, Any]):
    """An object of a file, and the line on which it begins."""

    line: int | None = None


def variable(name: str) -> str:
    """Return the value of an environment variable. Raises `UsageError` if it is not set."""
    value = os.environ.get(name)
    if value is None:
        raise UsageError(f"the environment variable {name} is not set")
    return value


def file_text(path: Path, what: str) -> str:
    """Return the text of a file. Raises `UsageError` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{what}: {path} is not UTF-8") from None
    except OSError as error:
        raise UsageError(f"{what}: {path} cannot be read: {error.strerror or error}") from None


def source_text(source: str) -> str:
    """Return the text of a file, or of stdin for -. Raises `UsageError`."""
    if source != STDIN:
        return file_text(Path(source), "--file")
    try:
        # Like a file, stdin is UTF-8 whatever the locale.
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError("stdin is not UTF-8") from None


def documents(text: str, *, name: str, substitutes: bool = True) -> list[Any]:
    """Return the documents of a text, YAML or JSON. Raises `UsageError` with the name of the file and the line."""

    def substituted(value: str, line: int) -> str:
        if not substitutes:
            return value
        try:
            return REFERENCE.sub(value_of_reference, value)
        except UsageError as error:
            raise UsageError(f"{name}:{line}: {error}") from None

    if name.endswith(".json"):
        try:
            return [in_json(digits.read(text), substituted)]
        except ValueError as error:
            raise UsageError(f"{name} is not JSON: {one_line(str(error))}") from None
    try:
        nodes = list(yaml.compose_all(text, Loader=LOADER))
        if "*" in text and any(size_of(node, {}) > MOST_VALUES for node in nodes):
            raise UsageError(f"{name} has more than {MOST_VALUES:,} values, because its aliases repeat each other")
        return [value_of(node, name, substituted) for node in nodes]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{name}:{line}: is not YAML: {one_line(error.problem or str(error))}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{name} is not YAML: {one_line(str(error))}") from None
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply, or contains itself") from None


def size_of(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Return the number of values that a node stands for when each alias is replaced. `known` has the numbers of the
    nodes by their ids."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        is_list = isinstance(node, yaml.SequenceNode)
        inner = node.value if is_list else [value for _, value in node.value]
        known[id(node)] = 1 + sum(size_of(each, known) for each in inner)
    return known[id(node)]


def value_of_reference(found: re.Match[str]) -> str:
    """Return the value of a reference to a variable. Raises `UsageError` if the variable is not set."""
    escaped, name, default = found.groups()
    if escaped:
        return found.group()[1:]
    return variable(name) if default is None else os.environ.get(name, default)


def escaped(text: str) -> str:
    """Return a text with its `$` escaped, so that none of it is read as a reference."""
    return REFERENCE.sub(lambda found: f"${found.group()}", text)


def in_json(value: Any, substitute: Substitute) -> Any:
    """Return a JSON value with its variables replaced. The lines of its objects are not known."""
    match value:
        case dict():
            return Members({name: in_json(each, substitute) for name, each in value.items()})
        case list():
            return [in_json(each, substitute) for each in value]
        case str():
            return substitute(value, 1)
        case _:
            return value


def value_of(node: yaml.Node | None, name: str, substitute: Substitute) -> Any:
    """Return the value of a node. Raises `UsageError`."""
    match node:
        case None:
            return None
        case yaml.ScalarNode():
            return scalar(node, name, substitute)
        case yaml.SequenceNode():
            return [value_of(each, name, substitute) for each in node.value]
        case _:
            return members(node, name, substitute)


def scalar(node: yaml.ScalarNode, name: str, substitute: Substitute) -> Any:
    """Return a text, a number, true, false or null. Raises `UsageError`."""
    line = node.start_mark.line + 1
    if node.tag not in STANDARD_TAGS:
        raise UsageError(f"{name}:{line}: the tag {node.tag} is not known here")
    text = substitute(node.value, line) if "${" in node.value else node.value
    if node.style in {"'", '"', "|", ">"}:
        return text
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] not in "-0123456789" or not digits.NUMBER.fullmatch(text):
        return text
    try:
        return digits.number(text)
    except ValueError:
        # Python reads no whole number of more than 4,300 digits.
        raise UsageError(f"{name}:{line}: a number has too many digits") from None


def members(node: yaml.Node, name: str, substitute: Substitute) -> Members:
    """Return an object. Raises `UsageError` for a name that occurs twice."""
    found, merged = Members(), Members()
    found.line = node.start_mark.line + 1
    for key, value in node.value:
        member = key.value if isinstance(key, yaml.ScalarNode) else None
        if member is None:
            raise UsageError(f"{name}:{key.start_mark.line + 1}: the name of a member must be a text")
        if member == MERGE and not key.style:
            for base in bases(value, name, substitute):
                merged = Members({**base, **merged})
            continue
        if member in found:
            raise UsageError(f"{name}:{key.start_mark.line + 1}: {member} occurs twice")
        found[member] = value_of(value, name, substitute)
    for member in merged.keys() - found.keys():
        found[member] = merged[member]
    return found


def bases(node: yaml.Node, name: str, substitute: Substitute) -> Iterator[Members]:
    """Yield the objects that a merge key (<<) names. Raises `UsageError`."""
    for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if not isinstance(each, yaml.MappingNode):
            raise UsageError(f"{name}:{node.start_mark.line + 1}: << needs an object, or a list of objects")
        yield members(each, name, substitute)
