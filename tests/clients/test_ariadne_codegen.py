"""ariadne-codegen: a Python client of every documented operation, generated and used as docs/clients.md says."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.support import recipes
from tests.support.graphql import Api
from tests.support.recipes import DOCUMENTED, FILES, OUTPUTS, PAGE, ROOT

PROGRAM = "generated_client.py"
OVERLAY = ROOT / ".venv/ariadne"
"""The generator and the graphql-core that it needs, before the packages of the environment."""
WITHIN = 60


async def python(folder: Path, *arguments: str, path: str = "") -> str:
    """Run Python in a folder and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complaints = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode == 0, complaints.decode()
    return printed.decode()


async def test_the_generated_client_works(service: Api, tmp_path: Path) -> None:
    """The client is generated from the schema and all operations, and the program prints what the page says."""
    assert OVERLAY.is_dir(), "ariadne-codegen is not installed: run `make test`"
    recipes.write(tmp_path)
    [configuration] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "pyproject.toml").write_text(configuration)
    await python(tmp_path, "-m", "ariadne_codegen", path=str(OVERLAY))
    (tmp_path / PROGRAM).write_text(FILES[PROGRAM].replace(DOCUMENTED, f"127.0.0.1:{service.port}"))
    assert await python(tmp_path, PROGRAM) == OUTPUTS[PROGRAM]
