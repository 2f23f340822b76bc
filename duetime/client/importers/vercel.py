"""Reads the cron jobs of vercel.json."""

from typing import Any
from urllib.parse import urlsplit

from duetime.client.apply import reading
from duetime.client.errors import UsageError
from duetime.client.importers.result import CannotTake, Imported, Note, slug
from duetime.client.importers.structured import documents, objects, text
from duetime.client.importers.triggers import cron_trigger


def read(source: str, *, base_url: str) -> Imported:
    """Return the tasks of a vercel.json, whose paths are at a base URL. Raises `UsageError` if it has no crons."""
    base = urlsplit(base_url)
    if base.scheme not in {"http", "https"} or not base.netloc:
        raise UsageError("--base-url must begin with http:// or https://")
    found = Imported()
    [document, *_] = documents(source, name="vercel.json") or [None]
    if not isinstance(document, dict) or "crons" not in document:
        raise UsageError("vercel.json has no crons")
    for number, cron in enumerate(objects(document["crons"], "crons"), 1):
        place = f"cron {number}"
        try:
            path = path_of(cron)
            task = {
                "externalId": slug(path),
                "name": path,
                "trigger": cron_trigger(text(cron, "schedule")),
                "action": {"url": base_url.rstrip("/") + reading.escaped(path)},
                "retry": {"maxAttempts": 1},
            }
            found.add(task, place=place)
        except CannotTake as error:
            found.untaken.append(Note(place, str(error)))
    if found.tasks:
        message = "Vercel sends Authorization: Bearer with CRON_SECRET if the project has it; add it as a secret header"
        found.notes.append(Note("all crons", message))
    return found


def path_of(cron: dict[str, Any]) -> str:
    """Return the path that a cron job calls. Raises `CannotTake`."""
    path = text(cron, "path")
    if not path.startswith("/"):
        raise CannotTake(f"its path, {path}, does not begin with /")
    return path
