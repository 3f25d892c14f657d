"""What holds for files: their size, the headers of scripts, the table of settings, and which `config` is imported."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import config
from config.settings import PREFIX, Settings
from tests.processes import ROOT

MAX_LINES = 400
GENERATED = re.compile(r"^requirements/.*\.txt$|^deploy/.*\.json$")
SCRIPTS = sorted(Path(ROOT, "services", "lua").glob("*.lua"))


def tracked() -> list[Path]:
    """The files of the repository, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return [
            path
            for folder in ("web", "services", "workers", "models", "config", "cli", "tests")
            for path in Path(ROOT, folder).rglob("*.py")
        ]
    return [Path(ROOT, name) for name in done.stdout.splitlines() if Path(ROOT, name).is_file()]


def test_no_file_is_long() -> None:
    code = {".py", ".lua", ".sql", ".js", ".css", ".html", ".md", ".toml", ".yml", ".sh", ""}
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_bytes().splitlines())
        for path in tracked()
        if path.suffix in code and not GENERATED.match(str(path.relative_to(ROOT)))
    }
    assert len(lengths) > 50
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_says_what_it_takes_and_returns(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    header = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    body = text.replace(header, "")
    assert text.startswith("-- ")
    assert "KEYS" in header
    assert "Returns" in header
    assert ("ARGV" in body) == ("ARGV" in header)


def test_every_script_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path(ROOT, "services").rglob("*.py"))
    assert SCRIPTS
    assert [script.name for script in SCRIPTS if f'"{script.stem}"' not in code] == []


def test_every_setting_is_in_the_table_and_the_other_way_round() -> None:
    text = Path(ROOT, "docs", "operations.md").read_text(encoding="utf-8")
    rows = re.findall(rf"^\| `({PREFIX}\w+)` \|", text, re.MULTILINE)
    settings = [PREFIX + name.upper() for name in Settings.model_fields]
    assert sorted(rows) == sorted(settings)


def test_every_setting_that_is_mentioned_exists() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}{name}" for name in ("NAME", "VERSION", "WEB_MEMORY")}  # Any of them, and what Compose reads.
    pages = [
        *Path(ROOT, "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
        *ROOT.glob("*.yml"),
        *Path(ROOT, "cli").rglob("*.py"),
    ]
    mentioned = {name for page in pages for name in re.findall(rf"\b{PREFIX}[A-Z_]+[A-Z]\b", page.read_text("utf-8"))}
    balancers = set(re.findall(r"\{\$([A-Z_]+)", Path(ROOT, "deploy", "caddy", "Caddyfile").read_text("utf-8")))
    assert {name.removesuffix("_FILE") for name in mentioned} - balancers <= known


def test_config_is_ours() -> None:
    """A package called `config` is on many machines; another one must not come first."""
    assert config.__file__ == str(Path(ROOT, "config", "__init__.py"))


def test_nothing_names_an_index_host() -> None:
    for path in Path(ROOT, "requirements").iterdir():
        assert not re.search(r"https?://|--(?:extra-)?index-|--find-links", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("smaller", "larger"), [("runtime", "cluster"), ("patroni", "cluster"), ("cluster", "dev")])
def test_what_is_locked_once_is_locked_alike_everywhere(smaller: str, larger: str) -> None:
    pins = [
        set(re.findall(r"^[\w.-]+==\S+", Path(ROOT, "requirements", f"{name}.txt").read_text("utf-8"), re.MULTILINE))
        for name in (smaller, larger)
    ]
    assert pins[0]
    assert pins[0] <= pins[1], "run `make lock`"
