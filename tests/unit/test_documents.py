"""The documents are well-formed: links lead somewhere, each row of a table has a cell a column, code blocks end."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CELL_BORDER = re.compile(r"(?<!\\)\|")


def parsed(text: str) -> list[Token]:
    """Return the tokens of a document in GitHub's flavour."""
    return MarkdownIt("gfm-like", {"linkify": False}).parse(text)


def text_of(path: Path) -> str:
    """Return the text of a document."""
    return path.read_text("utf-8")


def links(tokens: list[Token]) -> Iterator[str]:
    """Yield what each link and each image points to."""
    for token in tokens:
        for child in token.children or ():
            for name in ("href", "src"):
                if name in child.attrs:
                    yield str(child.attrs[name])


def anchors(tokens: list[Token]) -> set[str]:
    """Return the anchors that GitHub gives to the headings."""
    headings = (tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open")
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each table outside code blocks: the number of its first line, and its lines."""
    table: list[str] = []
    in_code = False
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        in_code ^= line.lstrip().startswith("```")
        if line.startswith("|") and not in_code:
            table.append(line)
        elif table:
            yield number - len(table), table
            table = []


def broken_tables(text: str) -> list[str]:
    """Return a message for each row that has not as many cells as its table's header."""
    messages = []
    for first, table in table_lines(text):
        columns = len(CELL_BORDER.findall(table[0]))
        messages += [
            f"line {first + at}: {len(CELL_BORDER.findall(row)) - 1} cells, the header has {columns - 1}"
            for at, row in enumerate(table)
            if len(CELL_BORDER.findall(row)) != columns
        ]
        if len(table) < 3 or not re.fullmatch(r"\|( *:?-+:? *\|)+", table[1].strip()):
            messages.append(f"line {first}: a table needs a header, a line of dashes, and a row")
    return messages


def broken_links(path: Path) -> list[str]:
    """Return the relative links that lead to no file, or to no heading of it."""
    broken = []
    for link in links(parsed(text_of(path))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(parsed(text_of(target)))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Each relative link names a file of the repository, and a heading in it where it has an anchor."""
    assert broken_links(path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_tables_are_well_formed(path: Path) -> None:
    """Each row of each table has a cell for each column."""
    assert broken_tables(text_of(path)) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_code_blocks_end(path: Path) -> None:
    """A code block that does not end would swallow the rest of the page."""
    assert text_of(path).count("\n```") % 2 == 0


def test_the_checks_find_what_is_broken(tmp_path: Path) -> None:
    """A link to nowhere, a missing heading, and a row with too few cells are found."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A title\n\n[gone](gone.md) [no heading](#other) [here](#a-title)\n\n| a | b |\n| --- | --- |\n| 1 |\n"
    )
    assert broken_links(page) == ["gone.md", "#other"]
    assert broken_tables(text_of(page)) == ["line 7: 1 cells, the header has 2"]


def test_readme_has_a_row_for_each_folder() -> None:
    """The architecture section is the map: each folder with Python files in it has a row, and each row is a folder."""
    section = text_of(ROOT / "README.md").split("\n## Architecture\n")[1].split("\n### ")[0]
    mapped: set[str] = set()
    for row in re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE):
        parent = ""
        for name in re.findall(r"`(.*?)/`", row):
            parent = parent if "/" not in name and parent else name.rpartition("/")[0]
            mapped.add(name if "/" in name or not parent else f"{parent}/{name}")
    packages = {
        str(path.parent.relative_to(ROOT))
        for package in ("duetime", "graphql_api", "jobs", "db")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert packages <= mapped
    assert {name for name in mapped if not (ROOT / name).is_dir()} == set()


def test_every_hostile_test_that_is_named_exists() -> None:
    """The table of attacks names tests, in the folder of hostile tests or another one, and each of them is there."""
    named = re.findall(r"`(?:(tests/\w+)/)?(test_\w+\.py)::(test_\w+)`", text_of(ROOT / "SECURITY.md"))
    assert len(named) > 50
    missing = [
        (folder, file, test)
        for folder, file, test in named
        if not re.search(rf"^(?:async )?def {test}\(", text_of(ROOT / (folder or "tests/hostile") / file), re.MULTILINE)
    ]
    assert missing == []
