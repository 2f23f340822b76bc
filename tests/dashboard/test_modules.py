"""The dashboard's modules that need no browser, tested by Node.js's own runner."""

from pathlib import Path

from tests.support.node import node


async def test_modules() -> None:
    """All tests in the TypeScript files of this folder pass."""
    first, *others = sorted(Path(__file__).parent.glob("*.ts"))
    report = await node(first, *map(str, others), options=["--test", "--test-reporter=spec"])
    assert "fail 0" in report
