"""What `duetime up` says when it is ready: where to look, and a first task to try."""

import json
import shlex

from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.stack import LocalStack
from graphql_api.settings import ApiSettings

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (as told, not as listened to)


def reached_at(host: str) -> str:
    """The host under which this machine itself reaches what listens on `host`."""
    return EVERY_ADDRESS.get(host, host)


def base_url(api: ApiSettings) -> str:
    """The URL under which everything lies."""
    host = reached_at(api.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{api.port}"


def first_task(api: ApiSettings) -> str:
    """A command for any shell that makes a task which calls the service's own health page every 5 s."""
    mutation = (
        'mutation { createTask(input: {name: "First task", trigger: {interval: {everyMs: 5000}}, '
        f'action: {{url: "{base_url(api)}/health"}}}}) '
        "{ __typename ... on Task { id nextRunAt } ... on InvalidInput { message problems { path message } } } }"
    )
    body = shlex.quote(json.dumps({"query": mutation}))
    return f"curl -s {base_url(api)}/graphql{key(api)} -H 'Content-Type: application/json' -d {body}"


def key(api: ApiSettings) -> str:
    """What curl needs besides where keys are wanted."""
    return " -H 'Authorization: Bearer <key>'" if api.keys_wanted else ""


def text(api: ApiSettings, servers: LocalStack, folder: DataFolder | None, *, took: float) -> str:
    """The whole message. `took` is in seconds."""
    url = base_url(api)
    lines = [
        f"Duetime is ready in {took:.1f} s.",
        f"  GraphQL  {url}/graphql",
        f"  REST     {url}/api/v1",
        f"  Health   {url}/health",
    ]
    if api.keys_wanted:
        lines.append("  Keys     nobody gets in without one: duetime keys create --name NAME --scope read|write|admin")
    if api.on_loopback:
        lines.append("  Targets  may be on loopback addresses too, as this machine alone reaches the API")
    if folder is not None:
        lines += [f"  Data     {folder.path}", f"  Logs     here; the servers' own in {folder.logs}"]
    if servers.remark:
        lines.append(f"  Note     {servers.remark}")
    lines += [
        "",
        "A first task, and what came of it:",
        f"  {first_task(api)}",
        f"  curl -s {url}/api/v1/tasks{key(api)}",
        "",
    ]
    return "\n".join(lines)
