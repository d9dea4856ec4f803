"""The pages say what the code says: nothing missing, nothing stale, no dead link, no example that does not work."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

import click
import msgspec
import pytest

import sofetch
from sofetch.cli.root import SECTIONS, load
from sofetch.config import describe_settings, lint_config, lint_text, load_config
from sofetch.decode import compile_decoder
from sofetch.errors import ExitCode
from sofetch.events import event_types
from sofetch.reconcile.difference import DifferenceCode
from sofetch.record import Message, Reason
from sofetch.source import open_object_store
from sofetch.unwrapping import open_some
from wrapping import base64_of, gzip_of, sns
from wrapping import message as wrapped_message

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = Path(sofetch.__file__).parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in ("docs", "examples", "deploy") for page in (ROOT / name).rglob("*.md"))]
)
SHIPPED = [path for name in ("examples", "deploy") for path in (ROOT / name).rglob("*") if path.suffix != ".pyc"]
SHOWN = sorted([*PAGES, *(path for path in SHIPPED if path.is_file()), DOCS / "generate.py"])

_FENCE = re.compile(r"^```(?P<info>\S*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Its text may go on in the next line of its paragraph. Pictures are links, too.
_LINK = re.compile(r"\[(?:[^\]\n]|\n(?!\n))+\]\((?P<target>[^)\s]+)\)")
_TEST = re.compile(r"`(?P<file>tests/[\w/]+\.py)::(?P<name>\w+)`")
_FORBIDDEN = re.compile(
    r"(?<![\w.~}-])/(?:home|root|work|Users)/|pypi\.org|pythonhosted\.org|npmjs\.|localhost:\d+/simple|\bTODO\b|\bFIXME\b"
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _commands() -> Iterator[tuple[str, click.Command]]:
    for entries in SECTIONS.values():
        for entry in entries:
            yield from _with_members(f"sofetch {entry.name}", load(entry))


def _with_members(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, member in command.commands.items():
            yield from _with_members(f"{path} {name}", member)


def test_what_is_generated_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_every_command_and_option_is_documented() -> None:
    text = _text(DOCS / "cli.md")
    for path, command in _commands():
        section = text.partition(f"### `{path}`\n")[2].partition("\n### ")[0]
        assert section, f"{path} is missing"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                where = section if f"`{max(parameter.opts, key=len)}" in section else text
                assert max(parameter.opts, key=len) in where, f"{path} {parameter.opts} is missing"


def test_no_command_is_documented_that_is_none() -> None:
    documented = set(re.findall(r"^### `(sofetch [a-z -]+)`$", _text(DOCS / "cli.md"), re.MULTILINE))
    assert documented == {path for path, _ in _commands()}


def test_every_code_of_a_difference_is_documented() -> None:
    text = _text(DOCS / "how-to" / "changing-schemas.md")
    assert [code for code in get_args(DifferenceCode) if f"`{code}`" not in text] == []


def test_every_exit_code_is_documented() -> None:
    documented = re.findall(r"^\| `(\d+)` \|", _text(DOCS / "cli.md"), re.MULTILINE)
    assert [int(code) for code in documented] == sorted(ExitCode)


def test_every_setting_is_documented() -> None:
    text = _text(DOCS / "configuration.md")
    for setting in describe_settings():
        section = text.partition(f"### `{setting.section}`\n")[2].partition("\n### ")[0]
        assert f"| `{setting.key}`" in section, f"{setting.section} {setting.key} is missing"


def test_every_word_that_a_setting_may_take_is_explained_in_prose() -> None:
    prose = _text(DOCS / "configuration.md").partition("## Every setting")[0]
    words = [word for setting in describe_settings() for word in re.findall(r'"(\w+)"', setting.type)]
    of_the_log = {"debug", "info", "warning", "error", "auto", "json", "pretty"}  # events.md has them
    unexplained = [word for word in words if word not in of_the_log and not re.search(rf'[`"]{word}[`"]', prose)]
    assert unexplained == []


def test_every_variable_that_is_no_setting_is_documented() -> None:
    settings = {setting.env for setting in describe_settings()} | {"SOFETCH_CRASH_AT"}
    named = {
        node.value
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(_text(file)))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch("SOFETCH_[A-Z_]+[A-Z]", node.value)
    }
    section = _text(DOCS / "configuration.md").partition("## Environment variables")[2].partition("\n## ")[0]
    assert sorted(name for name in named - settings if f"`{name}`" not in section) == []


def test_every_event_and_field_is_documented() -> None:
    events, operating = _text(DOCS / "events.md"), _text(DOCS / "operating.md")
    for kind in event_types():
        tag = str(kind.__struct_config__.tag)
        section = events.partition(f"### `{tag}`\n")[2].partition("\n### ")[0]
        assert section, f"{tag} is missing"
        assert all(f"| `{field}` |" in section for field in kind.__struct_fields__)
        assert f"| `{tag}` |" in operating, f"operating.md does not say what {tag} means"


def test_reasons_are_documented_and_no_others() -> None:
    section = _text(DOCS / "errors.md").partition("## Why a message")[2].partition("\n### ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(documented) == sorted(reason.value for reason in Reason)


def test_error_codes_are_documented_and_no_others() -> None:
    section = _text(DOCS / "errors.md").partition("## Error codes")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(documented) == sorted(_error_codes())


def test_codes_of_findings_are_documented_and_no_others() -> None:
    section = _text(DOCS / "errors.md").partition("## Findings of")[2].partition("\n## ")[0]
    table = section.partition("| --- |")[2]
    assert sorted(set(re.findall(r"`(\w+)`", table))) == sorted(_finding_codes())


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(_text(file))):
            if isinstance(node, ast.Call):
                yield getattr(node.func, "attr", getattr(node.func, "id", "")), node


def _error_codes() -> set[str]:
    """The classes' own codes, and those given where one is raised or written."""
    codes = {"error"}
    for node in ast.walk(ast.parse(_text(PACKAGE / "errors.py"))):
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "code"
            and isinstance(node.value, ast.Constant)
        ):
            codes.add(str(node.value.value))
    raising = re.compile(r"\w+(Error|Refused|Unavailable)$|_write$")
    return codes | {code for name, call in _calls() if raising.match(name) for code in _constants(call, "code")}


