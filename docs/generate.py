"""Writes what in these pages can be derived from the code: settings, commands, events, modules, the JSON Schema.

    python docs/generate.py            # write (``make docs``)
    python docs/generate.py --check    # write nothing; exit with 1 and name what is out of date

Owns the text between ``<!-- generated: NAME -->`` and ``<!-- end of generated -->`` in each page, and the whole of
``sofetch.schema.json``. Everything else in a page is written by hand and is left alone.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import click
import msgspec
import panels
import psycopg

import sofetch
import sofetch.testing
from sofetch.cli.frame import Documented, shared_options
from sofetch.cli.root import EXIT_CODES, SECTIONS, load, root
from sofetch.columns import KINDS_OF_MASK
from sofetch.config import describe_settings, json_schema
from sofetch.config.column_rules import ENVELOPE_TYPES
from sofetch.events import Event, event_types
from sofetch.load.sqlstate import ROW_FAULTS
from sofetch.observe.log import log_writer
from sofetch.observe.metrics import METRICS
from sofetch.settings import LogSettings
from sofetch.testing import FakeClock

DOCS = Path(__file__).parent
PACKAGE = Path(sofetch.__file__).parent
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)
_SAMPLE_MS = 1_772_356_502_345


def main(arguments: Sequence[str]) -> int:
    """Write every page anew, or with ``--check`` name those that would change."""
    stale = [path for path, text in pages() if not path.exists() or path.read_text(encoding="utf-8") != text]
    names = ", ".join(str(path.relative_to(DOCS.parent)) for path in stale)
    if "--check" in arguments:
        if stale:
            sys.stderr.write(f"out of date: {names}; run `make docs`\n")
        return 1 if stale else 0
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"written: {names}\n" if stale else "nothing to do: the pages are up to date\n")
    return 0


def pages() -> Iterator[tuple[Path, str]]:
    """Every page that has something generated in it, as it should be."""
    yield DOCS / "sofetch.schema.json", json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if BLOCK.search(text):
            yield page, BLOCK.sub(_replacement, text)


def _replacement(found: re.Match[str]) -> str:
    lines = "\n".join(PARTS[found[2]]()) if found[2] in PARTS else None
    if lines is None:
        return found[0]  # another generator's
    return f"{found[1]}{lines.strip()}\n{found[3]}"


def _settings() -> Iterator[str]:
    for section, settings in groupby(describe_settings(), key=attrgetter("section")):
        yield f"### `{section}`\n"
        rows = [
            (f"`{one.key}`" + (" (required)" if one.required else ""), one.type, _code(one.default), one.description)
            for one in settings
        ]
        yield from _table(("key", "takes", "default", "meaning"), rows)
        yield ""


def _masks() -> Iterator[str]:
    rows = [(f"`{mask}`", ", ".join(f"`{kind}`" for kind in kinds)) for mask, kinds in KINDS_OF_MASK.items()]
    yield from _table(("mask", "kinds it takes"), rows)


def _envelope() -> Iterator[str]:
    rows = [(f"`{value}`", f"`{usual}`", _codes(others)) for value, (usual, *others) in ENVELOPE_TYPES.items()]
    yield from _table(("value", "type, if none is given", "other types"), rows)


def _commands() -> Iterator[str]:
    for title, entries in SECTIONS.items():
        yield f"## {title}\n"
        for entry in entries:
            yield from _command(load(entry), f"sofetch {entry.name}")


def _command(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    yield f"### `{path}`\n"
    yield f"    {' '.join([path, *command.collect_usage_pieces(context)])}\n"
    yield from _paragraphs(command.help or "")
    options = [option for option in command.params if isinstance(option, click.Option) and not _is_shared(option)]
    if options:
        yield from _table(("option", "meaning"), (_option(option, context) for option in options))
        yield ""
    if isinstance(command, Documented):
        yield "Example:\n"
        yield from (f"    {line}" for line in command.example.strip().splitlines())
        yield ""
        variables = [(f"`{name}`", text) for name, text in command.environment.items()]
        yield from _table(("environment", "meaning"), variables)
        yield ""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            if member is not None:
                yield from _command(member, f"{path} {name}")


def _shared() -> Iterator[str]:
    bare = shared_options()(click.Command("sofetch"))
    context = click.Context(root)
    everywhere = [*bare.params, *(param for param in root.get_params(context) if param.name in {"version", "help"})]
    yield from _table(
        ("option", "meaning"), (_option(one, context) for one in everywhere if isinstance(one, click.Option))
    )


def _is_shared(option: click.Option) -> bool:
    return option.name in {param.name for param in shared_options()(click.Command("")).params}


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    record = option.get_help_record(context)
    spelled, meaning = record or (", ".join(option.opts), option.help or "")
    return f"`{spelled}`", re.sub(r"\s+", " ", meaning)


def _exit_codes() -> Iterator[str]:
    yield from _table(("code", "meaning"), ((f"`{code}`", meaning) for code, meaning in EXIT_CODES.items()))


def _events() -> Iterator[str]:
    for kind in event_types():
        event = _sample(kind)
        yield f"### `{kind.__struct_config__.tag}`\n"
        yield f"Level {_levels(kind)}. {_sentence(kind.__doc__)}\n"
        fields = [(f"`{field.name}`", _type_name(field.type)) for field in msgspec.inspect.type_info(kind).fields]  # type: ignore[attr-defined]  # of a struct
        yield from _table(("field", "type"), fields)
        yield ""
        yield f"    {_line(event)}\n"


def _metrics() -> Iterator[str]:
    rows = [(f"`{one.name}`", one.kind, _code(one.label or ""), one.about) for one in METRICS]
    yield from _table(("metric", "kind", "label", "meaning"), rows)


def _levels(kind: type[Event]) -> str:
    """Its level; both, where that goes by a number: a first attempt, an exit code."""
    return " or ".join(dict.fromkeys(_sample(kind, number=number).level for number in (0, 1)))


def _sample(kind: type[Event], *, number: int = 0) -> Event:
    fields = msgspec.inspect.type_info(kind).fields  # type: ignore[attr-defined]  # of a struct
    return kind(**{field.name: _sample_value(field.type, number) for field in fields})


def _sample_value(kind: msgspec.inspect.Type, number: int) -> Any:
    match kind:
        case msgspec.inspect.LiteralType():
            return kind.values[-1]
        case msgspec.inspect.UnionType():
            return None
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.IntType():
            return number
        case msgspec.inspect.FloatType():
            return float(number)
        case _:
            return "…"


_PLAIN_TYPES: dict[type[msgspec.inspect.Type], str] = {
    msgspec.inspect.BoolType: "true or false",
    msgspec.inspect.IntType: "integer",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.NoneType: "null",
}


def _type_name(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.LiteralType():
            return " or ".join(f"`{value}`" for value in kind.values)
        case msgspec.inspect.UnionType():
            return " or ".join(_type_name(part) for part in kind.types)
        case _:
            return _PLAIN_TYPES.get(type(kind), "text")


def _line(event: Event) -> str:
    stream = io.StringIO()
    log_writer(LogSettings(format="json", level="debug"), clock=FakeClock(now_ms=_SAMPLE_MS), stream=stream)(event)
    return stream.getvalue().strip()


def _sqlstates() -> Iterator[str]:
    rows = [(f"`{state}`", _condition(state), f"`{reason.value}`") for state, reason in sorted(ROW_FAULTS.items())]
    yield from _table(("SQLSTATE", "Postgres calls it", "reason"), rows)


def _condition(state: str) -> str:
    name = psycopg.errors.lookup(state).__name__.rstrip("_")
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _api() -> Iterator[str]:
    for module in (sofetch, sofetch.testing):
        yield f"## `{module.__name__}`\n"
        for name in sorted(set(module.__all__) - {"__version__"}):
            yield from _public(name, getattr(module, name))


def _public(name: str, thing: Any) -> Iterator[str]:
    yield f"### `{name}`\n"
    if not (hasattr(thing, "open") or (isinstance(thing, type) and issubclass(thing, msgspec.Struct | BaseException))):
        yield f"    {name}{_signature(thing)}\n"
    yield from _told(thing)
    if not isinstance(thing, type):
        return
    for member, value in vars(thing).items():
        function = getattr(value, "__func__", value)
        if member.startswith("_") or not (inspect.isfunction(function) or isinstance(value, property)):
            continue
        yield f"#### `{name}.{member}`\n"
        if inspect.isfunction(function):
            yield f"    {member}{_signature(getattr(thing, member))}\n"
        yield from _told(function)


def _signature(thing: Any) -> str:
    return str(inspect.signature(thing)).replace("'", "")


def _told(thing: Any) -> Iterator[str]:
    """A docstring's paragraphs, without its examples."""
    text = (inspect.cleandoc(thing.__doc__) if thing.__doc__ else "").replace("``", "`")
    yield from _paragraphs("\n\n".join(one for one in text.split("\n\n") if not one.startswith((">>>", " "))))


