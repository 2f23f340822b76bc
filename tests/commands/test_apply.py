"""`duetime apply`, `diff` and `export`: tasks are as files say, and a repetition changes nothing."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema_rs
import pytest
import yaml
from graphql import build_schema

from tests.commands.conftest import Service
from tests.support import tasks_schema
from tests.support.command import clean_environment
from tests.support.proxy import running_proxy
from tests.support.waiting import wait_for, wait_until

MANY = """
SELECT count(*) AS tasks, count(DISTINCT external_id) AS external_ids, max(version) AS versions
FROM tasks WHERE tags @> ARRAY['owner:many'] AND deleted_at IS NULL
"""
HALF = "SELECT count(*) AS tasks FROM tasks WHERE external_id LIKE 'half-%' AND deleted_at IS NULL"
SECRETS = {"TOKEN": "Bearer swordfish-123456", "SIGNING": f"whsec_{'A' * 43}="}


def document(service: Service, owner: str) -> str:
    """Return a file with one task of each kind."""
    return f"""
owner: {owner}
tasks:
  - externalId: {owner}-cron
    name: Nightly export
    description: |
      First line, with $${{NOT_A_VARIABLE}}.
      Second line.
    metadata: {{ticket: 4711, exact: 1.10}}
    trigger: {{cron: {{expression: "30 2 * * *", timezone: Europe/Berlin, jitterMs: 60000}}}}
    action:
      method: POST
      url: {service.target}
      headers:
        - {{name: Authorization, value: {{fromEnv: TOKEN}}}}
        - {{name: X-Plain, value: "yes"}}
      payload: {{on: true, price: 1.10, text: "1e5"}}
      signingSecrets: [{{fromFile: signing}}]
      successStatuses: ["2xx", "409"]
    retry: {{maxAttempts: 5, factor: 1.5}}
    overlap: QUEUE
    misfire: ALL
    onLost: FAIL
    tags: [a, b]
    deleteAfterMs: 86400000
    pauseAfterFailures: 5
    retentionDays: 7
    flowKey: billing
  - externalId: {owner}-interval
    name: "12:30"
    trigger: {{interval: {{everyMs: 3600000}}}}
    action: {{url: {service.target}, form: [{{name: a, value: "1"}}]}}
  - externalId: {owner}-once
    name: "null"
    trigger: {{oneOff: {{at: 2100-01-01T00:00:00Z}}}}
    action: {{url: {service.target}, body: {{fromFile: body.txt}}, method: PUT}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files to which the tasks refer."""
    (tmp_path / "signing").write_text(SECRETS["SIGNING"] + "\n")
    (tmp_path / "body.txt").write_text("one\n two\n")
    return tmp_path


def test_an_export_has_a_variable_for_each_secret(service: Service, folder: Path) -> None:
    """Also for ids and headers that differ in punctuation only, or have no Latin letters."""
    secrets = {f"S{number}": f"Bearer secret-{number}" for number in range(5)}
    headers = {"u-v": ("X-Token", "X.Token"), "u_v": ("X-Token",), "\u0434\u0430": ("A",), "\u043d\u0435": ("A",)}
    names = iter(secrets)
    tasks: list[dict[str, Any]] = [
        {
            "externalId": external_id,
            "name": "n",
            "trigger": {"cron": {"expression": "@yearly"}},
            "action": {
                "url": service.target,
                "headers": [{"name": name, "value": {"fromEnv": next(names)}} for name in own],
            },
        }
        for external_id, own in headers.items()
    ]
    (folder / "alike.yaml").write_text(yaml.safe_dump({"owner": "alike", "tasks": tasks}))
    applied = service.run("apply", "-f", str(folder / "alike.yaml"), environment=secrets)
    assert applied.returncode == 0, applied
    exported = service.run("export", "--owner", "alike")
    expected = {each["externalId"]: each["action"]["headers"] for each in tasks}
    environment = {
        header["value"]["fromEnv"]: secrets[wanted["value"]["fromEnv"]]
        for task in yaml.safe_load(exported.stdout)["tasks"]
        for header, wanted in zip(task["action"]["headers"], expected[task["externalId"]], strict=True)
    }
    assert len(environment) == len(secrets)
    assert all(name in exported.stderr for name in environment)
    (folder / "alike.yaml").write_text(exported.stdout)
    again = service.run("diff", "-f", str(folder / "alike.yaml"), environment=environment)
    assert again.stdout == "0 to create, 0 to change, 0 to delete, 4 unchanged.\n", again


def plan_of(service: Service, *arguments: str, status: int) -> dict[str, Any]:
    """Return the plan of `diff`, which must end with a status."""
    result = service.run("diff", "--json", *arguments, environment=SECRETS)
    assert result.returncode == status, result
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_tasks_are_created_changed_and_deleted_as_files_say(service: Service, folder: Path) -> None:
    """The plan shows drift, no secret is printed, only the owner's tasks are deleted, and an export is read again."""
    file = folder / "tasks.yaml"
    file.write_text(document(service, "mine"))
    apply = ("apply", "-f", str(file))
    service.output(
        "tasks", "create", "--name", "Theirs", "--url", service.target, "--every", "1h", "--external-id", "x"
    )
    dry = service.run(*apply, "--dry-run", environment=SECRETS)
    assert dry.stdout.endswith("3 to create, 0 to change, 0 to delete, 0 unchanged.\n"), dry
    first = service.run(*apply, environment=SECRETS)
    assert first.stdout.endswith("Done: 3 created, 0 changed, 0 deleted.\n"), first
    again = service.run(*apply, environment=SECRETS)
    assert again.stdout == "0 to create, 0 to change, 0 to delete, 3 unchanged.\n"

    exported = service.run("export", "--owner", "mine")
    assert "DUETIME_SECRET_MINE_CRON_AUTHORIZATION, DUETIME_SECRET_MINE_CRON_SIGNING" in exported.stderr
    copy = folder / "copy.yaml"
    copy.write_text(exported.stdout)
    renamed = {
        "DUETIME_SECRET_MINE_CRON_AUTHORIZATION": SECRETS["TOKEN"],
        "DUETIME_SECRET_MINE_CRON_SIGNING": SECRETS["SIGNING"],
    }
    assert service.run("diff", "-f", str(copy), environment=renamed).stdout == again.stdout
    changed = renamed | {"DUETIME_SECRET_MINE_CRON_AUTHORIZATION": "Bearer marlin-123456"}
    secret = service.run("diff", "-f", str(copy), environment=changed)
    assert secret.returncode == 1
    assert "action.headers.Authorization: (secret " in secret.stdout
    for output in (dry, first, again, exported, secret):
        assert not {"swordfish", "marlin", SECRETS["SIGNING"]} & set(
            (output.stdout + output.stderr).replace("-", " ").split()
        )

    service.output("tasks", "update", "mine-interval", "--name", "by hand", "-X", "POST", "--every", "2h")
    drift = plan_of(service, "-f", str(file), status=1)
    [update] = drift["update"]
    assert update["externalId"] == "mine-interval"
    assert update["before"] | {"trigger.startAt": ""} == {
        "name": "by hand", "action.method": "POST", "trigger.everyMs": 7_200_000, "trigger.startAt": "",
    }  # fmt: skip
    assert update["after"]["name"] == "12:30"

    file.write_text(document(service, "mine").split("  - externalId: mine-once")[0])
    undecided = service.run(*apply, environment=SECRETS)
    assert (undecided.returncode, "Add --yes to agree" in undecided.stderr) == (2, True)
    pruned = service.run(*apply, "--yes", "--json", environment=SECRETS)
    assert json.loads(pruned.stdout)["done"] == {"created": 0, "updated": 1, "deleted": 1}
    assert plan_of(service, "-f", str(file), status=0)["unchanged"] == 2
    assert service.output("tasks", "show", "x", "--json")


def test_nothing_is_changed_if_anything_is_refused(service: Service, folder: Path) -> None:
    """Each refusal is one line with its place."""
    task = {"name": "n", "trigger": {"interval": {"everyMs": 60_000}}, "action": {"url": service.target}}
    cases: dict[str, dict[str, Any]] = {
        "name: must": {"name": ""},
        "trigger.cron.expression: has 1 field": {"trigger": {"cron": {"expression": "x"}}},
        "not to include unknown field 'colour'": {"colour": "red"},
        "overlap: Value 'NEVER' does not exist in 'OverlapPolicy'": {"overlap": "NEVER"},
        "not to include unknown field 'hidden'": {
            "action": {"url": "", "headers": [{"name": "A", "value": {"fromEnv": "TOKEN"}, "hidden": True}]}
        },
    }
    # The API suggests a name in another form of the message, which also quotes the value.
    cases["unknown field 'nmae'. Did you mean 'name'?"] = {
        "action": {"url": "", "headers": [{"nmae": "A", "value": {"fromEnv": "TOKEN"}}]}
    }
    tasks = [task | {"externalId": f"refused-{number}"} | wrong for number, wrong in enumerate(cases.values())]
    for number, message in enumerate(cases):
        file = folder / "refused.yaml"
        file.write_text(yaml.safe_dump([task | {"externalId": "fine"}, tasks[number]]))
        result = service.run("apply", "-f", str(file), environment=SECRETS)
        assert result.returncode == 1, result
        assert "swordfish" not in result.stderr
        [reason, summary] = result.stderr.splitlines()
        assert message in reason
        assert f"refused-{number}: " in reason
        assert reason.startswith(f"duetime: {file}:")
        assert summary == "duetime: 1 task is refused; nothing was changed"
    assert service.run("tasks", "show", "fine").returncode == 1


def test_a_task_of_another_owner_is_refused(service: Service, folder: Path) -> None:
    """Two files cannot fight about one task."""
    file = folder / "shared.yaml"
    task = {"externalId": "shared", "name": "n", "trigger": {"interval": {"everyMs": 60_000}}}
    file.write_text(yaml.safe_dump({"tasks": [task | {"action": {"url": service.target}}]}))
    service.output("apply", "-f", str(file), "--owner", "one")
    for owner in (("--owner", "two"), ()):
        result = service.run("diff", "-f", str(file), *owner)
        assert result.returncode == 2
        assert "shared: it belongs to another owner, by its tag owner:one" in result.stderr


def test_what_is_wrong_with_files_is_told_before_any_call(service: Service, folder: Path) -> None:
    """With status 2, and with the line."""
    for text, message in (
        ("owner: o\ntasks: {}", "bad.yaml:1: tasks must be a list"),
        ("- name: x", "bad.yaml:1: externalId is missing"),
        ("- {externalId: a}\n- {externalId: a}", "bad.yaml:2: the externalId a is also that of"),
        ("tasks: []\nowners: x", "owners is not a known member; known are owner and tasks"),
        ("externalId: a\naction: {headers: [{name: A, value: {fromEnv: NOPE}}]}", "variable NOPE is not set"),
        ("externalId: a\naction: {body: {fromFile: nope.txt}}", "nope.txt cannot be read"),
        ("externalId: a\naction: {body: {from: x}}", "must be a text, {fromEnv: NAME} or {fromFile: PATH}"),
    ):
        (folder / "bad.yaml").write_text(text)
        result = service.run("apply", "-f", str(folder))
        assert (result.returncode, result.stdout) == (2, ""), result
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    assert service.run("apply", "-f", str(folder / "none")).returncode == 2
    assert service.run("apply").stderr == "duetime: give at least one file or folder with --file\n"


def test_a_killed_apply_goes_on_when_it_is_repeated(service: Service, folder: Path) -> None:
    """SIGKILL in the middle of 2,500 tasks, and again: all are there, and none twice."""
    number = 2_500
    tasks = [
        {
            "externalId": f"many-{each}",
            "name": f"Task {each}",
            "trigger": {"cron": {"expression": f"{each % 60} 3 1 1 *"}},
            "action": {"url": f"{service.target}?n={each}"},
        }
        for each in range(number)
    ]
    file = folder / "many.json"
    file.write_text(json.dumps({"owner": "many", "tasks": tasks}))
    command = [sys.executable, "-P", "-m", "duetime", "apply", "-f", str(file)]
    environment = clean_environment(service.environment())

    def count() -> int:
        found = asyncio.run(fetched(service, MANY))
        assert found["tasks"] == found["external_ids"]
        assert found["versions"] in {None, 1}
        return int(found["tasks"])

    with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: count() > 0, what="some are created", within=60)
        process.kill()
    assert process.returncode == -9
    # What the API was doing meanwhile ends by itself.
    assert 0 < count() < number
    result = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result
    assert count() == number


