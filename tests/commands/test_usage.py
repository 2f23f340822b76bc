"""What people write is read or refused before any call: options, files and filters; and answers of no Duetime."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands.conftest import Service
from tests.support.command import duetime_in_process
from tests.support.ports import free_port

CREATE = ("tasks", "create", "--name", "n", "--url", "http://h", "--every", "1h")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*CREATE, "--cron", "@daily"), "give one of --cron, --every, --at and --in"),
        ((*CREATE, "--timezone", "UTC"), "--timezone requires --cron"),
        ((*CREATE, "--payload", "{"), "--payload is not JSON: "),
        ((*CREATE, "--payload", '{"a":1,"a":2}'), "the member 'a' occurs twice in one object"),
        ((*CREATE, "--payload", "NaN"), "NaN is not JSON"),
        ((*CREATE, "--payload", "1", "--data", "x"), "give one of --payload and --data"),
        ((*CREATE, "--data", "@nowhere"), "--data: nowhere cannot be read"),
        ((*CREATE, "--data", "@binary"), "--data: binary is not UTF-8"),
        ((*CREATE, "-H", "X"), "--header 'X' must be NAME:VALUE"),
        ((*CREATE, "--secret-header", "X"), "--secret-header 'X' must be NAME=VARIABLE"),
        ((*CREATE, "--secret-header", "X=UNSET"), "the environment variable UNSET is not set"),
        ((*CREATE, "-f", "two.yaml"), "two.yaml must contain one task, not 2"),
        ((*CREATE, "-f", "list.yaml"), "list.yaml must contain one task; `duetime apply` takes several"),
        ((*CREATE, "-f", "bad.json"), "bad.json is not JSON: "),
        (("tasks", "update", "x"), "nothing to change is given"),
        (("tasks", "pause"), "name the tasks, or select them by --where, but not both"),
        (("tasks", "pause", "x", "--where", "tags=y"), "name the tasks, or select them by --where, but not both"),
        (("tasks", "preview"), "give a task, or one of --cron, --every, --at and --in"),
        (("tasks", "run", "a", "b", "--payload", "1"), "--payload, --data and --header apply to one task"),
        (("tasks", "list", "--where", "{"), "--where '{' is not JSON: "),
        (("runs", "list", "--where", "success=yes"), "--where 'success=yes': must be true or false"),
        (("runs", "list", "--where", "statusCode=x"), "--where 'statusCode=x': must be a whole number"),
        (("forecast", "--next", "soon"), "--next: 'soon' is not a duration"),
        (("apply", "-f", "empty"), "empty contains no file that ends in .json, .yaml, .yml"),
        (("apply", "-f", "text.yaml"), "text.yaml must contain a task, a list of tasks, or an object with tasks"),
        (("apply", "-f", "texts.yaml"), "texts.yaml: each task must be an object, not str"),
        (("apply", "-f", "owner.yaml"), "owner.yaml:1: owner must be a text"),
        (("apply", "-f", "owned.yaml", "--owner", "b"), "owned.yaml:1: the owner is a, and --owner says b"),
        (("apply", "-f", "tagged.yaml"), "the tag owner:b is not that of the owner a"),
        (("apply", "-f", "tag.yaml"), "tag.yaml:1: the tag !x is not known here"),
        (("apply", "-f", "merge.yaml"), "merge.yaml:1: << needs an object, or a list of objects"),
        (("apply", "-f", "control.yaml"), "control.yaml is not YAML: "),
        (
            ("apply", "-f", "escapes.yaml"),
            "escapes.yaml:2: the externalId a\N{REPLACEMENT CHARACTER}[31m is also that of",
        ),
        (("tasks", "list", "--nope"), "No such option: --nope"),
        (("tasks", "list", "--limit", "-1"), "see `duetime tasks list --help`"),
        (("tasks", "nope"), "No such command 'nope'; see `duetime tasks --help`"),
        (("runs", "list", "--where", "states=done"), "--where 'states=done': 'done' must be one of QUEUED, "),
        (("tasks", "list", "--order", "id"), "--order 'id' must be one of CREATED_AT_DESC, "),
        ((*CREATE, "--overlap", "never"), "--overlap 'never' must be one of ALLOW, SKIP, QUEUE"),
        ((*CREATE, "-X", "PURGE"), "--method 'PURGE' must be one of GET, "),
        (("forecast", "--next", "99999999999d"), "--next: '99999999999d' is longer than 100 years"),
        (("import", "vercel", "list.json", "--base-url", "http://h"), "vercel.json has no crons"),
        (("import", "hasura", "owned.yaml"), "cron_triggers.yaml must be a list of objects"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_call(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    """With status 2, and a line that says what would be right."""
    environment = {"DUETIME_URL": f"http://127.0.0.1:{free_port()}", "XDG_CONFIG_HOME": str(tmp_path)}
    for name, text in (
        ("two.yaml", "name: a\n---\nname: b\n"),
        ("list.yaml", "[{name: a}, {name: b}]"),
        ("bad.json", "{"),
        ("list.json", "[]"),
        ("text.yaml", "text"),
        ("texts.yaml", "[text]"),
        ("owner.yaml", "owner: 7\ntasks: []"),
        ("owned.yaml", "owner: a\ntasks: []"),
        ("tagged.yaml", "owner: a\ntasks: [{externalId: e, tags: ['owner:b']}]"),
        ("tag.yaml", "a: !x y"),
        ("merge.yaml", "<<: 7"),
        ("control.yaml", "\x01"),
        ("escapes.yaml", '- externalId: "a\\e[31m"\n- externalId: "a\\e[31m"'),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "empty").mkdir()
    result = duetime_in_process(*arguments, cwd=tmp_path, environment=environment)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result
    assert result.stderr.startswith("duetime: ")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SSL_CERT_FILE": "/nowhere"}, "the settings of proxies or certificates cannot be used: "),
        ({"HTTP_PROXY": "gopher://h"}, "the settings of proxies or certificates cannot be used: "),
        ({"DUETIME_URL": ""}, "config.toml: profiles must be tables, such as [profiles.default]"),
    ],
)
def test_settings_that_cannot_be_used_are_told(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    """Proxies and certificates are those of httpx, and the profiles are in a file that people change."""
    (tmp_path / "duetime").mkdir()
    (tmp_path / "duetime" / "config.toml").write_text("profiles = 7")
    given = {"DUETIME_URL": f"http://127.0.0.1:{free_port()}", "XDG_CONFIG_HOME": str(tmp_path)} | environment
    result = duetime_in_process("tasks", "list", cwd=tmp_path, environment=given)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result
    assert message in result.stderr


def test_options_become_members_of_a_task(service: Service) -> None:
    """Each option has its place; a file or stdin gives the others."""
    (service.folder / "body").write_text("one\ntwo\n")
    given = "name: From stdin\ntrigger: {interval: {everyMs: 1000}}\naction: {method: PUT}\nretry: {factor: 3.0}\n"
    options = (
        *(
            "--url",
            service.target,
            "--at",
            "2100-01-01T00:00:00+01:00",
            "-H",
            "X-A: b",
            "--secret-header",
            "X-B=SECRET",
        ),
        *("--data", "@body", "--max-attempts", "2", "--overlap", "queue", "--misfire", "skip", "--flow-key", "k"),
        *("--description", "d", "--tag", "t", "--external-id", "options"),
    )
    secret = {"SECRET": "swordfish-1"}
    given = given.replace("{method: PUT}", "{method: PUT, form: [{name: a, value: b}]}")
    created = service.run("tasks", "create", "-f", "-", *options, "--json", environment=secret, stdin=given)
    assert created.returncode == 0, created
    task = json.loads(created.stdout)
    assert (task["name"], task["trigger"]["at"]) == ("From stdin", "2099-12-31T23:00:00Z")
    assert (task["action"]["method"], task["action"]["body"]) == ("PUT", "one\ntwo\n")
    assert [header["name"] for header in task["action"]["headers"]] == ["X-A", "X-B"]
    assert (task["retry"]["maxAttempts"], task["retry"]["factor"]) == (2, 3)
    assert (task["overlap"], task["misfire"], task["flowKey"], task["tags"]) == ("QUEUE", "SKIP", "k", ["t"])
    action = f"action: {{url: '{service.target}', payload: {{}}}}"
    tried = service.run("try", "-f", "-", "-X", "POST", "--data", "text", stdin=action)
    assert "status 405" in " ".join(tried.stdout.split()), tried
    assert service.run("try", "-f", "-", stdin="action: [1]").stderr == "duetime: -: action must be an object\n"
    shown = " ".join(service.output("tasks", "show", "options").split())
    assert "trigger once at 2099-12-31 23:00:00Z" in shown
    assert "body one two" in shown
    assert "header X-B: (secret)" in shown


@contextmanager
def answering(status: int, kind: str, body: str) -> Iterator[str]:
    """Run a server that answers everything in the same way, and yield its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "body", "exit_status", "message"),
    [
        (502, "text/html", "<html>", 3, "answered with status 502: it is not available"),
        (503, "application/json", '{"errors":[{"message":"Busy"}]}', 3, "status 503: Busy"),
        (301, "text/html", "", 3, "does not answer as a Duetime does (status 301)"),
        (200, "application/json", "[]", 3, "does not answer as a Duetime does (status 200)"),
        (200, "application/json", '{"errors":[{"message":"No\\n\\u001b[31m"}]}', 1, "duetime: No  [31m\n"),
    ],
)
def test_answers_of_what_is_no_duetime_are_told(
    tmp_path: Path, status: int, kind: str, body: str, exit_status: int, message: str
) -> None:
    """A proxy in between, another service, and a wrong port."""
    with answering(status, kind, body) as url:
        environment = {"DUETIME_URL": url, "XDG_CONFIG_HOME": str(tmp_path)}
        result = duetime_in_process("tasks", "list", cwd=tmp_path, environment=environment)
    assert (result.returncode, result.stdout) == (exit_status, ""), result
    assert message in result.stderr
