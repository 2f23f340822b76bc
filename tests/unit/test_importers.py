"""`duetime import`: schedules of other programs become tasks that apply reads, and what cannot is told."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from duetime.client.apply import reading, writing
from duetime.client.errors import UsageError
from duetime.client.importers import crontab, eventbridge, hasura, kubernetes, triggers, vercel
from duetime.client.importers.result import CannotTake, Imported
from jobs.triggers import cron
from tests.support import tasks_schema
from tests.support.clients_schema import SCHEMA

LINES = yaml.safe_load((Path(__file__).parents[1] / "data" / "crontab.yaml").read_text("utf-8"))
OF_ALL = {"all lines", "lines without --max-time"}
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
    assert [note.text for note in found.notes if note.place not in OF_ALL] == case.get("notes", [])


def test_thirty_lines_become_tasks() -> None:
    """The examples are of many kinds, and of each kind that is not taken there is one, too."""
    assert sum("task" in case for case in LINES) >= 30
    assert len({case["untaken"] for case in LINES if "untaken" in case}) >= 20


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
    assert [note.place for note in found.notes] == ["line 2", "lines without --max-time"]
    assert found.notes[0].text.startswith("MAILTO is not taken")
    [zone, limit] = crontab.read("0 1 * * * curl http://h/").notes
    assert "taken as UTC" in zone.text
    assert "a task for 30 s" in limit.text


def test_lines_that_share_a_lock_are_not_taken() -> None:
    """A task keeps its own runs apart, and not those of another one."""
    found = crontab.read("1 1 * * * flock -n /l curl h/a\n2 2 * * * flock -n /m curl h/b\n3 3 * * * flock /l curl h/c")
    [task] = tasks_of(found, untaken=2)
    assert (task["name"], task["overlap"]) == ("h/b", "SKIP")
    assert {note.place for note in found.untaken} == {"line 1", "line 3"}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("curl -m", "-m has no value"),
        ("curl -m soon http://h", "'soon' is no number of seconds"),
        ("curl --retry many http://h", "'many' is no number of retries"),
        ("curl --max-redirs x http://h", "'x' is no number of redirects"),
        ("curl --frobnicate http://h", "the option --frobnicate of curl is not known here"),
        ("curl -b jar http://h", "the cookies are in a file of that machine, jar"),
        ("curl --data-urlencode a@f http://h", "the body is in a file of that machine, f"),
        ("curl --data-urlencode a=$B http://h", "it encodes the variable B, whose value is not known here"),
        ("curl -d @- http://h", "its body comes from the standard input, which is not known here"),
        ("curl http://h%text", "what follows % is its standard input, which it does not read"),
        ("curl -G -d 'a b' http://h", "its URL contains a space, which curl refuses"),
        ("curl ftp://h/a", "a task calls an http or https URL, not ftp"),
        ("curl -s", "it has no URL"),
        ("wget -t x http://h", "'x' is no number of attempts"),
        ("wget -r http://h", "the option -r of wget is not known here"),
        ("wget --mirror http://h", "--mirror: a task makes one call"),
        ("wget < /etc/urls", "its input is in a file of that machine, /etc/urls"),
        ("curl http://h >", "a redirection has no file"),
        ("curl http://h 'open", "a quote is not closed"),
        ('curl http://h "open', "a quote is not closed"),
        ("curl http://h/`date`", "it uses the output of another command, `…`"),
        ('curl "http://h/`date`"', "it uses the output of another command, `…`"),
        ("curl http://h || curl http://i", "it has more than one command"),
        ("curl http://h & date", "it has & outside of quotes"),
        ("curl http://h <<< x", "it has < outside of quotes"),
        ("curl http://h/$RANDOM", "it uses a random number"),
        ("curl http://h/${A#b}", "it changes the value of a variable, ${…}"),
        ("curl http://h/$1", "it uses $1, which only a shell knows"),
        ("cd /tmp", "it runs nothing"),
        ("timeout", "timeout has no duration"),
        ("timeout soon curl http://h", "'soon' is no duration of timeout"),
        ("timeout -s", "-s has no value"),
        ("flock -s /l curl http://h", "flock shares the lock; a task keeps its runs apart, or does not"),
        ("flock -n", "flock has no file"),
        ("curl -m inf http://h", "'inf' is no number of seconds"),
        ("curl -m -5 http://h", "'-5' is no number of seconds"),
        ("curl http://[::1/", "its URL cannot be read: Invalid IPv6 URL"),
        ("curl https:///a", "its URL has no host"),
        ("curl http://h:99999", "its URL cannot be read: Port out of range 0-65535"),
        ("curl -H 'Bad Name: x' http://h", "'Bad Name' is no name of a header"),
        ("curl -H 'Cookie: a=1' -b b=2 http://h", "it sends the header cookie twice; a task sends it once"),
        ("bash /opt/job.sh", "it runs bash without -c; only curl and wget make calls"),
    ],
)
def test_what_a_line_cannot_say_is_refused_with_the_reason(command: str, reason: str) -> None:
    """A line that would mean something else as a task is no task."""
    found = crontab.read(f"CRON_TZ=UTC\n0 1 * * * {command}")
    assert [note.text for note in found.untaken] == [reason]


@pytest.mark.parametrize(
    ("command", "members"),
    [
        ("run-one curl http://h", {"overlap": "SKIP"}),
        ("timeout -k 5 --signal=INT 2m nice -n5 curl -m 300 http://h", {"timeoutMs": 120_000}),
        ("timeout 0 sudo -u www-data -- curl http://h", {}),
        ("export A=b; C=$A/c; curl http://h/$C", {"url": "http://h/b/c"}),
        ('curl "http://h/\\$A" >/dev/null 2>&1 &', {"url": "http://h/$A"}),
        ("curl http://h/a>/dev/null </dev/null || true", {"url": "http://h/a"}),
        ("curl http://h/\\${A}", None),
        ("curl -g 'http://h/?q={a}'", {"url": "http://h/?q=%7Ba%7D"}),
        ("curl --url-query a=b --url-query +c=%20 http://h?x=1", None),
        ("curl --url-query a=b --url-query +c http://h?x=1#top", {"url": "http://h?x=1&a=b&c"}),
        ("curl -H 'Connection: close' -H 'Content-Length: 0' -r 0-99 http://h", {"headers": "Range"}),
        ("curl --oauth2-bearer abcdefgh http://h", {"headers": "Authorization"}),
        ("curl --max-redirs -1 -L http://h", {"redirects": 5}),
        ("wget --max-redirect=2 -qO /dev/null --tries=inf --retry-on-http-error=503,504 http://h", {"redirects": 2}),
        ("wget -qO- --method=put --body-data=x 'http://h/a b'", {"url": "http://h/a%20b", "method": "PUT"}),
        ("curl --data-binary @- http://h%a%b", {"body": "a\nb\n"}),
        ("curl --data-urlencode =a=b --data-urlencode 'c d' http://h", {"body": "a%3Db&c+d"}),
        ("curl -- http://h", {"url": "http://h"}),
        ("curl -m 7200 http://h", {"timeoutMs": 3_600_000}),
        ("curl --retry 2 --retry-delay 999999999 http://h", {"initialDelayMs": 86_400_000}),
    ],
)
def test_what_a_line_says_in_less_usual_ways(command: str, members: dict[str, Any] | None) -> None:
    """Other commands around it, variables, quotes and rare options."""
    found = crontab.read(f"CRON_TZ=UTC\n0 1 * * * {command}")
    if members is None:
        assert len(found.untaken) == 1
        return
    [task] = tasks_of(found)
    flat = (
        task
        | task["action"]
        | task["retry"]
        | {"headers": ",".join(each["name"] for each in task["action"].get("headers", ()))}
    )
    assert {name: flat[name] for name in members} == members


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("61 4 * * *", "'61' is no minute of a cron expression"),
        ("*/0 4 * * *", "'*/0' is no minute of a cron expression"),
        ("0 4 31 feb,4 *", "'0 4 31 feb,4 *' is never due, because no month has such a day"),
        ("0 4 * * L", "'l' is no day of week of a cron expression"),
        ("0 4 * * sat-sun", "the range 'sat-sun' of the field day of week runs backwards"),
        ("0 4 * * Sunday", "'sunday' is no day of week of a cron expression"),
        ("-0 4 * * 7", None),
        ("0,30 4-6/2 L JAN-dec fri-7", None),
        ("0 4 30 2 1", None),
    ],
)
def test_an_expression_is_one_that_the_api_accepts(line: str, reason: str | None) -> None:
    """One task that the API refuses would keep apply from all others. cron reads some that the API does not."""
    found = crontab.read(f"{line} curl http://h/")
    assert [note.text for note in found.untaken] == ([reason] if reason else [])
    for task in found.tasks:
        cron.parse(task["trigger"]["cron"]["expression"])


PIECES = st.sampled_from([*"*?L/-,#0157", "12", "31", "59", "60", "mon", "SUN", "feb", "dec", "W"])
FIELD = st.lists(PIECES, min_size=1, max_size=5).map("".join)


@given(st.lists(FIELD | st.just("*"), min_size=5, max_size=5).map(" ".join))
@example("* * * * mon#2,5L,sun-6/2")
def test_what_the_importers_accept_the_server_reads(expression: str) -> None:
    """The client imports nothing of the server, so it has rules of its own, which are no wider."""
    try:
        triggers.check(expression)
    except CannotTake:
        return
    cron.parse(expression)


def test_a_time_zone_is_one_that_exists() -> None:
    """CRON_TZ, and those of the other files."""
    found = crontab.read("CRON_TZ=Mars/Phobos\n0 4 * * * curl http://h/")
    assert [note.text for note in found.untaken] == ["Mars/Phobos is no time zone"]


def test_variables_of_secrets_and_urls_are_not_shared() -> None:
    """Names may differ in punctuation only."""
    lines = "0 4 * * * curl -H 'X-Token: a' -H 'X_Token: b' http://h/"
    [task] = tasks_of(crontab.read(lines))
    assert [header["value"]["fromEnv"] for header in task["action"]["headers"]] == [
        "DUETIME_SECRET_H_X_TOKEN",
        "DUETIME_SECRET_H_X_TOKEN_2",
    ]
    rules = [{"Name": name, "ScheduleExpression": "rate(1 day)"} for name in ("a b", "a.b")]
    first, second = tasks_of(eventbridge.read(json.dumps({"Rules": rules})))
    assert (first["action"]["url"], second["action"]["url"]) == ("${URL_A_B}", "${URL_A_B_2}")


Place = tuple[str | int, ...]


def paths(value: Any, path: Place = ()) -> Iterator[Place]:
    """Yield the path of each value in a value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from paths(each, (*path, name))


