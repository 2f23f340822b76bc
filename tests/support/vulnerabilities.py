# ruff: noqa: T201 (a program, which prints)
"""A program: whether any version in the lock files has a known vulnerability, by pip-audit and OSV (https://osv.dev).

Where OSV cannot be reached it says so and fails nothing. That it can be is seen from a version that is known to be
vulnerable: a mirror that knows no advisories would find everything safe.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

LOCKS = ("requirements.txt", "requirements-pages.txt", "requirements-dev.txt")
KNOWN_TO_BE_VULNERABLE = f"jinja2==2.4.1 --hash=sha256:{'0' * 64}\n"
WITHIN = 120


def audit(*files: str) -> "subprocess.CompletedProcess[str]":
    """What pip-audit makes of lock files. It only reads them: nothing is installed or resolved."""
    requirements = [argument for file in files for argument in ("--requirement", file)]
    return subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"),
            *("--vulnerability-service", "osv", "--timeout", "10", *requirements),
        ],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )


def answers() -> str | None:
    """Why OSV cannot be asked; None when it can."""
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "requirements.txt"
        canary.write_text(KNOWN_TO_BE_VULNERABLE)
        try:
            found = audit(str(canary))
        except subprocess.TimeoutExpired:
            return f"no answer within {WITHIN} s"
    if found.returncode and "jinja2" in found.stdout:
        return None
    lines = found.stderr.strip().splitlines()
    return lines[-1] if lines else "it knows of no vulnerability"


def main() -> None:
    """Prints what was found, and ends with 1 when that is anything."""
    if reason := answers():
        print(f"Known vulnerabilities were not looked for, since OSV cannot be asked: {reason}")
        return
    found = audit(*LOCKS)
    print(found.stdout + found.stderr, end="")
    sys.exit(found.returncode)


if __name__ == "__main__":
    main()
