# ruff: noqa: T201 (a command-line program prints)
"""Looks for known vulnerabilities in the locked versions, with pip-audit and OSV (https://osv.dev).

If OSV cannot be reached, it says so and succeeds. It first audits a version that is known to be vulnerable, because a
mirror without advisories would report that everything is safe.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

LOCKS = ("requirements.txt", "requirements-pages.txt", "requirements-dev.txt")
VULNERABLE_REQUIREMENT = f"jinja2==2.4.1 --hash=sha256:{'0' * 64}\n"
TIMEOUT_SECONDS = 120


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
    if reason := why_unavailable():
        print(f"The locked versions were not checked for known vulnerabilities, because OSV cannot be used: {reason}")
        return
    result = audit(*LOCKS)
    print(result.stdout + result.stderr, end="")
    sys.exit(result.returncode)


if __name__ == "__main__":
    main()
