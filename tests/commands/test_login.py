"""`duetime login`, and which Duetime and key the commands use."""

import subprocess
from pathlib import Path

import pytest

from tests.commands.conftest import Service
from tests.support.command import duetime_in_process


class Commands:
    """Commands with a configuration of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "duetime" / "config.toml"

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command."""
        given = {"XDG_CONFIG_HOME": str(self.folder), "TZ": "UTC"} | environment
        return duetime_in_process(*arguments, cwd=self.folder, environment=given, stdin=stdin)


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Return commands without any profile."""
    return Commands(tmp_path)


def test_login_stores_a_profile_that_only_its_owner_can_read(service: Service, commands: Commands) -> None:
    """The key comes from stdin, is checked, and is never printed. A profile's key goes to its own address alone."""
    login = ("login", service.url, "--key-stdin")
    assert commands.run(*login, stdin="due_wrong\n").returncode == 4
    assert not commands.file.exists()
    for name, key in (("default", service.read_key), ("staging", service.admin_key)):
        result = commands.run(*login, "--profile", name, stdin=f"{key}\n")
        assert (result.returncode, result.stderr) == (0, ""), result
        assert result.stdout == f"Stored the profile {name} for {service.url} in {commands.file}.\n"
    assert commands.file.stat().st_mode & 0o777 == 0o600
    create = ("tasks", "create", "--name", "by profile", "--url", service.target, "--every", "1h")
    assert commands.run(*create).returncode == 4
    assert commands.run(*create, "--profile", "staging").returncode == 0
    assert commands.run(*create, DUETIME_PROFILE="staging").returncode == 0
    assert commands.run(*create, DUETIME_KEY=service.admin_key).returncode == 0
    assert commands.run("tasks", "list", DUETIME_URL=service.url).returncode == 4
    unknown = commands.run("tasks", "list", "--profile", "other")
    assert "there is no profile 'other'" in unknown.stderr
    assert "has default, staging" in unknown.stderr


def test_a_profile_needs_no_key(commands: Commands) -> None:
    """`--no-check` stores it before there is a Duetime, at the default address."""
    result = commands.run("login", "--no-key", "--no-check", "--profile", "local")
    assert result.returncode == 0, result
    assert commands.file.read_text() == '[profiles.local]\nurl = "http://127.0.0.1:8080"\n'
    assert "has local" in commands.run("tasks", "list", "--profile", "x").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--key-stdin", "--no-key"), "give one of --key-stdin and --no-key"),
        ((), "there is no terminal to ask for the key on; give it on stdin with --key-stdin"),
        (
            ("--no-key", "--profile", "a b", "--no-check"),
            "'a b' is not a valid profile name; use letters, digits, - and _",
        ),
        (
            ("--key-stdin",),
            "the key on stdin is not a key: it contains a space or a character that keys cannot contain",
        ),
        (("http://h/?key=x", "--no-key"), "URL has more than scheme, host, port and path"),
    ],
)
def test_what_cannot_be_stored_is_refused(commands: Commands, arguments: tuple[str, ...], message: str) -> None:
    """With status 2, and without a file."""
    result = commands.run("login", *arguments, stdin="two words\n")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert message in result.stderr
    assert not commands.file.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[profiles", "cannot be read: "),
        ("[profiles.default]\nkey = 'x'", 'profiles.default needs url = "http://…"'),
        ("[profiles.default]\nurl = 'http://h'\nkey = 7", "profiles.default.key must be a text"),
        ("[profiles.default]\nurl = 'http://h'\nkey = 'a b'", "profiles.default.key is not a key"),
        ("[profiles.default]\nurl = 'h'", "profiles.default.url is not the address of a Duetime"),
    ],
)
def test_what_is_wrong_with_the_file_is_told(commands: Commands, text: str, message: str) -> None:
    """With its path, and never with a key."""
    commands.file.parent.mkdir()
    commands.file.write_text(text)
    for result in (commands.run("tasks", "list"), commands.run("login", "--no-key", "--no-check")):
        assert result.returncode == 2
        assert f"{commands.file}" in result.stderr
        assert message in result.stderr
    assert commands.file.read_text() == text


def test_a_folder_that_cannot_be_written_is_told(commands: Commands) -> None:
    """Here it is a file."""
    (commands.folder / "duetime").write_text("")
    result = commands.run("login", "--no-key", "--no-check")
    assert result.returncode == 2
    assert f"{commands.file} cannot be " in result.stderr
