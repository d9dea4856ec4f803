"""Each block of code in a page is of a language that is looked at: parsed here, linted, typed or run elsewhere.

``test_docs.py`` lints TOML as configurations, types Python and parses command lines against the commands' options;
``tests/acceptance/test_docs_getting_started.py`` runs what the tutorials say.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import psycopg
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in ("docs", "examples", "deploy") for page in (ROOT / name).rglob("*.md"))]
)
# The languages, and what may follow one: how the test that runs the pages is to take a block of sh.
LANGUAGES = {"python", "toml", "json", "yaml", "sql", "sh", "hcl", "text"}
_OF_A_RUN = re.compile(r"not-run|exit=\d+")

_OPENING = re.compile(r"^ *```+(?P<info>[^`\n]*)$", re.MULTILINE)
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_MAKE = re.compile(r"(?:^ {4}|^|`|&& )make (?P<target>[a-z][a-z-]*)", re.MULTILINE)


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _blocks(language: str) -> Iterator[Any]:
    """The blocks of a language, each named by its page and line."""
    for page in PAGES:
        text = _text(page)
        for found in _FENCE.finditer(text):
            if found["info"].split()[:1] == [language]:
                place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}"
                yield pytest.param(found["text"], id=place)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_block_says_a_language_that_a_test_looks_at(page: Path) -> None:
    openings = [found["info"].split() for found in _OPENING.finditer(_text(page))][::2]
    assert len(openings) == len(_FENCE.findall(_text(page))), "a block is indented, or not closed"
    for language, *rest in openings:
        assert language in LANGUAGES
        assert not rest or (language == "sh" and all(_OF_A_RUN.fullmatch(word) for word in rest))


@pytest.mark.parametrize(
    ("language", "parse"), [("json", msgspec.json.decode), ("yaml", lambda text: list(yaml.safe_load_all(text)))]
)
def test_data_in_a_page_parses(language: str, parse: Callable[[str], object]) -> None:
    for block in _blocks(language):
        try:
            parse(str(block.values[0]))
        except (msgspec.DecodeError, yaml.YAMLError) as wrong:
            pytest.fail(f"{block.id}: {wrong}")


@pytest.mark.parametrize("script", list(_blocks("sh")))
def test_a_script_in_a_page_is_whole(script: str) -> None:
    done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_sql_in_a_page_parses(database: str) -> None:
    """As the body of a function that is made and not called: Postgres parses it, and looks for no table."""
    blocks = list(_blocks("sql"))
    assert blocks
    with psycopg.connect(database) as connection:
        for block in blocks:
            body = f"BEGIN\n{str(block.values[0]).rstrip().rstrip(';')};\nEND"
            try:
                connection.execute(
                    "CREATE OR REPLACE FUNCTION pg_temp.page() RETURNS void LANGUAGE plpgsql AS $page$"
                    + body
                    + "$page$"
                )
            except psycopg.errors.SyntaxError as wrong:
                pytest.fail(f"{block.id}: {wrong}")


def test_a_call_of_the_terraform_module_gives_what_it_needs_and_no_more() -> None:
    declared = re.findall(
        r'^variable "(\w+)" \{\n(.*?)^\}', _text(ROOT / "deploy/terraform/variables.tf"), re.MULTILINE | re.DOTALL
    )
    needed = {name for name, body in declared if not re.search(r"^  default ", body, re.MULTILINE)}
    for block in _blocks("hcl"):
        given = set(re.findall(r"^  (\w+) += ", str(block.values[0]), re.MULTILINE)) - {"source"}
        assert needed <= given <= {name for name, _ in declared}, block.id


def test_each_target_of_make_that_a_page_names_is_one() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", _text(ROOT / "Makefile"), re.MULTILINE))
    named = {
        (str(page.relative_to(ROOT)), found["target"]) for page in PAGES for found in _MAKE.finditer(_in_code(page))
    }
    assert [one for one in sorted(named) if one[1] not in targets] == []
    assert len(named) > 20


def _in_code(page: Path) -> str:
    """What of a page is code: fenced or indented blocks, and words between backticks."""
    text = _text(page)
    fenced = [found["text"] for found in _FENCE.finditer(text)]
    rest = _FENCE.sub("", text)
    return "\n".join([*fenced, *re.findall(r"^ {4}.*$", rest, re.MULTILINE), *re.findall(r"`[^`\n]+`", rest)])


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs/site/hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_page_is_once_in_the_navigation(hooks: ModuleType) -> None:
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(_leaves(hooks.navigation(pages))) == sorted(pages)


def test_a_new_page_and_a_new_folder_are_found_without_an_entry(hooks: ModuleType) -> None:
    pages = ["index.md", "brand-new.md", "how-to/b.md", "deploy/b.md", "deploy/README.md", "lab/a.md"]
    navigation = hooks.navigation(pages)
    assert navigation == [
        {"Start": ["index.md"]},
        {"How-to": ["how-to/b.md"]},
        {"Reference": ["brand-new.md"]},
        {"Deploy": ["deploy/README.md", "deploy/b.md"]},
        {"Lab": ["lab/a.md"]},
    ]


def test_a_name_in_the_navigation_that_has_no_page_is_told_of(hooks: ModuleType) -> None:
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert hooks.without_a_page(pages) == []
    assert hooks.without_a_page([page for page in pages if page != "terminal.md"]) == ["terminal.md"]


def test_a_link_out_of_docs_goes_to_where_the_site_has_the_file(hooks: ModuleType) -> None:
    text = "[a](../../bench/README.md#the-targets), [b](../cli.md), [c](../gone.md), [d](https://example.org/x)"
    assert hooks.relinked(text, "docs/how-to/partitions.md") == (
        "[a](../repository/bench/README.md#the-targets), [b](../cli.md), [c](../gone.md), [d](https://example.org/x)"
    )
    assert hooks.relinked("[a](docs/cli.md)", "README.md") == "[a](../cli.md)"


def test_what_is_linked_outside_docs_is_taken_along_with_what_it_links_to(hooks: ModuleType) -> None:
    taken = hooks.taken_along(ROOT)
    assert {"README.md", "bench/README.md", "bench/results/pipeline.svg"} <= taken
    assert not any(path.startswith("docs/") for path in taken)


def _leaves(navigation: Any) -> Iterator[str]:
    for item in navigation:
        if isinstance(item, str):
            yield item
        else:
            for members in item.values():
                yield from _leaves(members)