def replaced(value: Any, path: Place, other: Any) -> Any:
    """Return a value with another one at a path."""
    if not path:
        return other
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


CONTAINER = {"image": "curl", "command": ["curl"], "args": ["h"], "env": [{"name": "A", "value": "b"}]}
POD = {"containers": [CONTAINER], "initContainers": []}
JOB = {"backoffLimit": 1, "activeDeadlineSeconds": 1, "completions": 1, "template": {"spec": POD}}
FULL: dict[str, Any] = {
    "hasura": [
        {
            "name": "a",
            "webhook": "http://h",
            "schedule": "@daily",
            "comment": "c",
            "payload": {},
            "retry_conf": {"num_retries": 1, "timeout_seconds": 1, "retry_interval_seconds": 1},
            "headers": [{"name": "a", "value": "b"}, {"name": "c", "value_from_env": "D"}],
        }
    ],
    "kubernetes": {
        "kind": "CronJob",
        "metadata": {"name": "a"},
        "spec": {
            "schedule": "@daily", "timeZone": "UTC", "suspend": True, "concurrencyPolicy": "Allow",
            "jobTemplate": {"spec": JOB},
        },
    },
    "vercel": {"crons": [{"path": "/a", "schedule": "@daily"}]},
    "eventbridge": {
        "Name": "a",
        "State": "DISABLED",
        "Description": "d",
        "ScheduleExpression": "rate(1 day)",
        "ScheduleExpressionTimezone": "UTC",
        "StartDate": "2030-01-01T00:00:00Z",
        "EndDate": 1_900_000_000.5,
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1},
        "Target": {"Arn": "a", "Input": "{}", "RetryPolicy": {"MaximumRetryAttempts": 1}},
    },
}  # fmt: skip
READERS: dict[str, Callable[[str], Imported]] = {
    "hasura": hasura.read,
    "kubernetes": kubernetes.read,
    "vercel": lambda text: vercel.read(text, base_url="http://h"),
    "eventbridge": eventbridge.read,
}


