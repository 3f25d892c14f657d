"""The scoreboard and the API page: what they load, what they may do, and that they agree with themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient

from config.catalogue import get_catalogue
from config.settings import get_settings
from services.errors import ALL_ERRORS
from tests.support.node import run
from web.routes.pages import DOCS_CSP, PAGE_CSP, STATIC, SWAGGER_FILES, pages

SCRIPTS = sorted((STATIC / "js").rglob("*.js"))
CLIENT = STATIC / "fairboard" / "fairboard.js"
HTML = sorted(STATIC.glob("*.html"))
TEXTS = [*SCRIPTS, *HTML, *sorted(STATIC.glob("*.css"))]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FlaskClient]:
    monkeypatch.setenv("FAIRBOARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FAIRBOARD_DATABASE_URL", "postgresql://nowhere/none")
    monkeypatch.setenv("FAIRBOARD_REDIS_URL", "redis://nowhere")
    monkeypatch.setenv("FAIRBOARD_JWT_SECRET", "a secret that is long enough for HS256")
    monkeypatch.setenv("FAIRBOARD_TOKEN_KEYS", Fernet.generate_key().decode())
    monkeypatch.delenv("FAIRBOARD_PUBLIC_BOARD", raising=False)
    get_settings.cache_clear()
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(pages)
    yield app.test_client()
    get_settings.cache_clear()


def name_of(path: Path) -> str:
    return path.name


def test_every_page_and_file_is_served_and_only_sent_again_when_changed(client: FlaskClient) -> None:
    files = [f"/static/{path.relative_to(STATIC).as_posix()}" for path in STATIC.rglob("*.*")]
    for path in ["/", "/review", "/api/docs", *(f"/api/docs/{name}" for name in SWAGGER_FILES), *files]:
        first = client.get(path, buffered=True)
        assert first.status_code == 200, path
        assert first.cache_control.no_cache, path
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]}, buffered=True)
        assert (again.status_code, again.data) == (304, b""), path


def test_scripts_are_served_as_modules_need_them(client: FlaskClient) -> None:
    for script in SCRIPTS:
        assert client.get(f"/static/{script.relative_to(STATIC).as_posix()}", buffered=True).mimetype in {
            "text/javascript",
            "application/javascript",
        }


def test_the_page_knows_whether_the_board_is_public(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'data-public-board="false"' in client.get("/", buffered=True).text
    monkeypatch.setenv("FAIRBOARD_PUBLIC_BOARD", "true")
    get_settings.cache_clear()
    assert 'data-public-board="true"' in client.get("/", buffered=True).text


@pytest.mark.parametrize(
    "path", ["/api/docs/index.css", "/api/docs/../flask_swagger_ui.py", "/static/../app.py", "/static/"]
)
def test_nothing_else_is_served(client: FlaskClient, path: str) -> None:
    assert client.get(path, buffered=True).status_code == 404


@pytest.mark.parametrize(("path", "policy"), [("/", PAGE_CSP), ("/review", PAGE_CSP), ("/api/docs", DOCS_CSP)])
def test_each_page_has_its_policy_and_scripts_are_strict(client: FlaskClient, path: str, policy: str) -> None:
    assert client.get(path, buffered=True).headers["Content-Security-Policy"] == policy
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives.get("script-src", directives["default-src"]) == "'self'"
    assert directives["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("page", HTML, ids=name_of)
def test_no_inline_script_or_style(page: Path) -> None:
    html = page.read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")  # A name, which nobody asks for.
    assert not re.search(r"https?://|[\"'(]//", text)


@pytest.mark.parametrize("script", [*SCRIPTS, CLIENT], ids=name_of)
def test_no_markup_is_built_from_strings(script: Path) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", script.read_text("utf-8")
    )


@pytest.mark.parametrize("page", HTML, ids=name_of)
def test_what_a_page_loads_exists(page: Path, client: FlaskClient) -> None:
    for address in re.findall(r"(?:src|href)=\"(/[^\"#]*)\"", page.read_text("utf-8")):
        if address != "/api/openapi.json":  # The application's own, not this blueprint's.
            assert client.get(address, buffered=True).status_code == 200, address


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_imports_name_what_the_other_module_exports(script: Path) -> None:
    for names, module in re.findall(r"import \{([^}]+)\} from \"(\.[\w./]+)\"", script.read_text("utf-8")):
        exported = re.findall(
            r"export (?:async )?(?:function|class|const) (\w+)", (script.parent / module).resolve().read_text("utf-8")
        )
        assert {name.strip() for name in names.split(",")} <= set(exported)


@pytest.mark.parametrize(("page", "folder"), [("index.html", "js"), ("review.html", "js/review")])
def test_scripts_look_for_elements_that_the_page_has(page: str, folder: str) -> None:
    ids = re.findall(r"\bid=\"([\w-]+)\"", (STATIC / page).read_text("utf-8"))
    assert len(ids) == len(set(ids))
    scripts = [script for script in SCRIPTS if script.parent == STATIC / folder]
    wanted = {name for script in scripts for name in re.findall(r"byId\(\"([\w-]+)\"\)", script.read_text("utf-8"))}
    assert wanted
    assert wanted <= set(ids)


@pytest.mark.parametrize("page", ["index.html", "review.html"])
def test_each_input_has_a_label(page: str) -> None:
    html = (STATIC / page).read_text("utf-8")
    found = re.findall(r"<(?:input|textarea)[^>]* id=\"(\w+)\"", html)
    assert found
    for name in found:
        assert f'<label for="{name}">' in html


def test_the_initial_of_a_name_is_a_sign_as_people_see_it() -> None:
    names = ["ada", "éva", "e\u0301va", "👩🏽‍🚀 ada", "ßa", ""]
    initials = run(
        "const { initial } = await import(dom); return names.map(initial)",
        dom=(STATIC / "js" / "dom.js").as_uri(),
        names=names,
    )
    assert initials == ["A", "É", "E\u0301", "👩🏽‍🚀", "SS", ""]


def test_every_documented_refusal_has_words_for_players() -> None:
    said = set(re.findall(r"^  ([A-Z_]+): \"", (STATIC / "js" / "words.js").read_text("utf-8"), re.MULTILINE))
    assert set(ALL_ERRORS) <= said


@pytest.mark.parametrize(("script", "table", "kind"), [("arcade", "GAMES", "timed"), ("once", "TASKS", "once")])
def test_what_the_page_offers_is_in_the_catalogue(script: str, table: str, kind: str) -> None:
    source = (STATIC / "js" / f"{script}.js").read_text("utf-8")
    entries = source.split(f"\nconst {table} = {{\n")[1].split("\n};\n")[0]
    offered = re.findall(r"^  (\w+): \{", entries, re.MULTILINE)
    assert sorted(offered) == sorted(name for name, action in get_catalogue().items() if action.kind == kind)
