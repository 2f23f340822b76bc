# ruff: noqa: T201 (a command-line program prints)
"""Looks for known vulnerabilities in the locked versions: with a list of our own, and with pip-audit and OSV.

The list, `tests/data/minimum_versions.toml`, works everywhere, and knows what was known when it was written. OSV
(https://osv.dev) knows more; if it cannot be reached, this program says so, and the list alone decides. It first audits
a version that is known to be vulnerable, because a mirror without advisories would report that everything is safe.
"""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version

from tests.support.lock import pins

MINIMUM_VERSIONS = Path("tests/data/minimum_versions.toml")
LOCKS = ("requirements.txt", "requirements-pages.txt", "requirements-dev.txt")
# The graphql-core in it is older than the list allows, because it is of the line 3.2, whose fixes have other numbers.
GENERATOR = "requirements-ariadne.txt"
VULNERABLE_REQUIREMENT = f"jinja2==2.4.1 --hash=sha256:{'0' * 64}\n"
TIMEOUT_SECONDS = 120


def too_old(minimums: Mapping[str, Any], locks: Sequence[Path]) -> Iterator[str]:
    """Yield a line for each locked version below its minimum, and for each minimum of a package that is not locked."""
    unlocked = set(minimums)
    for lock in locks:
        for name, pin in pins(lock).items():
            unlocked.discard(name)
            if name not in minimums:
                continue
            minimum, reason = minimums[name]["minimum"], minimums[name]["reason"]
            if Version(pin.version) < Version(minimum):
                yield f"{lock.name}: {name} {pin.version} is older than {minimum}: {reason}"
    for name in sorted(unlocked):
        yield f"{MINIMUM_VERSIONS.name}: {name} is in no lock file; take it out of this list"


def audit(*files: str) -> "subprocess.CompletedProcess[str]":
    """Run pip-audit on lock files. It only reads them, and installs or resolves nothing."""
    requirements = [argument for file in files for argument in ("--requirement", file)]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
            *("--vulnerability-service", "osv", "--timeout", "10", *requirements),
        ],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def why_unavailable() -> str | None:
    """Return why OSV cannot be used, or None if it can."""
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "requirements.txt"
        canary.write_text(VULNERABLE_REQUIREMENT)
        try:
            result = audit(str(canary))
        except subprocess.TimeoutExpired:
            return f"no response within {TIMEOUT_SECONDS} s"
    if result.returncode and "jinja2" in result.stdout:
        return None
    lines = result.stderr.strip().splitlines()
    return lines[-1] if lines else "it reports no vulnerability in a version that has one"


def main() -> None:
    """Print the vulnerabilities, and exit with status 1 if there are any."""
    minimums = tomllib.loads(MINIMUM_VERSIONS.read_text())
    if problems := list(too_old(minimums, [Path(lock) for lock in LOCKS])):
        print(*problems, sep="\n", file=sys.stderr)
        sys.exit(1)
    print(f"The locked versions of {len(minimums)} packages with known vulnerabilities are new enough.")
    if reason := why_unavailable():
        print(f"The locked versions were not compared with OSV, because it cannot be used: {reason}")
        return
    results = [audit(*LOCKS), audit(GENERATOR)]
    print(*(result.stdout + result.stderr for result in results), sep="", end="")
    sys.exit(max(result.returncode for result in results))


if __name__ == "__main__":
    main()
