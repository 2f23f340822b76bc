"""Schemathesis derives requests of all kinds from the OpenAPI document, and checks the responses against it."""

import asyncio
import re
import sys
from pathlib import Path

from tests.support.graphql import Api

ROOT = Path(__file__).parents[2]
MAX_EXAMPLES = "8"
"""Of each operation, beside those that the document's own examples and bounds make."""
SEED = "1"
"""The same requests each time; another seed is a way to look for more."""
AS_THE_CONTRACT_HAS_IT = "use_after_free"
"""DELETE cancels a task, which stays and can be read: the one check that is not for this API."""


async def test_every_check_of_schemathesis(api: Api, tmp_path: Path) -> None:
    """Valid requests are accepted and invalid ones refused as the document says, also in sequences."""
    process = await asyncio.create_subprocess_exec(
        *(
            str(Path(sys.executable).parent / "schemathesis"),
            "--config-file",
            str(ROOT / "tests/support/schemathesis.toml"),
        ),
        *(
            "run",
            f"{api.url}/openapi.json",
            "--checks",
            "all",
            "--exclude-checks",
            AS_THE_CONTRACT_HAS_IT,
            "--mode",
            "all",
            "--max-examples",
            MAX_EXAMPLES,
            "--seed",
            SEED,
        ),
        *("--warnings", "off", "--continue-on-failure", "--generation-database", "none", "--no-color"),
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    tested = re.search(r"Tested: (\d+)", output)
    assert tested is not None, output
    assert int(tested.group(1)) == 17
    assert "Stateful" in output
