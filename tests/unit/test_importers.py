"""`duetime import`: schedules of other programs become tasks that apply reads, and what cannot is told."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema_rs
import pytest
import yaml

from duetime.client.apply import reading, writing
from duetime.client.errors import UsageError
from duetime.client.importers import crontab, eventbridge, hasura, kubernetes, vercel
from duetime.client.importers.result import Imported
from tests.support import tasks_schema
from tests.support.clients_schema import SCHEMA

LINES = yaml.safe_load((Path(__file__).parents[1] / "data" / "crontab.yaml").read_text("utf-8"))
FILES = jsonschema_rs.validator_for(tasks_schema.document(SCHEMA))


def tasks_of(found: Imported, *, untaken: int = 0) -> list[dict[str, Any]]:
    """Return the tasks, which are valid for apply, and which apply reads as they were written."""
    assert len(found.untaken) == untaken, found.untaken
    text = writing.yaml_text(found.tasks)
    FILES.validate(yaml.safe_load(text))
    assert reading.documents(text, name="x.yaml", substitutes=False) == [{"tasks": found.tasks}]
    return found.tasks


@pytest.mark.parametrize("case", LINES, ids=lambda case: case["line"])
def test_lines_of_crontabs(case: dict[str, Any]) -> None:
    """A line becomes exactly this task, or is not taken for this reason."""
    found = crontab.read(f"CRON_TZ=UTC\nTOKEN=t0k\n{case['line']}\n")
    assert tasks_of(found, untaken="untaken" in case) == ([case["task"]] if "task" in case else [])
    assert [note.text for note in found.untaken] == ([case["untaken"]] if "untaken" in case else [])
    assert [note.text for note in found.notes] == case.get("notes", [])


def test_a_crontab_has_zones_variables_comments_and_users() -> None:
    """CRON_TZ counts for the lines below it. A comment right above a line describes it."""
    found = crontab.read(
        dedent("""
        MAILTO=ops@example.com
        BASE="https://example.com"
        # The first one.
        0 1 * * * root curl $BASE/a
        CRON_TZ=Europe/Berlin

        0 2 * * * www-data curl $BASE/a
        @weekly root curl $BASE/b
        """),
        timezone="America/New_York",
        has_users=True,
    )
    first, second, weekly = tasks_of(found)
    assert (first["externalId"], first["description"]) == ("example-com-a", "The first one.")
    assert second["externalId"] == "example-com-a-2"
    zones = [task["trigger"]["cron"]["timezone"] for task in (first, second, weekly)]
    assert zones == ["America/New_York", "Europe/Berlin", "Europe/Berlin"]
    assert second["action"]["url"] == "https://example.com/a"
    [note] = found.notes
    assert note.text.startswith("MAILTO is not taken")
    assert "taken as UTC" in crontab.read("0 1 * * * curl http://h/").notes[0].text


def test_hasura() -> None:
    """Environment variables stay such."""
    found = hasura.read(
        dedent("""
        - name: Nightly report
          webhook: '{{API_URL}}/report'
          schedule: 0 4 * * *
          payload: {kind: daily, price: 1.10}
          retry_conf: {num_retries: 3, retry_interval_seconds: 20, timeout_seconds: 90}
          headers:
            - {name: x-secret, value_from_env: REPORT_SECRET}
            - {name: x-plain, value: "${as it is}"}
          comment: For the board.
        - name: transformed
          webhook: https://example.com
          schedule: 0 5 * * *
          request_transform: {body: {}}
        """)
    )
    [task] = tasks_of(found, untaken=1)
    assert task["action"]["url"] == "${API_URL}/report"
    assert task["action"]["headers"][0] == {"name": "x-secret", "value": {"fromEnv": "REPORT_SECRET"}}
    assert (task["action"]["timeoutMs"], task["description"]) == (90_000, "For the board.")
    assert task["retry"] == {"maxAttempts": 4, "initialDelayMs": 20_000, "factor": 1}
    assert found.untaken[0].place == "transformed"


def test_kubernetes() -> None:
    """Commands, shells and images that run curl; a list, as kubectl prints it, and several documents."""

    def job(name: str, container: dict[str, Any], **spec: Any) -> dict[str, Any]:
        pod = {"template": {"spec": {"containers": [container]}}, "backoffLimit": 2, "activeDeadlineSeconds": 60}
        job_spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": pod}} | spec
        return {"kind": "CronJob", "metadata": {"name": name}, "spec": job_spec}

    env = [{"name": "HOST", "value": "api.example.com"}, {"name": "TOKEN", "valueFrom": {}}]
    items = [
        job(
            "args",
            {"image": "docker.io/curlimages/curl:8.10", "args": ["-fsS", "https://$(HOST)/a?$(TOKEN)"], "env": env},
        ),
        job(
            "shell",
            {"image": "alpine", "command": ["/bin/sh", "-c", "wget -qO- http://$HOST/b"], "env": env},
            suspend=True,
        ),
        job("zone", {"command": ["curl", "https://h/c"]}, timeZone="Europe/Berlin", concurrencyPolicy="Forbid"),
        job("replace", {"command": ["curl", "https://h/d"]}, concurrencyPolicy="Replace"),
        job("other", {"command": ["python", "job.py"]}),
        {"kind": "Service", "metadata": {"name": "web"}},
    ]
    found = kubernetes.read(
        json.dumps({"kind": "List", "items": items[:3]}) + "\n---\n" + yaml.safe_dump_all(items[3:])
    )
    args, shell, zone = tasks_of(found, untaken=3)
    assert args["action"] == {"url": "https://api.example.com/a?${TOKEN}", "timeoutMs": 60_000}
    assert (args["retry"], args["overlap"]) == ({"maxAttempts": 3}, "ALLOW")
    assert shell["action"]["url"] == "http://api.example.com/b"
    assert zone["trigger"] == {"cron": {"expression": "0 3 * * *", "timezone": "Europe/Berlin"}}
    assert zone["overlap"] == "SKIP"
    assert [note.place for note in found.untaken] == ["CronJob replace", "CronJob other", "Service web"]
    assert [note.place for note in found.notes] == ["CronJob shell"]


def test_vercel() -> None:
    """Paths are at a base URL."""
    text = '{"crons": [{"path": "/api/sync?full=1", "schedule": "0 5 * * *"}, {"path": "/x"}]}'
    found = vercel.read(text, base_url="https://app.example.com/")
    [task] = tasks_of(found, untaken=1)
    assert task["action"] == {"url": "https://app.example.com/api/sync?full=1"}
    with pytest.raises(UsageError, match=r"vercel\.json has no crons"):
        vercel.read("{}", base_url="https://h")


@pytest.mark.parametrize(
    ("expression", "trigger"),
    [
        ("rate(5 minutes)", {"interval": {"everyMs": 300_000}}),
        ("rate(1 day)", {"interval": {"everyMs": 86_400_000}}),
        ("cron(0 12 * * ? *)", {"cron": {"expression": "0 12 * * *"}}),
        ("cron(15 10 ? * 6L *)", {"cron": {"expression": "15 10 * * friL"}}),
        ("cron(0/15 8-17 ? * MON-FRI *)", {"cron": {"expression": "0-59/15 8-17 * * MON-FRI"}}),
        ("cron(0 8 ? * 2#1 *)", {"cron": {"expression": "0 8 * * mon#1"}}),
        ("cron(0 8 ? * 1,7 *)", {"cron": {"expression": "0 8 * * sun,sat"}}),
        ("cron(0 18 L * ? *)", {"cron": {"expression": "0 18 L * *"}}),
        ("cron(0 10 15W * ? *)", None),
        ("cron(0 10 1 1 ? 2027)", None),
        ("cron(0 10 * * *)", None),
        ("every(5)", None),
    ],
)
def test_expressions_of_eventbridge(expression: str, trigger: dict[str, Any] | None) -> None:
    """rate(), and cron() of six fields, whose days of the week count from 1 for Sunday."""
    found = eventbridge.read(json.dumps({"Rules": [{"Name": "r", "ScheduleExpression": expression}]}))
    assert [task["trigger"] for task in tasks_of(found, untaken=trigger is None)] == ([trigger] if trigger else [])


def test_eventbridge() -> None:
    """A schedule as get-schedule prints it. Its target is no URL, so a variable stands for that."""
    schedule = {
        "Name": "Nightly",
        "State": "DISABLED",
        "Description": "d",
        "ScheduleExpression": "cron(0 12 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "Target": {"Arn": "arn:aws:x", "Input": '{"price": 1.10}', "RetryPolicy": {"MaximumRetryAttempts": 185}},
    }
    once = {"Name": "o", "ScheduleExpression": "at(2030-07-01T09:00:00)", "ScheduleExpressionTimezone": "Europe/Berlin"}
    found = eventbridge.read(json.dumps([schedule, once, {"Name": "listed"}]))
    task, single = tasks_of(found, untaken=1)
    assert task["trigger"] == {"cron": {"expression": "0 12 * * *", "timezone": "Europe/Berlin", "jitterMs": 900_000}}
    assert (task["action"]["url"], task["retry"]) == ("${URL_NIGHTLY}", {"maxAttempts": 100})
    assert single["trigger"] == {"oneOff": {"at": "2030-07-01T09:00:00+02:00"}}
    assert "it is disabled" in found.notes[1].text
