"""Collects the tasks of files, with the secrets that they refer to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duetime.client.apply import reading
from duetime.client.apply.reading import STDIN, Members
from duetime.client.errors import UsageError

SUFFIXES = {".yaml", ".yml", ".json"}
OWNER_TAG = "owner:"
"""A tag with this prefix names the owner of a task. `apply` deletes only tasks of the owners that it applies."""
FROM_ENV, FROM_FILE = "fromEnv", "fromFile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A task from a file: the input for the API, and its position in the file."""

    input: dict[str, Any]
    place: str
    owner: str | None

    @property
    def external_id(self) -> str:
        """The name by which `apply` finds the task."""
        found: str = self.input["externalId"]
        return found


def wanted_tasks(sources: Sequence[str], *, owner: str | None) -> tuple[list[Wanted], set[str]]:
    """Return the tasks of files, folders or stdin, and the owners that the files name. Raises `UsageError`."""
    found: list[Wanted] = []
    owners: set[str] = set()
    for name, text in texts(sources):
        folder = Path() if name == STDIN else Path(name).parent
        for document in reading.documents(text, name=name):
            if document is None:
                continue
            owner_here, tasks = parts(document, name=name, owner=owner)
            owners |= {owner_here} if owner_here else set()
            found += [wanted(task, name=name, folder=folder, owner=owner_here) for task in tasks]
    check_unique(found)
    return found, owners


def single_task(source: str) -> dict[str, Any]:
    """Return the one task of a file or stdin. Raises `UsageError`."""
    name = source
    documents = [each for each in reading.documents(reading.source_text(source), name=name) if each is not None]
    if len(documents) != 1:
        raise UsageError(f"{name} must contain one task, not {len(documents)}")
    _, tasks = parts(documents[0], name=name, owner=None)
    if len(tasks) != 1 or not isinstance(tasks[0], dict):
        raise UsageError(f"{name} must contain one task; `duetime apply` takes several")
    return with_secrets(tasks[0], folder=Path() if source == STDIN else Path(source).parent, place=name)


def texts(sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file, in the order of names within a folder. Raises `UsageError`."""
    for source in sources:
        if source != STDIN and Path(source).is_dir():
            files = sorted(
                file for file in Path(source).rglob("*") if file.suffix in SUFFIXES and is_visible(file, source)
            )
            if not files:
                raise UsageError(f"{source} contains no file that ends in {', '.join(sorted(SUFFIXES))}")
            yield from ((str(file), reading.source_text(str(file))) for file in files)
        else:
            yield source, reading.source_text(source)


def is_visible(file: Path, folder: str) -> bool:
    """Return whether neither the file nor a folder above it is hidden, such as .git or .github."""
    return not any(part.startswith(".") for part in file.relative_to(folder).parts)


def parts(document: Any, *, name: str, owner: str | None) -> tuple[str | None, list[Any]]:
    """Return the owner and the tasks of a document: one task, a list of tasks, or an object with both."""
    if isinstance(document, list):
        return owner, document
    if not isinstance(document, dict):
        raise UsageError(f"{name} must contain a task, a list of tasks, or an object with tasks")
    if "tasks" not in document:
        return owner, [document]
    unknown = document.keys() - {"owner", "tasks", "$schema"}
    if unknown:
        members = ", ".join(sorted(unknown))
        raise UsageError(f"{place(name, document)}: {members} is not a known member; known are owner and tasks")
    mine, tasks = document.get("owner"), document["tasks"]
    if not isinstance(tasks, list):
        raise UsageError(f"{place(name, document)}: tasks must be a list")
    if mine is not None and (not isinstance(mine, str) or not mine):
        raise UsageError(f"{place(name, document)}: owner must be a text")
    if mine is not None and owner is not None and mine != owner:
        raise UsageError(f"{place(name, document)}: the owner is {mine}, and --owner says {owner}")
    return mine or owner, tasks


def place(name: str, document: Mapping[str, Any]) -> str:
    """Return the position of an object, with its line if it is known."""
    line = document.line if isinstance(document, Members) else None
    return name if line is None else f"{name}:{line}"


def wanted(task: Any, *, name: str, folder: Path, owner: str | None) -> Wanted:
    """Return a task of a file. Raises `UsageError`."""
    if not isinstance(task, dict):
        raise UsageError(f"{name}: each task must be an object, not {type(task).__name__}")
    here = place(name, task)
    external_id = task.get("externalId")
    if not isinstance(external_id, str) or not external_id:
        raise UsageError(f"{here}: externalId is missing; apply needs it to find the task again")
    members = with_secrets(task, folder=folder, place=f"{here}: {external_id}")
    tags = members.get("tags") or []
    if owner is not None and isinstance(tags, list):
        owned = [tag for tag in tags if isinstance(tag, str) and tag.startswith(OWNER_TAG)]
        if any(tag != OWNER_TAG + owner for tag in owned):
            raise UsageError(f"{here}: {external_id}: the tag {owned[0]} is not that of the owner {owner}")
        members["tags"] = tags if owned else [*tags, OWNER_TAG + owner]
    return Wanted(input=members, place=here, owner=owner)


def with_secrets(task: Mapping[str, Any], *, folder: Path, place: str) -> dict[str, Any]:
    """Return a task with the values of the variables and files to which its secrets and its body refer."""
    found = dict(task)
    action = found.get("action")
    if not isinstance(action, dict):
        return found
    found["action"] = action = dict(action)
    if isinstance(action.get("headers"), list):
        action["headers"] = [
            {**header, "value": value_of(header["value"], folder, place), "secret": True}
            if isinstance(header, dict) and isinstance(header.get("value"), dict)
            else header
            for header in action["headers"]
        ]
    if isinstance(action.get("signingSecrets"), list):
        action["signingSecrets"] = [value_of(secret, folder, place) for secret in action["signingSecrets"]]
    if isinstance(action.get("body"), dict):
        action["body"] = value_of(action["body"], folder, place, strip=False)
    return found


def value_of(given: Any, folder: Path, place: str, *, strip: bool = True) -> Any:
    """Return the value of a reference, {fromEnv: NAME} or {fromFile: PATH}; any other value is returned as it is.

    The path is relative to the folder of the file. A line break at the end of a secret's file is not part of it.
    """
    if not isinstance(given, dict):
        return given
    [kind, name] = next(iter(given.items())) if len(given) == 1 else (None, None)
    if kind not in {FROM_ENV, FROM_FILE} or not isinstance(name, str):
        raise UsageError(f"{place}: a value must be a text, {{{FROM_ENV}: NAME}} or {{{FROM_FILE}: PATH}}")
    try:
        if kind == FROM_ENV:
            return reading.variable(name)
        text = reading.file_text(folder / name, FROM_FILE)
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
    return text.removesuffix("\n").removesuffix("\r") if strip else text


def check_unique(tasks: Sequence[Wanted]) -> None:
    """Raise `UsageError` for an external id that occurs twice."""
    seen: dict[str, str] = {}
    for task in tasks:
        if task.external_id in seen:
            raise UsageError(
                f"{task.place}: the externalId {task.external_id} is also that of {seen[task.external_id]}"
            )
        seen[task.external_id] = task.place
