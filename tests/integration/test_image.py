"""The image is built from what the Dockerfile copies. No container engine is needed to see that this suffices."""

import shlex
import shutil
import subprocess
from pathlib import Path, PurePosixPath

from tests.support.node import NODE

ROOT = Path(__file__).parents[2]
BUILD = "RUN node node_modules/vite/bin/vite.js build"


def lines_of_stage(name: str) -> list[str]:
    """Return the instructions of one stage of the Dockerfile."""
    stages = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    [stage] = [stage for stage in stages if stage.partition("\n")[0].endswith(f" AS {name}")]
    return stage.splitlines()[1:]


def test_the_pages_are_built_from_what_the_dockerfile_copies(tmp_path: Path) -> None:
    """Also .dockerignore lets all of it through."""
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    folder = PurePosixPath("/")
    for line in lines_of_stage("pages"):
        instruction, *arguments = shlex.split(line) or [""]
        if instruction == "WORKDIR":
            folder /= arguments[0]
        elif instruction == "COPY":
            *sources, destination = arguments
            for source in map(PurePosixPath, sources):
                assert source.parts[0] in let_through
                to = tmp_path / (folder / destination).relative_to("/")
                if (ROOT / source).is_dir():
                    shutil.copytree(
                        ROOT / source, to, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True
                    )
                else:
                    to.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / source, to)
        elif line == BUILD:
            break
    else:
        raise AssertionError(f"the stage does not {BUILD}")
    built_in = tmp_path / folder.relative_to("/")
    (built_in / "node_modules").symlink_to(ROOT / "dashboard" / "node_modules")
    # The minifier takes half of the time and reads no file.
    build: list[str | Path] = [NODE, *shlex.split(BUILD)[2:], "--minify", "false"]
    subprocess.run(build, cwd=built_in, check=True, capture_output=True)
    pages = {page.name for page in (built_in.parent / "graphql_api" / "static").glob("*.html")}
    assert pages == {"index.html", "graphql.html", "swagger.html"}