async def fetched(service: Service, statement: str) -> Any:
    """Return the first row that a statement selects from the service's database."""
    connection = await asyncpg.connect(service.database_url)
    try:
        return await connection.fetchrow(statement)
    finally:
        await connection.close()


def test_the_json_schema_describes_the_files(service: Service, folder: Path) -> None:
    """Editors accept what apply accepts, and underline what it refuses. The file is made from the API's types."""
    printed = json.loads(service.output("apply", "--schema"))
    schema = build_schema((tasks_schema.ROOT / "schema.graphql").read_text("utf-8"))
    assert printed == tasks_schema.document(schema)
    validator = jsonschema_rs.validator_for(printed)
    full = yaml.safe_load(document(service, "o").replace("2100-01-01T00:00:00Z", "'2100-01-01T00:00:00Z'"))
    validator.validate(full)
    [task, *_] = full["tasks"]
    validator.validate(task)
    validator.validate([task | {"deleteAfterMs": "${DAYS:-7}"}])
    wrongs: list[dict[str, Any]] = [
        {"colour": "red"},
        {"trigger": {}},
        {"overlap": "NEVER"},
        {"externalId": 7},
        {"tags": "a"},
    ]
    for wrong in wrongs:
        assert not validator.is_valid(task | wrong), wrong


