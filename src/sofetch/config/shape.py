"""The shape of a configuration: known sections and keys, each value of its type and within its limits.

Owns the check of each value by itself. It reports everything it finds and keeps what is sound, so that the rules
about how settings go together (``sofetch.config.rules``) can report theirs in the same run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec

from sofetch.config.report import Report, did_you_mean, nearest, shown
from sofetch.config.schema import COLUMN, Key, choices, sections
from sofetch.detect.personal import SECRET, personal_by_name


@dataclass(frozen=True, slots=True)
class Part:
    """One section, or one column: the sound values that were given, and the keys that were given and are not sound."""

    path: tuple[str | int, ...]
    given: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def get(self, key: str) -> Any:
        """The value that holds: the given one or the default. None for a required one that is missing."""
        return self.given.get(key, sections()[str(self.path[0])][key].default)

    def has(self, key: str) -> bool:
        """Whether the key was given, sound or not."""
        return key in self.given or key in self.broken

    def at(self, key: str) -> tuple[str | int, ...]:
        """The path of a key."""
        return (*self.path, key)


@dataclass(frozen=True, slots=True)
class Draft:
    """What of a configuration is sound, section by section."""

    sections: Mapping[str, Part]
    columns: list[Part]

    def document(self) -> dict[str, Any]:
        """The sound values as one document again."""
        tables: dict[str, Any] = {name: part.given for name, part in self.sections.items()}
        return {**tables, COLUMN: [column.given for column in self.columns]}


def check_shape(document: Mapping[str, Any], report: Report) -> Draft:
    """Report every unknown section or key, missing key and unfit value; give back the rest."""
    for name in document:
        if name not in sections():
            _report_unknown_section(name, report)
    names = [name for name in sections() if name != COLUMN]
    parts = {name: _check_section(name, document.get(name), report) for name in names}
    return Draft(sections=parts, columns=_check_columns(document.get(COLUMN), report))


def _check_section(name: str, table: object, report: Report) -> Part:
    if isinstance(table, dict):
        return _check_part((name,), table, report)
    required = [key.name for key in sections()[name].values() if key.required]
    if table is not None:
        report.error("not_a_section", (name,), f"`{name}` is a section", hint=f"write it as [{name}], keys below it")
    elif required:
        keys = " and ".join(f"`{key}`" for key in required)
        report.error("missing_section", (name,), f"the section [{name}] is missing", hint=f"add [{name}] with {keys}")
    return Part((name,))


def _check_columns(tables: object, report: Report) -> list[Part]:
    match tables:
        case None | []:
            hint = "add a [[column]] with a `name` for each column of the table to fill"
            report.error("missing_section", (COLUMN,), "there is no [[column]]", hint=hint)
            return []
        case list():
            return [_check_column(index, table, report) for index, table in enumerate(tables)]
        case _:
            hint = "write [[column]], in double brackets, once for each column"
            report.error("not_a_section", (COLUMN,), "`column` is a list of sections", hint=hint)
            return []


def _check_column(index: int, table: object, report: Report) -> Part:
    path = (COLUMN, index)
    if isinstance(table, dict):
        return _check_part(path, table, report)
    report.error("not_a_section", path, "a column is a section", hint="write [[column]], keys below it")
    return Part(path, broken={"name"})


def _check_part(path: tuple[str | int, ...], table: Mapping[str, Any], report: Report) -> Part:
    keys = sections()[str(path[0])]
    part = Part(path)
    for name, value in table.items():
        if name not in keys:
            _report_unknown_key(part.at(name), name, keys, report)
        elif _fits(keys[name], value):
            part.given[name] = _as_setting(value)
        else:
            part.broken.add(name)
            report.error(
                "wrong_value", part.at(name), f"`{name}` takes {keys[name].expects}", hint=_hint(keys[name], value)
            )
    for key in keys.values():
        if key.required and not part.has(key.name):
            report.error("missing_key", path, f"{_title(path)} lacks `{key.name}`", hint=key.description)
    return part


def _fits(key: Key, value: object) -> bool:
    """Msgspec decides; its text is dropped, because it repeats the value. TOML's nan and inf are no setting."""
    if isinstance(value, float) and not math.isfinite(value):
        return False
    try:
        msgspec.convert(_as_setting(value), type=key.annotation)
    except msgspec.ValidationError:
        return False
    return True


def _as_setting(value: object) -> object:
    """TOML has dates of its own; a setting takes them as text."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def _hint(key: Key, value: object) -> str:
    if isinstance(value, str) and (words := choices(key.type)):
        return did_you_mean(value, words)
    if isinstance(value, str) and not isinstance(key.default, str):
        return "write it without quotes" if _is_literal_text(value) else ""
    return "write it in quotes" if isinstance(value, int | float) and _fits(key, str(value)) else ""


def _is_literal_text(value: str) -> bool:
    return value in {"true", "false"} or value.replace("_", "").removeprefix("-").isdecimal()


def _report_unknown_section(name: str, report: Report) -> None:
    home = [section for section, keys in sections().items() if name in keys and section != COLUMN]
    otherwise = f"the sections are {', '.join(sections())}"
    hint = f"`{name}` belongs below [{home[0]}]" if home else did_you_mean(name, sections(), otherwise=otherwise)
    report.error("unknown_key", (name,), f"there is no section {shown(name)}", hint=hint)


def _report_unknown_key(path: tuple[str | int, ...], name: str, keys: Mapping[str, Key], report: Report) -> None:
    home = [section for section, others in sections().items() if name in others]
    if personal_by_name(name) is SECRET:
        hint = "secrets never go into this file: see SOFETCH_SINK_DSN, SOFETCH_KEYRING and SOFETCH_KEYRING_FILE"
    elif nearest(name, keys) is None and home:
        hint = f"`{name}` belongs below " + " or ".join(f"[{section}]" for section in home)
    else:
        hint = did_you_mean(name, keys, otherwise=f"the keys are {', '.join(keys)}")
    report.error("unknown_key", path, f"{_title(path)} has no key {shown(name)}", hint=hint)


def _title(path: tuple[str | int, ...]) -> str:
    return "[[column]]" if path[0] == COLUMN else f"[{path[0]}]"