def _finding_codes() -> set[str]:
    codes: set[str] = set()
    for name, call in _calls():
        arguments = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        if name in {"Finding", "Contradiction"}:
            codes.update(_constants(call, "code"))
        elif name in {"error", "warning"} and len(call.args) == 3 and arguments:
            codes.add(str(arguments[0]))
        elif name == "_finding" and len(arguments) >= 2:
            codes.add(str(arguments[1]))
    return codes


def _constants(call: ast.Call, keyword: str) -> list[str]:
    values = [one.value for one in call.keywords if one.arg == keyword]
    return [str(value.value) for value in values if isinstance(value, ast.Constant)]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_relative_links_resolve(page: Path) -> None:
    for found in _LINK.finditer(_FENCE.sub("", _text(page))):
        target, _, anchor = found["target"].partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{_name(page)} links to {target}"
        assert not anchor or anchor in _anchors(file), f"{_name(page)} links to {target}#{anchor}"


def test_a_link_is_seen_where_its_text_breaks_over_two_lines() -> None:
    told = "[one\ntext](a.md), ![a picture](b.png), [two] and (c.md), [three\n\nparagraphs](d.md)"
    assert [found["target"] for found in _LINK.finditer(told)] == ["a.md", "b.png"]


def test_every_picture_is_shown_on_a_page() -> None:
    text = "".join(map(_text, PAGES))
    assert [path.name for path in sorted((DOCS / "images").iterdir()) if f"images/{path.name})" not in text] == []


@pytest.mark.parametrize("page", sorted((DOCS / "deploy").glob("[a-z]*.md")), ids=_name)
def test_each_way_to_deploy_has_a_picture_its_sizes_and_what_was_not_run(page: Path) -> None:
    text = _text(page)
    assert re.search(r"^    .*[│▶◀]", text, re.MULTILINE), "no diagram"
    assert re.search(r"^## Siz(ing|e and cost)$", text, re.MULTILINE)
    told = text.partition("\n## What was run, and what was not\n")[2].partition("\n## ")[0]
    assert "Not run: " in told