def _modules() -> Iterator[str]:
    for folder, files in groupby(_sources(), key=lambda path: path.parent):
        inside = folder.relative_to(PACKAGE.parent).as_posix()
        yield f"#### `{inside}/`\n"
        yield from _table(("module", "what it owns"), [(f"`{file.name}`", _about(file)) for file in files])
        yield ""


def _sources() -> list[Path]:
    files = [path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py"]
    return sorted(files, key=lambda path: (path.parent != PACKAGE, path.parent.as_posix(), path.name))


def _about(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return _sentence(text.split("\n\n", maxsplit=1)[0])


def _sentence(text: str | None) -> str:
    """Docstring text on one line, its double backticks as Markdown's single ones."""
    return re.sub(r"\s+", " ", text or "").replace("``", "`").strip()


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield re.sub(r"\s+", " ", paragraph.replace("\b", "")).strip()
        yield ""


def _codes(words: Iterable[str]) -> str:
    return ", ".join(_code(word) for word in words)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{' --- |' * len(header)}"
    for row in rows:
        cells = " | ".join(cell.replace("|", r"\|") for cell in row)
        yield f"| {cells} |".replace("|  |", "| |")


PARTS: dict[str, Callable[[], Iterator[str]]] = {
    "settings": _settings,
    "masks": _masks,
    "envelope": _envelope,
    "shared-options": _shared,
    "commands": _commands,
    "exit-codes": _exit_codes,
    "events": _events,
    "metrics": _metrics,
    "sqlstates": _sqlstates,
    "modules": _modules,
    "api": _api,
    "panel-running": panels.running,
    "panel-away": panels.away,
    "panel-top": panels.watched,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