async def test_a_failure_half_way_says_what_was_done(service: Service, folder: Path) -> None:
    """The same command goes on where it stopped."""
    number = 1_500
    task = {"name": "n", "trigger": {"cron": {"expression": "0 3 1 1 *"}}, "action": {"url": service.target}}
    file = folder / "half.json"
    file.write_text(json.dumps({"tasks": [task | {"externalId": f"half-{each}"} for each in range(number)]}))
    apply = ("apply", "-f", str(file))

    async def some() -> bool:
        return bool((await fetched(service, HALF))["tasks"])

    async with running_proxy(int(service.url.rsplit(":", 1)[1])) as proxy:
        through = {"DUETIME_URL": f"http://127.0.0.1:{proxy.port}"}
        running = asyncio.create_task(asyncio.to_thread(service.run, *apply, environment=through))
        await wait_until(some, what="some are created", within=60)
        proxy.stall()
        proxy.cut()
        stopped = await running
    assert stopped.returncode == 3, stopped
    [done, reason] = stopped.stderr.splitlines()
    numbers = rf"at least [0-9,]+ created, 0 changed, 0 deleted of {number:,}"
    assert re.fullmatch(f"duetime: stopped: {numbers}; run the command again to continue", done)
    assert f"{through['DUETIME_URL']} cannot be reached" in reason
    # The API goes on with the calls that it has received.
    assert 0 < (await fetched(service, HALF))["tasks"] <= number
    again = await asyncio.to_thread(service.run, *apply)
    assert again.returncode == 0, again
    assert re.search(r"^0 to create|\nDone: [0-9,]+ created, 0 changed, 0 deleted\.\n$", again.stdout), again
    assert (await fetched(service, HALF))["tasks"] == number
