"""Settings from environment variables: ``SOFETCH_<SECTION>_<KEY>`` and ``SOFETCH_COLUMN_<NAME>_<KEY>``.

Owns how a variable is named and its text read. What the text means is checked with the rest of the configuration,
so that a wrong one is found like a wrong line of the file, under the variable's name. An empty variable counts as
unset: a container's manifest often cannot leave one out. SOFETCH_SINK_DSN and SOFETCH_VAULT_DSN may hold a password
and are therefore never read here; sink and vault ask for them when they connect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import inspect

from sofetch.config.positions import Path
from sofetch.config.report import nearest
from sofetch.config.schema import COLUMN, DSN_VARIABLES, Key, choices, sections
from sofetch.findings import Finding

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_SERVICE_LINK = re.compile(r"_(?:SERVICE_(?:HOST|PORT\w*)|PORT(?:_\w+)?)$")
"""Kubernetes sets such variables for a service that happens to be called ``sofetch-sink``."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}(?:_[0-9]{1,30}){0,9}")
_DEFAULT_IS_INTEGER = frozenset({"int", "bigint", "version_int"})


def override(document: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[Path, str], list[Finding]]:
    """Put the variables' values into the document. Returns the variable of each path set, and what is wrong."""
    given = {name: text for name, text in environ.items() if name.startswith("SOFETCH_") and text}
    known, findings = _known_paths(document, given)
    for path, key, variable in known:
        _put(document, path, _read(given[variable], _type_of(key, path, document)))
    variables = {path: variable for path, _, variable in known}
    settled = {*variables.values(), *DSN_VARIABLES, *(finding.where for finding in findings)}
    return variables, findings + list(_unknown(set(given) - settled, document))


def column_variable(column: str, key: str) -> str:
    """The variable for a key of a column: its name in capitals, anything but letters and digits as ``_``."""
    return f"SOFETCH_COLUMN_{re.sub('[^A-Za-z0-9]', '_', column)}_{key}".upper()


def _known_paths(
    document: dict[str, Any], given: Mapping[str, str]
) -> tuple[list[tuple[Path, Key, str]], list[Finding]]:
    claims: dict[str, list[tuple[Path, Key]]] = {}
    for variable, path, key in _claims(document):
        if variable in given:
            claims.setdefault(variable, []).append((path, key))
    single = [(path, key, variable) for variable, [(path, key), *rest] in claims.items() if not rest]
    return single, [_ambiguous(variable) for variable, claimed in claims.items() if len(claimed) > 1]


def _claims(document: dict[str, Any]) -> Iterator[tuple[str, Path, Key]]:
    """Every variable that would set something in this document, and what it would set."""
    for section, keys in sections().items():
        if section == COLUMN:
            continue
        for key in keys.values():
            if key.variable not in DSN_VARIABLES and isinstance(document.get(section, {}), dict):
                yield key.variable, (section, key.name), key
    for index, name in _named_columns(document):
        for key in sections()[COLUMN].values():
            yield column_variable(name, key.name), (COLUMN, index, key.name), key


def _named_columns(document: dict[str, Any]) -> Iterator[tuple[int, str]]:
    columns = document.get(COLUMN)
    for index, column in enumerate(columns if isinstance(columns, list) else ()):
        if isinstance(column, dict) and isinstance(name := column.get("name"), str):
            yield index, name


def _put(document: dict[str, Any], path: Path, value: object) -> None:
    match path:
        case (str(section), str(key)):
            document.setdefault(section, {})[key] = value
        case (str(section), int(index), str(key)):
            document[section][index][key] = value


def _type_of(key: Key, path: Path, document: dict[str, Any]) -> inspect.Type:
    """The type to read the text as; a column's ``default`` has that of its column."""
    if (key.section, key.name) != (COLUMN, "default"):
        return key.type
    column_type = document[COLUMN][path[1]].get("type")
    if column_type == "bool":
        return inspect.BoolType()
    return inspect.IntType() if column_type in _DEFAULT_IS_INTEGER else inspect.StrType()


def _read(text: str, kind: inspect.Type) -> object:  # noqa: PLR0911  # one for each type
    """The text as the type has it, or as it is where it does not read so: the check of the whole then refuses it."""
    match kind:
        case inspect.Metadata():
            return _read(text, kind.type)
        case inspect.BoolType():
            return _read_bool(text.strip().lower(), text)
        case inspect.IntType():
            return int(text) if _INTEGER.fullmatch(text.strip()) else text
        case inspect.FloatType():
            return _read_number(text)
        case inspect.ListType():
            return _read_list(text)
        case inspect.UnionType():
            return _read_union(text, kind)
        case _:
            return text


def _read_bool(word: str, text: str) -> object:
    if word in _TRUE:
        return True
    return False if word in _FALSE else text


def _read_number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _read_list(text: str) -> object:
    """A JSON array, or words with commas between them."""
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_union(text: str, kind: inspect.UnionType) -> object:
    if text in choices(kind):
        return text
    parts = [part for part in kind.types if not isinstance(part, inspect.NoneType | inspect.LiteralType)]
    return _read(text, parts[0]) if parts else text


def _ambiguous(variable: str) -> Finding:
    return Finding(
        severity="error",
        code="ambiguous_variable",
        where=variable,
        what="could set more than one column's key",
        hint="unset it and write the setting into the file",
    )


def _unknown(variables: set[str], document: dict[str, Any]) -> Iterator[Finding]:
    right = [variable for variable, _, _ in _claims(document)]
    prefixes = tuple(f"SOFETCH_{section}_".upper() for section in sections())
    for variable in sorted(variables):
        if variable.startswith(prefixes) and _SERVICE_LINK.search(variable) is None:
            yield _unknown_variable(variable, right)


def _unknown_variable(variable: str, right: list[str]) -> Finding:
    found = nearest(
        variable.removeprefix("SOFETCH_").lower(), [name.removeprefix("SOFETCH_").lower() for name in right]
    )
    return Finding(
        severity="error",
        code="unknown_variable",
        where=variable,
        what="sets nothing that there is",
        hint=f"did you mean SOFETCH_{found.upper()}?" if found else "unset it, or see `sofetch settings` for the names",
    )