@pytest.mark.parametrize("kind", sorted(FULL))
def test_a_value_of_another_type_is_told(kind: str) -> None:
    """In each place of a file: it is not taken, or the file is refused; the importer does not fail."""
    assert len(tasks_of(READERS[kind](json.dumps(FULL[kind])))) == 1
    for path in paths(FULL[kind]):
        others: list[Any] = [None, 7, -1, 1.5, True, "x", "", [], {}, [1], [None], [{}], {"a": 1}]
        for other in others:
            with suppress(UsageError):
                found = READERS[kind](json.dumps(replaced(FULL[kind], path, other)))
                writing.yaml_text(found.tasks)


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
    assert found.notes[0].text == "set API_URL, whose value is not known here"


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
        job("script", {"command": ["sh", "-c", "set -e\ncurl -fsS \\\n  https://$HOST/e\n"], "env": env}),
        job("zone", {"command": ["curl", "https://h/c"]}, timeZone="Europe/Berlin", concurrencyPolicy="Forbid"),
        job("replace", {"command": ["curl", "https://h/d"]}, concurrencyPolicy="Replace"),
        job("other", {"command": ["python", "job.py"]}),
        {"kind": "Service", "metadata": {"name": "web"}},
    ]
    found = kubernetes.read(
        json.dumps({"kind": "List", "items": items[:4]}) + "\n---\n" + yaml.safe_dump_all(items[4:])
    )
    args, shell, script, zone = tasks_of(found, untaken=3)
    assert args["action"] == {"url": "https://api.example.com/a?${TOKEN}", "timeoutMs": 60_000}
    assert (args["retry"], args["overlap"]) == ({"maxAttempts": 3}, "ALLOW")
    assert shell["action"]["url"] == "http://api.example.com/b"
    assert script["action"]["url"] == "https://api.example.com/e"
    assert zone["trigger"] == {"cron": {"expression": "0 3 * * *", "timezone": "Europe/Berlin"}}
    assert zone["overlap"] == "SKIP"
    odd = [
        job("prefix", {"command": ["curl", "h"]}, schedule="CRON_TZ=Europe/Berlin 0 3 * * *"),
        job("every", {"command": ["curl", "h"]}, schedule="@every 1h30m"),
        job("zone", {"command": ["curl", "h"]}, timeZone="Mars/Phobos"),
    ]
    pods: list[dict[str, Any]] = [{"initContainers": [{"image": "i"}]}, {"containers": []}]
    for members in pods:
        before = job("pod", {"command": ["curl", "h"]})
        before["spec"]["jobTemplate"]["spec"]["template"]["spec"] |= members
        odd.append(before)
    rest = kubernetes.read(json.dumps({"kind": "List", "items": odd}))
    assert [task["trigger"] for task in tasks_of(rest, untaken=3)] == [
        {"cron": {"expression": "0 3 * * *", "timezone": "Europe/Berlin"}},
        {"interval": {"everyMs": 5_400_000}},
    ]
    assert [note.text for note in rest.untaken] == [
        "Mars/Phobos is no time zone",
        "it has initContainers; a task makes one call",
        "it has 0 containers; a task makes one call",
    ]
    assert [note.place for note in found.untaken] == ["CronJob replace", "CronJob other", "Service web"]
    assert [note.text for note in found.notes] == [
        "set TOKEN, whose value is not known here",
        "it is suspended; pause the task after apply",
    ]


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
        ("cron(0 18 ? * L *)", {"cron": {"expression": "0 18 * * sat"}}),
        ("cron(0 18 L-3 * ? *)", None),
        ("rate(0 minutes)", None),
        ("at(2030-13-01T00:00:00)", None),
        ("at(2020-01-01T00:00:00)", None),
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
        "StartDate": "2030-01-01T00:00:00+01:00",
        "EndDate": 1_924_992_000.0,
        "Target": {"Arn": "arn:aws:x", "Input": '{"price": 1.10}', "RetryPolicy": {"MaximumRetryAttempts": 185}},
    }
    once = {"Name": "o", "ScheduleExpression": "at(2030-07-01T09:00:00)", "ScheduleExpressionTimezone": "Europe/Berlin"}
    found = eventbridge.read(json.dumps([schedule, once, {"Name": "listed"}]))
    task, single = tasks_of(found, untaken=1)
    assert task["trigger"] == {
        "cron": {
            "expression": "0 12 * * *",
            "timezone": "Europe/Berlin",
            "startAt": "2030-01-01T00:00:00+01:00",
            "endAt": "2031-01-01T00:00:00+00:00",
            "jitterMs": 900_000,
        }
    }
    assert (task["action"]["url"], task["retry"]) == ("${URL_NIGHTLY}", {"maxAttempts": 100})
    assert single["trigger"] == {"oneOff": {"at": "2030-07-01T09:00:00+02:00"}}
    assert [note.text for note in found.incomplete] == [
        "its target, arn:aws:x, is no URL; set URL_NIGHTLY to the URL to call",
        "its target, which list-rules leaves out, is no URL; set URL_O to the URL to call",
    ]
    assert "it is disabled" in found.notes[0].text
