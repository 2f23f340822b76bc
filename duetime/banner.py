"""Builds the text that `duetime up` prints when it is ready: the addresses, and a first task to try."""

import json
import shlex

from duetime.command_name import command_name
from duetime.local_stack.data_folder import DataFolder
from duetime.local_stack.stack import LocalStack
from graphql_api.settings import ApiSettings
from jobs.settings import LOOPBACK, JobsSettings

WILDCARD_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (shown, not listened on)


def local_host(host: str) -> str:
    """Return the host that this machine can use to connect to a server that listens on `host`."""
    return WILDCARD_HOSTS.get(host, host)


def base_url(api: ApiSettings) -> str:
    """Return the URL of the API, without a path."""
    host = local_host(api.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{api.port}"


def first_task(api: ApiSettings, jobs: JobsSettings) -> str:
    """Return a shell command that creates a task: it calls the API's own health check every 5 s, if it may."""
    target = f"{base_url(api)}/health" if may_call_loopback(api, jobs) else "https://example.com/"
    mutation = (
        'mutation { createTask(input: {name: "First task", trigger: {interval: {everyMs: 5000}}, '
        f'action: {{url: "{target}"}}}}) '
        "{ __typename ... on Task { id nextRunAt } ... on InvalidInput { message problems { path message } } } }"
    )
    body = shlex.quote(json.dumps({"query": mutation}))
    return f"curl -s {base_url(api)}/graphql{key_header(api)} -H 'Content-Type: application/json' -d {body}"


def may_call_loopback(api: ApiSettings, jobs: JobsSettings) -> bool:
    """Return whether tasks may call the API on the loopback address."""
    return jobs.egress_policy.permits("127.0.0.1", host="127.0.0.1", port=api.port)


def key_header(api: ApiSettings) -> str:
    """Return the curl option that sends an API key, or nothing if none is required."""
    return " -H 'Authorization: Bearer <key>'" if api.keys_wanted else ""


def text(api: ApiSettings, jobs: JobsSettings, servers: LocalStack, folder: DataFolder | None, *, took: float) -> str:
    """Return the whole banner. `took` is in seconds."""
    url = base_url(api)
    lines = [
        f"Duetime is ready in {took:.1f} s.",
        f"  Dashboard  {url}",
        f"  GraphQL    {url}/graphql",
        f"  REST       {url}/api/v1",
        f"  Health     {url}/health",
    ]
    if api.keys_wanted:
        lines.append(
            f"  Keys       required; create one: {command_name()} keys create --name NAME --scope read|write|admin"
        )
    if api.only_for_this_machine:
        lines.append("  Targets    loopback addresses are allowed, because only this machine can reach the API")
    elif not may_call_loopback(api, jobs):
        lines.append(
            f"  Targets    public addresses only; DUETIME_TARGETS_ALLOWED={LOOPBACK} allows this machine's own"
        )
    if folder is not None:
        lines += [
            f"  Data       {folder.path}",
            f"  Logs       in this terminal; those of Postgres and Valkey in {folder.logs}",
        ]
    if servers.remark:
        lines.append(f"  Note       {servers.remark}")
    lines += [
        "",
        "Create a first task, then list the tasks:",
        f"  {first_task(api, jobs)}",
        f"  curl -s {url}/api/v1/tasks{key_header(api)}",
        "",
    ]
    return "\n".join(lines)
