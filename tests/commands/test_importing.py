"""`duetime import`: what it prints is what apply reads and the API accepts."""

import json
import re
from pathlib import Path

import yaml

from tests.commands.conftest import Service

EXAMPLES = Path(__file__).parents[1] / "data" / "crontab.yaml"
NEEDED = re.compile(r"set ([A-Z_0-9]+)[, ]")
"""A variable that a note asks for."""


def test_the_api_accepts_every_task_of_a_crontab(service: Service, tmp_path: Path) -> None:
    """Every line of the examples that is taken, with its variables: expressions, headers, URLs and retries."""
    cases = yaml.safe_load(EXAMPLES.read_text("utf-8"))
    taken = sum("task" in case for case in cases)
    (tmp_path / "crontab").write_text("\n".join(case["line"] for case in cases))
    printed = service.run("import", "crontab", str(tmp_path / "crontab"), "--owner", "cron")
    assert printed.stderr.endswith(f"{taken} taken, {len(cases) - taken} not taken. Nothing was changed.\n")
    (tmp_path / "tasks.yaml").write_text(printed.stdout)
    variables = dict.fromkeys(NEEDED.findall(printed.stderr), "example.com")
    planned = service.run("diff", "-f", str(tmp_path / "tasks.yaml"), environment=variables)
    assert planned.stdout.endswith(f"{taken} to create, 0 to change, 0 to delete, 0 unchanged.\n"), planned


def test_the_importers_of_other_services_print_what_apply_reads(service: Service, tmp_path: Path) -> None:
    """What is missing in a task has a line of its own, with the variable that has to be set."""
    container = {"image": "curlimages/curl", "args": ["-fsS", service.target]}
    job = {"template": {"spec": {"containers": [container]}}}
    cron_job = {
        "kind": "CronJob",
        "metadata": {"name": "k"},
        "spec": {"schedule": "@daily", "jobTemplate": {"spec": job}},
    }
    target = {"Arn": "arn:aws:lambda:eu-west-1:1:function:f", "Input": "{}"}
    schedule = {"Name": "Nightly", "ScheduleExpression": "rate(1 day)", "State": "DISABLED", "Target": target}
    for kind, source, options in (
        ("hasura", [{"name": "h", "schedule": "@daily", "webhook": service.target}], ()),
        ("kubernetes", cron_job, ()),
        ("vercel", {"crons": [{"path": "/health/live", "schedule": "@daily"}]}, ("--base-url", service.url)),
        ("eventbridge", schedule, ()),
    ):
        (tmp_path / "source").write_text(json.dumps(source))
        printed = service.run("import", kind, str(tmp_path / "source"), *options)
        assert printed.returncode == 0, printed
        (tmp_path / "tasks.yaml").write_text(printed.stdout)
        variables = dict.fromkeys(NEEDED.findall(printed.stderr), service.target)
        planned = service.run("diff", "-f", str(tmp_path / "tasks.yaml"), environment=variables)
        assert planned.stdout.endswith("1 to create, 0 to change, 0 to delete, 0 unchanged.\n"), planned
    assert printed.stderr.splitlines() == [
        "note: Nightly: it is disabled; pause the task after apply",
        f"incomplete: Nightly: its target, {target['Arn']}, is no URL; set URL_NIGHTLY to the URL to call",
        "1 taken, 1 of them incomplete, 0 not taken. Nothing was changed.",
    ]
    unset = service.run("diff", "-f", str(tmp_path / "tasks.yaml"))
    assert "the environment variable URL_NIGHTLY is not set" in unset.stderr
