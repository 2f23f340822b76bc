"""Known vulnerabilities: the lock files contain no version that is known to be vulnerable."""

import tomllib
from pathlib import Path

import pytest
from graphql import GraphQLError, parse

from tests.support.vulnerabilities import LOCKS, MINIMUM_VERSIONS, too_old

ROOT = Path(__file__).parents[2]


def test_no_locked_version_is_known_to_be_vulnerable() -> None:
    """Each minimum says why, and belongs to a package that is locked."""
    minimums = tomllib.loads((ROOT / MINIMUM_VERSIONS).read_text())
    assert minimums
    assert all(set(each) == {"minimum", "reason"} and each["reason"] for each in minimums.values())
    assert list(too_old(minimums, [ROOT / lock for lock in LOCKS])) == []


def test_an_older_version_is_reported_with_the_reason(tmp_path: Path) -> None:
    """Versions are compared as versions, not as text, and names in any spelling."""
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "GraphQL_Core==3.2.9 \\\n    --hash=sha256:00\naiohttp==3.14.10 \\\n    --hash=sha256:00\n"
        "tool==2.0rc1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    minimums = {
        "graphql-core": {"minimum": "3.2.12", "reason": "CVE-1"},
        "aiohttp": {"minimum": "3.14.3", "reason": "CVE-2"},
        "tool": {"minimum": "2.0", "reason": "CVE-3"},
        "gone": {"minimum": "1", "reason": "CVE-4"},
    }
    assert list(too_old(minimums, [lock])) == [
        "requirements.txt: graphql-core 3.2.9 is older than 3.2.12: CVE-1",
        "requirements.txt: tool 2.0rc1 is older than 2.0: CVE-3",
        "minimum_versions.toml: gone is in no lock file; take it out of this list",
    ]


def test_comments_count_as_tokens() -> None:
    """The installed graphql-core has the fix of CVE-2026-75508; without it comments evade the limit of tokens."""
    with pytest.raises(GraphQLError, match="more than 20 tokens"):
        parse("#\n" * 50 + "{ a }", max_tokens=20)
