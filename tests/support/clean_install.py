# ruff: noqa: T201 (a command-line program prints)
"""Installs the wheel into empty environments of every Python that is there, and runs the program from it.

Each environment has the locked dependencies and no source tree. The program migrates, serves its pages, makes a call.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
READY_WITHIN = 120
CREATE = """mutation ($target: String!) { createTask(input: {
    name: "smoke", trigger: { oneOff: { delayMs: 200 } }, action: { url: $target }
}) { __typename } }"""
RUNS = "{ runs(first: 1) { nodes { state statusCode } } }"


def pythons() -> Iterator[str]:
    """Yield the Pythons that are installed. A name may lead to nothing, as those of version managers do."""
    for name in PYTHONS:
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            yield path


def build(folder: Path) -> Path:
    """Return the path of a freshly built wheel."""
    command: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    return wheel


def install(python: str, wheel: Path, folder: Path) -> Path:
    """Return the command `duetime` in a new environment."""
    subprocess.run([python, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--require-hashes", "--requirement", ROOT / "requirements.txt"], check=True)
    subprocess.run([*pip, "install", "--no-index", "--no-deps", wheel], check=True)
    subprocess.run([*pip, "check"], check=True)
    return folder / "bin" / "duetime"


def ask(url: str, query: str, **variables: str) -> Any:
    """Execute an operation."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["data"]


def is_ready(running: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Return whether the service has said that it is ready. Fail if it has ended."""
    assert running.poll() is None, "it ended at its start"
    return "Duetime is ready" in log.read_text(errors="replace")


def try_out(command: Path, folder: Path) -> None:
    """Run everything from an installation: servers, migrations, API, pages, worker."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PORT": str(port)}
    log = folder / "log"
    with log.open("wb") as output:
        running = subprocess.Popen([command, "up"], cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        wait_for(lambda: is_ready(running, log), what="the service is ready", within=READY_WITHIN)
        page = urllib.request.Request(f"{url}/graphql", headers={"Accept": "text/html"})
        with urllib.request.urlopen(page, timeout=20) as answer:
            assert b"<script" in answer.read(), "there is no page"
        assert ask(url, CREATE, target=f"{url}/health") == {"createTask": {"__typename": "Task"}}
        succeeded = {"runs": {"nodes": [{"state": "SUCCEEDED", "statusCode": 200}]}}
        wait_for(lambda: ask(url, RUNS) == succeeded, what="the call is made", within=30)
    except BaseException:
        print(log.read_text(errors="replace"), file=sys.stderr)
        raise
    finally:
        running.terminate()
        status = running.wait(60)
    assert status == 0, f"it ended with {status}"


def main() -> int:
    """Try each Python, and say so."""
    with tempfile.TemporaryDirectory() as temporary:
        wheel = build(Path(temporary, "wheel"))
        for python in pythons():
            folder = Path(temporary, Path(python).name)
            command = install(python, wheel, folder)
            try_out(command, folder)
            version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
            print(f"{version} works from its wheel with {Path(python).name}.")
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
