"""The recipes of docs/clients.md as a folder: written, completed by the generators that the page names, compiled."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.node import NODE, TESTS

ROOT = TESTS.parent
PAGE = (ROOT / "docs" / "clients.md").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
FILES: dict[str, str] = dict(re.findall(r"`([\w./-]+\.\w+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL))
OUTPUTS: dict[str, str] = dict(
    re.findall(r"`([\w./-]+\.\w+)`:\n\n```\w+\n(?:(?!```).)*```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
)
"""What a program prints, by its path."""
DOCUMENTED = "127.0.0.1:8080"
SOURCES = ("*.ts", "apollo", "urql", "relay")
COMPILED = "compiled"
TYPESCRIPT = ROOT / "dashboard/node_modules/typescript/bin/tsc"
GRAPHQL_TAG = re.compile(r"graphql `\s*(?:query|fragment|subscription) (\w+).*?`", re.DOTALL)
ARTIFACT = re.compile(r"(?<=from ['\"])\./\w+\.graphql(?=['\"])")
ENDS_WITHIN = 60


@dataclass(frozen=True, slots=True)
class Recipes:
    """The folder of a user who has followed the page."""

    folder: Path

    def program(self, name: str, *, port: int) -> Path:
        """Write a program of the page for another port, and return the path of what was compiled."""
        compiled = (self.folder / COMPILED / name).with_suffix(".js")
        path = compiled.with_stem(f"{compiled.stem}-{port}")
        path.write_text(compiled.read_text().replace(DOCUMENTED, f"127.0.0.1:{port}"))
        return path


def write(folder: Path) -> None:
    """Write the files of the page, the schema, and all documented operations, beside the packages of the tests."""
    folder.mkdir(exist_ok=True)
    (folder / "node_modules").symlink_to(TESTS / "node_modules", target_is_directory=True)
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    documents = re.findall(r"```graphql\n(.*?)```", OPERATIONS, re.DOTALL)
    (folder / "operations.graphql").write_text("\n".join(documents))
    (folder / "schema.graphql").write_text((ROOT / "schema.graphql").read_text("utf-8"))
    (folder / "package.json").write_text('{"type": "module"}')
    options = json.loads((TESTS / "tsconfig.json").read_text())["compilerOptions"]
    del options["noEmit"], options["allowImportingTsExtensions"], options["erasableSyntaxOnly"]
    options |= {"rewriteRelativeImportExtensions": True, "resolveJsonModule": True, "jsx": "react-jsx"}
    options |= {"outDir": COMPILED, "rootDir": "."}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": SOURCES}))


def run(folder: Path, script: Path, *arguments: str) -> str:
    """Run a tool of Node.js in the folder and return what it printed, which must not be the report of a mistake."""
    done = subprocess.run(
        [NODE, script, *arguments], cwd=folder, capture_output=True, text=True, timeout=ENDS_WITHIN, check=False
    )
    assert done.returncode == 0, f"{script.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def relay_compiler(folder: Path) -> str:
    """Generate Relay's artifacts and return what the compiler printed."""
    return run(folder, TESTS / "node_modules/relay-compiler/cli.js")


def graphql_codegen(folder: Path) -> str:
    """Generate types, documents, possible types and the introspection of the schema, and return what was printed."""
    return run(folder, TESTS / "node_modules/@graphql-codegen/cli/cjs/bin.js")


def compile_all(folder: Path) -> None:
    """Check the types of all recipes, and compile them."""
    run(folder, TYPESCRIPT, "--project", ".")
    for path in (folder / COMPILED / "relay").rglob("*.js"):
        path.write_text(with_artifacts(path.read_text()))


def with_artifacts(program: str) -> str:
    """Return a program with the artifacts of its documents in their place, as babel-plugin-relay and a bundler do it.

    Artifacts name each other without a suffix, which Node.js does not find.
    """
    names = GRAPHQL_TAG.findall(program)
    imports = [f'import artifactOf{name} from "./__generated__/{name}.graphql.js";\n' for name in names]
    return "".join(imports) + ARTIFACT.sub(r"\g<0>.js", GRAPHQL_TAG.sub(r"artifactOf\1", program))
