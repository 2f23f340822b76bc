"""docs/operate.md: its commands, its units of systemd and its alerts are what the program and the tools take."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from duetime.cli import parser

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "operate.md").read_text("utf-8")
DOCUMENTS = sorted([*DOCS.glob("*.md"), DOCS.parent / "README.md"])
INSTALLED = "/opt/duetime/.venv/bin/duetime"
ANALYZE = shutil.which("systemd-analyze")


def commands(text: str) -> list[str]:
    """Return the arguments of each command `duetime` in the blocks of code, and in the units of systemd."""
    blocks = "".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    return re.findall(
        r"^(?:\$ |ExecStart(?:Pre)?=)?(?:\w+=\S+ )*(?:\S*/)?duetime ((?:[a-z-]+\b).*)$", blocks, re.MULTILINE
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(path: Path) -> None:
    """The parser takes its arguments."""
    for arguments in commands(path.read_text("utf-8")):
        parser().parse_args(shlex.split(arguments, comments=True))


def test_commands_are_found() -> None:
    """The guide has those of systemd and those that people type."""
    assert {"api", "worker", "migrate", "doctor", "backup duetime.dump", "restore duetime.dump"} <= set(commands(GUIDE))


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_the_units_are_valid(tmp_path: Path) -> None:
    """systemd finds nothing wrong with them, apart from the program, which is not installed here."""
    units = re.findall(r"`/etc/systemd/system/([\w@.-]+)`.*?```ini\n(.*?)```", GUIDE, re.DOTALL)
    assert [name for name, _ in units] == ["duetime-api.service", "duetime-worker@.service"]
    for name, text in units:
        path = tmp_path / name.replace("@.", "@1.")
        path.write_text(text.replace(INSTALLED, "/bin/true"))
        result = subprocess.run(
            [str(ANALYZE), "verify", path],
            capture_output=True,
            text=True,
            check=False,
            env={"SYSTEMD_LOG_LEVEL": "warning"},
        )
        assert [line for line in result.stderr.splitlines() if name.partition("@")[0] in line] == []


def test_the_alerts_are_rules() -> None:
    """Each has an expression, a time for which it must hold, and a summary."""
    [group] = yaml.safe_load((DOCS / "alerts.yml").read_text("utf-8"))["groups"]
    assert {rule["alert"] for rule in group["rules"]} == set(re.findall(r"`(Duetime\w+)`", GUIDE))
    for rule in group["rules"]:
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"]["summary"].endswith(".")
