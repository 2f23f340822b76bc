"""The local stack among other programs of its machine: what its servers are given, and who can take its port."""

from pathlib import Path

from tests.support.command import duetime, duetime_up
from tests.support.ports import free_port

KEY = "c2VjcmV0LWtleS1vZi10aGUtaG9zdGlsZS10ZXN0cy4="
GIVEN = {"DUETIME_SECRET_KEY": KEY, "AWS_SECRET_ACCESS_KEY": "of-the-user"}
ALLOWED = {"PATH", "LC_ALL", "LC_CTYPE"}
"""LC_CTYPE is what Python sets by itself in the C locale."""
SERVERS = {"postgres", "valkey-server"}


def test_the_servers_are_not_given_the_secrets_of_the_environment(data_dir: Path) -> None:
    """Whoever breaks into an embedded server reads its environment, which contains neither our key nor the user's."""
    with duetime_up(data_dir, environment=GIVEN) as up:
        guarded = [
            process
            for process in up.descendants()
            if process.name() in SERVERS or any("watchdog.py" in word for word in process.cmdline())
        ]
        assert {process.name() for process in guarded} >= SERVERS
        for process in guarded:
            assert set(process.environ()) <= ALLOWED, process
        workers = [process for process in up.descendants() if process.cmdline()[-1:] == ["worker"]]
        assert [process.environ()["DUETIME_SECRET_KEY"] for process in workers] == [KEY]


def test_helper_programs_are_not_given_the_secrets_of_the_environment(data_dir: Path) -> None:
    """Scripts that record their environment replace the programs of Postgres, which another user runs under root."""
    data_dir.mkdir()
    data_dir.chmod(0o755)
    recorded = data_dir / "recorded"
    recorded.touch()
    recorded.chmod(0o666)
    for program in ("postgres", "initdb"):
        script = data_dir / program
        script.write_text(f'#!/bin/sh\nenv >> {recorded}\n[ "$1" = --version ] && exec echo postgres 18\nexit 3\n')
        script.chmod(0o755)
    environment = GIVEN | {
        "DUETIME_POSTGRES_BIN": str(data_dir),
        "DUETIME_VALKEY_BIN": str(data_dir / "postgres"),
        "DUETIME_DATA_DIR": str(data_dir / "data"),
        "PORT": str(free_port()),
    }

    result = duetime("up", cwd=data_dir, environment=environment)

    assert "could not be created" in result.stderr
    names = {line.partition("=")[0] for line in recorded.read_text().splitlines()}
    # The shell adds these two.
    assert names - {"PWD", "_", "OLDPWD", "SHLVL"} <= ALLOWED
