"""Writes tasks as files that `apply` reads. Members that have their defaults are left out."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from duetime.client import digits
from duetime.client.apply import reading
from duetime.client.apply.files import FROM_ENV

DEFAULTS: dict[str, Any] = {
    "description": "", "tags": [], "metadata": None, "overlap": "SKIP", "misfire": "LATEST", "onLost": "RETRY",
    "deleteAfterMs": None, "pauseAfterFailures": None, "retentionDays": None, "flowKey": None,
}  # fmt: skip
ACTION_DEFAULTS: dict[str, Any] = {
    "method": "GET", "successStatuses": ["2xx"], "timeoutMs": 30_000, "redirects": 0, "payload": None, "form": None,
}  # fmt: skip
RETRY_DEFAULTS: dict[str, Any] = {
    "maxAttempts": 3, "initialDelayMs": 5_000, "factor": 2, "maxDelayMs": 300_000, "retryStatuses": None,
    "maxElapsedMs": None,
}  # fmt: skip
TRIGGER_DEFAULTS: dict[str, Any] = {"timezone": "UTC", "startAt": None, "endAt": None, "jitterMs": 0}
KINDS = {"OneOffTrigger": "oneOff", "CronTrigger": "cron", "IntervalTrigger": "interval"}
NOT_IN_NAMES = re.compile(r"[^A-Z0-9]+")


def task_document(task: Mapping[str, Any], variables: dict[str, None]) -> dict[str, Any]:
    """Return a task of the API as the input that creates it. `variables` has the variables of the file so far, to which
    those of the task are added."""
    document = {
        "externalId": task["externalId"],
        "name": task["name"],
        **differing(task, DEFAULTS),
        "trigger": trigger_document(task["trigger"]),
        "action": action_document(task["action"], task["externalId"], variables),
    }
    retry = differing(task["retry"], RETRY_DEFAULTS)
    return document | ({"retry": retry} if retry else {})


def differing(members: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that do not have their defaults."""
    return {name: members[name] for name, default in defaults.items() if name in members and members[name] != default}


def trigger_document(trigger: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trigger as the input that creates it."""
    needed = {name: trigger[name] for name in ("at", "expression", "everyMs") if name in trigger}
    return {KINDS[trigger["__typename"]]: needed | differing(trigger, TRIGGER_DEFAULTS)}


def action_document(action: Mapping[str, Any], external_id: str, variables: dict[str, None]) -> dict[str, Any]:
    """Return an action as the input that creates it. The variables of its secrets are added to `variables`."""
    document = {"url": action["url"], **differing(action, ACTION_DEFAULTS)}
    if action["headers"]:
        document["headers"] = [
            {"name": header["name"], "value": {FROM_ENV: secret_variable(external_id, header["name"], variables)}}
            if header["secret"]
            else {"name": header["name"], "value": header["value"]}
            for header in action["headers"]
        ]
    if action["body"] is not None and action["payload"] is None and action["form"] is None:
        document["bodyBase64" if action["bodyEncoding"] == "BASE64" else "body"] = action["body"]
    if action["signed"]:
        document["signingSecrets"] = [{FROM_ENV: secret_variable(external_id, "signing", variables)}]
    return document


def secret_variable(external_id: str, name: str, variables: dict[str, None]) -> str:
    """Return a variable for a secret of a task, and add it to `variables`."""
    return new_variable("DUETIME_SECRET", external_id, name, variables=variables)


def new_variable(*parts: str, variables: dict[str, None]) -> str:
    """Return the name of a variable, and add it to `variables`.

    Different texts can have the same letters and digits, so the name gets a number if it is taken.
    """
    wanted = "_".join(filter(None, map(variable_name, parts)))
    number, variable = 1, wanted
    while variable in variables:
        number += 1
        variable = f"{wanted}_{number}"
    variables[variable] = None
    return variable


def variable_name(text: str) -> str:
    """Return a text as part of the name of an environment variable."""
    return NOT_IN_NAMES.sub("_", text.upper()).strip("_")


class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes YAML that has the same meaning in YAML 1.1, in YAML 1.2 and for `apply`."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write each value in full, even if it occurs twice."""
        return True


def represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    """Return the node of a text, which is quoted if it would be taken for anything else, or has several lines."""
    style = None
    if digits.NUMBER.fullmatch(text) or text in reading.CONSTANTS or reading.REFERENCE.search(text):
        style = "'"
    elif "\n" in text and all(line == line.rstrip() for line in text.split("\n")):
        style = "|"
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
    return node


def represent_number(dumper: Any, number: float) -> yaml.ScalarNode:
    """Return the node of a number, with every digit."""
    node: yaml.ScalarNode = dumper.represent_scalar("tag:yaml.org,2002:float", digits.written(number))
    return node


Dumper.add_representer(reading.Members, yaml.SafeDumper.represent_dict)
Dumper.add_representer(str, represent_text)
Dumper.add_representer(float, represent_number)
Dumper.add_representer(digits.Number, represent_number)


def yaml_text(tasks: Sequence[Mapping[str, Any]], *, owner: str | None = None) -> str:
    """Return a file that `apply` reads. ${NAME} in a text is a reference; see `escaped`."""
    document: dict[str, Any] = {"owner": owner} if owner else {}
    document["tasks"] = list(tasks)
    text: str = yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def escaped(value: Any) -> Any:
    """Return a value whose texts contain no references."""
    match value:
        case str():
            return reading.escaped(value)
        case dict():
            return {name: escaped(each) for name, each in value.items()}
        case list():
            return [escaped(each) for each in value]
        case _:
            return value
