"""`duetime tasks` and `duetime runs` against a running Duetime."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from graphql_api import cursors
from tests.commands.conftest import Service
from tests.support.command import clean_environment
from tests.support.ports import free_port


def items(output: str) -> Any:
    """Return what a command printed as JSON."""
    return json.loads(output)


def test_a_task_from_its_creation_to_its_deletion(service: Service) -> None:
    """Each command of `tasks` does what it says, and prints what became of the task."""
    options = ("--url", service.target, "--every", "1h30m", "--tag", "life", "--timeout", "5s", "--max-attempts", "1")
    created = items(service.output("tasks", "create", "--name", "Life", "--external-id", "life", *options, "--json"))
    assert created["trigger"]["everyMs"] == 5_400_000
    assert (created["action"]["timeoutMs"], created["retry"]["maxAttempts"]) == (5_000, 1)

    [heading, row] = service.output("tasks", "list", "--where", "tags=life").splitlines()
    assert heading.split() == ["ID", "NAME", "STATUS", "TRIGGER", "NEXT", "RUN", "LAST", "RUN"]
    assert row.split()[:5] == ["life", "Life", "SCHEDULED", "every", "1h30m"]

    changed = items(service.output("tasks", "update", "life", "--payload", '{"price": 1.10}', "-X", "post", "--json"))
    assert (changed["version"], changed["action"]["method"]) == (2, "POST")
    assert '"price": 1.10' in service.output("tasks", "show", "life", "--json")

    assert service.output("tasks", "pause", "life", "--reason", "rest") == "life is paused.\n"
    shown = " ".join(service.output("tasks", "show", created["id"]).split())
    assert "status PAUSED paused" in shown
    assert "by admin (rest)" in shown
    assert service.output("tasks", "resume", "--where", '{"tags": ["life"]}', "--yes") == "1 of 1 resumed.\n"

    service.output("tasks", "update", "life", "-X", "GET")
    assert "SUCCEEDED" in service.output("tasks", "run", "life", "--wait")
    [run] = items(service.output("runs", "list", "--task", "life", "--where", "states=succeeded", "--json"))
    assert (run["cause"], run["statusCode"], run["task"]["externalId"]) == ("MANUAL", 200, "life")
    assert "attempt 1 200 in" in " ".join(service.output("runs", "show", run["id"]).split())
    for command, reference, beginning in (
        ("runs retry", run["id"], f"{run['id']} is retried: run "),
        ("tasks run", "life", "life is started: run "),
    ):
        said = service.output(*command.split(), reference)
        assert said.startswith(beginning)
        new = items(service.output("runs", "show", said.removeprefix(beginning).removesuffix(".\n"), "--json"))
        assert new["id"] != run["id"]
        assert new["task"]["externalId"] == "life"
    refused = service.run("runs", "cancel", run["id"])
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "is succeeded" in refused.stderr

    assert len(service.output("tasks", "preview", "life", "--count", "3").splitlines()) == 4
    assert service.output("tasks", "cancel", "life") == "life is cancelled.\n"
    assert service.output("tasks", "delete", "life") == "life is deleted.\n"
    assert service.run("tasks", "show", "life").stderr == "duetime: there is no task with the externalId 'life'\n"


def test_a_trigger_is_shown_before_there_is_a_task(service: Service) -> None:
    """`preview` changes nothing, so a key that may only read is enough."""
    options = ("--cron", "0 9 * * 1-5", "--timezone", "Europe/Berlin", "--count", "2")
    result = service.run("tasks", "preview", *options, environment={"DUETIME_KEY": service.read_key})
    [words, *instants] = result.stdout.splitlines()
    assert words == "At 09:00, Monday through Friday (Europe/Berlin)"
    assert len(instants) == 2


def test_a_task_comes_from_a_file_and_options_replace_its_members(service: Service) -> None:
    """Secrets come from variables, and are never shown."""
    (service.folder / "one.yaml").write_text(
        f"""
        name: From a file
        trigger: {{interval: {{everyMs: 60000}}}}
        action:
          url: {service.target}?at=${{PLACE}}
          headers:
            - {{name: Authorization, value: {{fromEnv: TOKEN}}}}
        """
    )
    secrets = {"PLACE": "desk", "TOKEN": "swordfish-123456"}
    result = service.run("tasks", "create", "-f", "one.yaml", "--name", "Mine", "--json", environment=secrets)
    assert result.returncode == 0, result
    assert "swordfish" not in result.stdout + result.stderr
    created = items(result.stdout)
    assert (created["name"], created["action"]["url"]) == ("Mine", f"{service.target}?at=desk")
    assert created["action"]["headers"] == [{"name": "Authorization", "value": None, "secret": True}]
    assert service.run("tasks", "create", "-f", "one.yaml").stderr == (
        "duetime: one.yaml:5: the environment variable PLACE is not set\n"
    )


def test_errors_are_one_line_and_their_kind_is_the_exit_status(service: Service) -> None:
    """Scripts decide by the status: 1 refused, 2 usage, 3 unreachable, 4 not authorised."""
    closed = f"http://127.0.0.1:{free_port()}"
    create = ("tasks", "create", "--name", "x", "--url", service.target)
    for status, words, arguments, environment in (
        (1, "trigger.cron.expression: has 1 field", (*create, "--cron", "x"), {}),
        (1, "there is no task with the externalId 'nobody'", ("tasks", "pause", "nobody"), {}),
        (2, "a task needs --cron, --every, --at or --in", create, {}),
        (2, "--every: 'soon' is not a duration", (*create, "--every", "soon"), {}),
        (2, "--where 'color=red' must be NAME=VALUE", ("tasks", "list", "--where", "color=red"), {}),
        (2, "Add --yes to agree", ("tasks", "delete", "--where", "tags=none"), {}),
        (2, "DUETIME_URL is not the address of a Duetime", ("tasks", "list"), {"DUETIME_URL": "localhost:8080"}),
        (3, f"{closed} cannot be reached", ("tasks", "list"), {"DUETIME_URL": closed}),
        (3, f"{closed} cannot be reached", ("runs", "watch", "--after", "x"), {"DUETIME_URL": closed}),
        (3, "does not answer as a Duetime does", ("tasks", "list"), {"DUETIME_URL": f"{service.url}/nowhere"}),
        (4, "a key is needed: set DUETIME_KEY", ("tasks", "list"), {"DUETIME_KEY": ""}),
        (4, "refuses the call", ("tasks", "list"), {"DUETIME_KEY": "due_wrong"}),
        (4, "has the scope read", (*create, "--every", "1h"), {"DUETIME_KEY": service.read_key}),
    ):
        result = service.run(*arguments, environment=environment)
        assert (result.returncode, result.stdout) == (status, ""), result
        assert result.stderr.startswith("duetime: ")
        assert result.stderr.count("\n") == 1
        assert words in result.stderr
        assert service.admin_key not in result.stderr


def test_usage_is_explained_with_status_2(service: Service) -> None:
    """An option that does not exist is an error of usage."""
    result = service.run("tasks", "list", "--wher", "x")
    assert result.returncode == 2
    assert "No such option: --wher" in result.stderr


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_has_colours_unless_it_does_not_want_them(service: Service, no_color: str) -> None:
    """In a file or a pipe there are none anyway."""
    service.output("tasks", "create", "--name", f"colour{no_color}", "--url", service.target, "--every", "1h")
    master, slave = pty.openpty()
    environment = service.environment(TERM="xterm-256color", COLUMNS="160") | (
        {"NO_COLOR": no_color} if no_color else {}
    )
    command = [sys.executable, "-P", "-m", "duetime", "tasks", "list", "--where", f"nameContains=colour{no_color}"]
    with subprocess.Popen(command, env=clean_environment(environment), cwd=service.folder, stdout=slave) as process:
        os.close(slave)
        output = b""
        try:
            while chunk := os.read(master, 10_000):
                output += chunk
        except OSError:
            # Linux reports the end of a pseudoterminal in this way.
            pass
        assert process.wait(60) == 0
    os.close(master)
    assert b"SCHEDULED" in output
    assert (b"\x1b[32mSCHEDULED" in output) is not bool(no_color)


def test_a_call_is_tried_and_its_end_is_the_exit_status(service: Service) -> None:
    """Nothing is stored."""
    tried = service.run("try", service.target, "-H", "X-Try: 1")
    assert tried.returncode == 0, tried
    assert tried.stdout.split()[:4] == ["result", "SUCCEEDED", "status", "200"]
    failed = service.run("try", f"{service.url}/nowhere", "-X", "post", "--payload", "{}", "--json")
    assert failed.returncode == 1
    assert items(failed.stdout)["statusCode"] == 401
    assert service.run("try").returncode == 2


def test_statistics_count_runs_in_buckets(service: Service) -> None:
    """By default the last 24 hours, by the hour."""
    create = ("tasks", "create", "--name", "Counted", "--url", service.target, "--every", "24h")
    service.output(*create, "--external-id", "counted")
    service.output("tasks", "run", "counted", "--wait")
    buckets = items(service.output("stats", "--task", "counted", "--json"))
    assert [bucket["succeeded"] for bucket in buckets][-1] == 1
    assert len(buckets) in {24, 25}
    [heading, row] = service.output("stats", "--task", "counted", "--bucket", "day", "--last", "1m").splitlines()[:2]
    assert heading.split()[:4] == ["FROM", "RUNS", "SUCCEEDED", "FAILED"]
    assert row.split()[2:5] == ["1", "1", "0"]
    assert service.run("stats", "--bucket", "week").returncode == 2


def test_the_forecast_has_buckets(service: Service) -> None:
    """By default the next 24 hours, by the hour."""
    found = items(service.output("forecast", "--json"))
    assert found["calls"] == sum(bucket["calls"] for bucket in found["buckets"])
    assert len(found["buckets"]) in {24, 25}
    assert re.match(r"(1 call is|[\d,]+ calls are) due, as computed at ", service.output("forecast", "--bucket", "day"))


def test_runs_are_shown_in_every_way(service: Service) -> None:
    """A run with another body, its end, its request and response, its changes again, and one that does not exist."""
    options = ("--url", f"{service.url}/nowhere", "--cron", "0 3 1 1 *", "--timezone", "Europe/Berlin", "-X", "POST")
    service.output("tasks", "create", "--name", "Shown", "--external-id", "shown", "--max-attempts", "1", *options)
    ran = service.run("tasks", "run", "shown", "--payload", '{"a": 1.10}', "-H", "X-A: b", "--wait", "--json")
    assert ran.returncode == 1
    [run] = items(ran.stdout)
    assert (run["state"], run["statusCode"]) == ("FAILED", 401)
    shown = " ".join(service.output("runs", "show", run["id"]).split())
    for words in ("cause MANUAL", "header X-A: b", 'payload {"a":1.10}', "attempt 1 401 in", "status 401"):
        assert words in shown
    assert items(service.output("runs", "show", run["id"], "--json"))["id"] == run["id"]
    missing = service.run("runs", "show", run["task"]["id"])
    assert (missing.returncode, "there is no run with the id" in missing.stderr) == (1, True)
    assert "0 3 1 1 * Europe/Berlin" in service.output("tasks", "list", "--where", "nameContains=Shown")
    waited = service.run("tasks", "run", "shown", "--data", "text", "--wait")
    assert (waited.returncode, waited.stderr) == (1, "duetime: not all runs succeeded\n")
    assert waited.stdout.split()[-4:-2] == ["FAILED", "401"]
    watched = service.output("runs", "watch", "--task", "shown", "--after", cursors.of_event(0), "--limit", "2")
    [started, failed] = (line.split() for line in watched.splitlines())
    assert started[2:5] == ["STARTED", "shown", "attempt"]
    assert failed[2:6] == ["FAILED", "shown", "attempt", "1"]


def test_colours_can_be_forced(service: Service, tmp_path: Path) -> None:
    """In tables and plans, also where there is no terminal."""
    service.output("tasks", "create", "--name", "forced", "--url", service.target, "--every", "1h")
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "160"}
    listed = service.run("tasks", "list", "--where", "nameContains=forced", environment=forced)
    assert "\x1b[32mSCHEDULED" in listed.stdout
    task = {"externalId": "forced", "name": "n", "trigger": {"interval": {"everyMs": 60_000}}}
    (tmp_path / "forced.json").write_text(json.dumps([task | {"action": {"url": service.target}}]))
    planned = service.run("diff", "-f", str(tmp_path / "forced.json"), environment=forced)
    assert "\x1b[32m+ forced" in planned.stdout
