"""Documents against what they speak of: links, files, commands, decisions and the tables of PostgreSQL."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.main import COMMANDS
from models.tables import Base
from services.errors import ALL_ERRORS
from tests.processes import ROOT
from web.sockets import frames

PAGES = [page for pattern in ("*.md", "docs/**/*.md", "bench/**/*.md", "deploy/**/*.md") for page in ROOT.glob(pattern)]
DOCUMENTS = sorted(page for page in PAGES if not page.name.endswith(".template.md"))
FOLDERS = "web|services|workers|models|config|cli|deploy|drills|bench|tests|requirements"
LINKS = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
PATHS = re.compile(rf"`((?:{FOLDERS})/[\w/.-]+\.\w+)`")
GONE = {"web/sockets/transport.py"}
"""What decision 4 tells of and decision 11 took away."""
each_document = pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Where links may lead to within a page, as GitHub names it."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


@each_document
def test_links_lead_somewhere(page: Path) -> None:
    for link in (one or other for one, other in LINKS.findall(prose(page))):
        if not link.startswith(("https://", "http://")):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@each_document
def test_files_that_are_named_exist(page: Path) -> None:
    named = set(PATHS.findall(page.read_text("utf-8"))) - GONE
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_what_messages_and_comments_refer_to_exists() -> None:
    for path in (file for folder in FOLDERS.split("|") for file in (ROOT / folder).rglob("*.py")):
        for name, heading in re.findall(r"\b(docs/[\w/-]+\.md)(?:, ([A-Z][\w ]+))?", path.read_text("utf-8")):
            assert (ROOT / name).exists(), path
            assert not heading or heading.lower().replace(" ", "-") in anchors(ROOT / name), (path, heading)


@each_document
def test_commands_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", Path(ROOT, "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:^|`)fairboard ([a-z][a-z-]*)", text, re.MULTILINE)) <= set(COMMANDS)


def test_decisions_are_numbered_in_sequence() -> None:
    pages = sorted(Path(ROOT, "docs", "adr").glob("*.md"))
    for number, page in enumerate(pages, 1):
        assert page.name.startswith(f"{number:04}-"), page.name
        assert page.read_text("utf-8").startswith(f"# {number}. "), page.name


def test_the_protocol_lists_every_refusal() -> None:
    rows = re.findall(
        r"^\| (\d{3}) \| `([A-Z_]+)` \|", Path(ROOT, "docs", "protocol.md").read_text("utf-8"), re.MULTILINE
    )
    assert {code: int(status) for status, code in rows} == {code: error.status for code, error in ALL_ERRORS.items()}


def test_the_protocol_lists_every_close_code() -> None:
    text = Path(ROOT, "docs", "protocol.md").read_text("utf-8")
    table = text.partition("\n| close | why | what to do |\n")[2].partition("\n\n")[0]
    codes = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(",")}
    assert codes == set(frames.OURS) - {frames.NORMAL}


def test_architecture_lists_every_table() -> None:
    text = Path(ROOT, "docs", "architecture.md").read_text("utf-8").partition("\n## Tables\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(Base.metadata.tables)
