"""What the command imports: `--help` and servers nothing of the client, and the client nothing of servers."""

import subprocess
import sys

CLIENT = {"typer", "rich", "yaml"}
SERVERS = {"sqlalchemy", "asyncpg", "arq", "starlette", "strawberry", "uvicorn", "graphql_api", "jobs", "db"}
ENTRIES = (
    "duetime.server_commands",
    "duetime.api",
    "duetime.worker",
    "duetime.up",
    "duetime.process_group",
    "duetime.doctor",
    "duetime.keys",
)
"""The modules that the commands of servers import."""


def modules_after(code: str) -> set[str]:
    """Return the modules that are imported when a program has run."""
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nsys.stderr.write(' '.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return set(result.stderr.split())


def test_help_and_servers_import_nothing_of_the_client() -> None:
    """`--help` takes what the parser of the servers' commands takes, and one module more."""
    parser = modules_after("from duetime.cli import main; main(['--help'])")
    whole = modules_after("from duetime.command import main; main(['--help'])")
    assert whole - parser == {"duetime.command"}
    assert not whole & SERVERS
    servers = modules_after(f"import {', '.join(ENTRIES)}")
    for found in (whole, servers):
        assert not found & CLIENT
        assert [name for name in found if name.startswith("duetime.client.")] == []


def test_the_client_imports_nothing_of_servers() -> None:
    """Importing them takes longer than most commands."""
    client = modules_after("from duetime.command import main; main(['tasks', '--help'])")
    assert client >= CLIENT
    assert not client & SERVERS