def _anchors(page: Path) -> set[str]:
    """As the usual forges make them of headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", _text(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _blocks(info: str) -> list[tuple[str, str]]:
    return [
        (f"{_name(page)}:{_text(page).count(chr(10), 0, found.start()) + 1}", found["text"])
        for page in PAGES
        for found in _FENCE.finditer(_text(page))
        if found["info"] == info
    ]


@pytest.mark.parametrize(("place", "text"), _blocks("toml"))
def test_configuration_in_a_page_is_without_a_finding(place: str, text: str) -> None:
    """A fragment is looked at with what it leaves out."""
    for section, rest in {
        "[source]": '[source]\nqueue = "q"',
        "[sink]": '[sink]\ntable = "t"',
        "[[column]]": '[[column]]\nname = "c"',
    }.items():
        if not re.search(rf"^{re.escape(section)}$", text, re.MULTILINE):
            text += f"\n{rest}\n"
    assert lint_text(text) == [], place


@pytest.mark.slow
def test_python_in_the_pages_is_typed(tmp_path: Path) -> None:
    blocks = _blocks("python")
    assert blocks
    for number, (place, text) in enumerate(blocks):
        (tmp_path / f"block_{number}.py").write_text(f"# {place}\n{text}", encoding="utf-8")
    # By the cache of `make check`, if there is one: 0.6 s of CPU instead of 7.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *sorted(tmp_path.glob("block_*.py"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout


def _command_lines() -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for page in PAGES:
        if page == DOCS / "cli.md":
            continue  # generated; the examples in the help have a test of their own
        in_blocks = "\n".join(found["text"] for found in _FENCE.finditer(_text(page)) if found["info"] == "sh")
        indented = re.findall(r"^    (.*)$", _FENCE.sub("", _text(page)), re.MULTILINE)
        inline = re.findall(r"`(sofetch [a-z][^`<…]*)`", _text(page))
        lines += [(_name(page), line) for line in [*in_blocks.splitlines(), *indented, *inline]]
    return [
        (page, line[line.index("sofetch ") :]) for page, line in lines if re.match(r"(\w+=\S+ )*sofetch [a-z]", line)
    ]


@pytest.mark.parametrize(("page", "line"), dict.fromkeys(_command_lines()))
def test_a_command_line_in_a_page_parses(page: str, line: str) -> None:
    words = re.split(r" [#|>&<]|\|\|", line.partition("  #")[0])[0].replace("'", "").split()[1:]
    commands = dict(_commands())
    path = "sofetch"
    while words and f"{path} {words[0]}" in commands:
        path = f"{path} {words.pop(0)}"
    assert path != "sofetch", f"{page}: {line}"
    if words and not (path.endswith(" completion") and words == ["bash"]):
        with suppress(click.MissingParameter):  # a mention in a sentence need not be whole
            commands[path].make_context(path, words)


@pytest.mark.parametrize("file", SHOWN, ids=_name)
def test_nothing_of_a_machine_or_an_unfinished_thought_is_in_a_page(file: Path) -> None:
    assert _FORBIDDEN.findall(_text(file)) == []


def test_guarantees_name_tests_that_exist() -> None:
    named = _TEST.findall(_text(DOCS / "guarantees.md"))
    assert len(named) > 40
    for file, name in named:
        assert f"def {name}(" in _text(ROOT / file), f"{file}::{name}"


def test_each_promise_names_what_is_not_promised_and_its_tests() -> None:
    promises = re.split(r"^## (?=\d)", _text(DOCS / "guarantees.md"), flags=re.MULTILINE)[1:]
    assert len(promises) == 6
    for promise in promises:
        assert "**Promised.**" in promise
        assert "**Not promised.**" in promise
        assert _TEST.search(promise.partition("**Proven by**")[2])


def test_the_architecture_names_every_part_and_none_that_is_gone() -> None:
    table = _text(DOCS / "architecture.md").partition("## The folders")[2].partition("\n## ")[0]
    named = set(re.findall(r"^\| `([\w.]+/?)` \|", table, re.MULTILINE))
    parts = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    # What Python compiled stays where a folder was, until somebody cleans.
    files = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    parts |= {f"{path.parts[0]}/" for path in files if len(path.parts) > 1}
    assert named == parts


def test_every_module_is_in_the_architecture() -> None:
    text = _text(DOCS / "architecture.md").partition("## Every module")[2]
    for file in PACKAGE.rglob("*.py"):
        if file.name != "__main__.py":
            folder = text.partition(f"#### `{file.parent.relative_to(PACKAGE.parent).as_posix()}/`\n")[2].partition(
                "\n####"
            )[0]
            assert f"| `{file.name}` | " in folder, f"{file} is missing"


def test_every_decision_is_in_the_index() -> None:
    index = set(re.findall(r"\((\d{4}-[a-z-]+\.md)\)", _text(DOCS / "decisions/README.md")))
    assert index == {path.name for path in (DOCS / "decisions").glob("0*.md")}


def test_the_schema_accepts_what_the_shipped_configurations_say() -> None:
    schema = msgspec.json.decode((DOCS / "sofetch.schema.json").read_bytes())
    columns = schema["$defs"]["ColumnSettings"]["properties"]
    assert {"name", "from", "mask", "kind"} <= columns.keys()
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_the_example_of_orders_has_no_finding_and_its_messages_fit() -> None:
    folder = ROOT / "examples/orders"
    assert lint_config(folder / "sofetch.toml", environ={}) == []
    bodies = (folder / "orders.jsonl").read_bytes().splitlines()
    messages = [
        Message(id=str(at), body=body, queue="orders.fifo", sent_ms=0, received_ms=0) for at, body in enumerate(bodies)
    ]
    decoded = compile_decoder(load_config(folder / "sofetch.toml", environ={}))(messages)
    assert len(decoded.records) == len(bodies) == 3


def test_the_example_of_a_topic_has_no_finding_and_opens_its_messages() -> None:
    file = ROOT / "examples/sns/sofetch.toml"
    assert lint_config(file, environ={}) == []
    settings = load_config(file, environ={})
    document = (
        b'{"payment_id": "c6b1a5ce-27e3-4a6c-9b54-0f0d6c2b8a11", "payer": {"email": "a@example.org"}, "amount": 9}'
    )
    body = sns(base64_of(gzip_of(document)).decode(), attributes={"shop": ("String", "berlin")})
    opened, unopened = open_some([wrapped_message(body)], settings, open_store=open_object_store, most=1)
    assert unopened == []
    [record] = compile_decoder(settings)(opened).records
    assert record.values[1] == "a@example.org"
    assert record.values[3] == "berlin"


def test_the_changes_begin_with_what_is_unreleased_and_have_this_version() -> None:
    versions = re.findall(r"^## (\S+)", _text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert sofetch.__version__ in versions
