"""The body and headers that a requested run sends instead of its task's own. It is stored with the run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from db.models import Task
from jobs import json_value
from jobs.errors import InvalidInput
from jobs.http.body import NO_BODY, BodyDraft, stored_for_run
from jobs.http.body import problems_of as body_problems
from jobs.http.request import HeaderDraft, header_problems
from jobs.problems import Problem
from jobs.security import signatures
from jobs.security.encryption import SecretKeys
from jobs.security.secret_headers import sealed_values
from jobs.tasks.draft import action_draft
from jobs.tasks.idempotency import Key, digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInput:
    """The input of a run as requested, not validated yet."""

    body: BodyDraft = NO_BODY
    headers: Sequence[HeaderDraft] = ()


NO_INPUT = RunInput()


def key_of(key: str | None, *, scope: str, given: RunInput) -> Key | None:
    """Return the key of a request, or None without one, and for an input with which no run can have been created."""
    if key is None or next(json_value.faults(given.body.payload), None):
        return None
    return Key.of(key, scope=scope, input_digest="" if given == NO_INPUT else digest_of(given))


def columns_of(given: RunInput, *, task: Task, secrets: SecretKeys) -> dict[str, Any]:
    """Return a run's columns for its input. Raises `InvalidInput` with all that is wrong."""
    problems = [*body_problems(given.body), *problems_of_headers(given.headers, task=task, secrets=secrets)]
    if problems:
        raise InvalidInput(problems)
    headers = [[header.name, (header.value or "").strip(" \t")] for header in given.headers]
    return {"input_body": stored_for_run(given.body), "input_headers": headers or None}


def problems_of_headers(headers: Sequence[HeaderDraft], *, task: Task, secrets: SecretKeys) -> Iterator[Problem]:
    """Yield what is wrong with the headers of a run of this task."""
    given = {header.name.lower() for header in headers}
    together = [header for header in action_draft(task).headers if header.name.lower() not in given] + list(headers)
    limits = [problem for problem in header_problems(together, secrets=secrets) if problem.path == ("headers",)]
    yield from limits
    if limits:
        return
    refused: set[str] = set()
    kept = sealed_values(task.headers)
    for place, header in enumerate(headers):
        if header.is_secret:
            reason = "is secret, but the headers of one run are stored and shown; set it on the task"
        elif header.name.lower() in kept:
            reason = "is a secret of the task, which a run cannot replace; change the task"
        elif task.signing_secrets and header.name.lower() in signatures.HEADERS:
            reason = "cannot be set: it is made from signingSecrets"
        else:
            continue
        refused.add(str(place))
        yield Problem(("headers", str(place), "name"), f"{header.name[:100]} {reason}")
    for problem in header_problems(headers, secrets=secrets):
        if problem.path[1] not in refused:
            yield problem
