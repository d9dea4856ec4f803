"""From a file and the environment to settings, or to everything that is wrong with them.

Owns finding and reading the file. Precedence: a variable, then the file, then the default of the type.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from sofetch.config.column_rules import ENVELOPE_TYPES
from sofetch.config.environment import override
from sofetch.config.positions import Positions, find_positions
from sofetch.config.report import Report
from sofetch.config.rules import check_rules
from sofetch.config.shape import Draft, check_shape
from sofetch.errors import ConfigError
from sofetch.findings import Finding
from sofetch.settings import Settings

CONFIG_VARIABLE: Final = "SOFETCH_CONFIG"
DEFAULT_FILE: Final = "sofetch.toml"

MAX_FILE_BYTES: Final = 8_388_608
_SYNTAX_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def load_config(path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file (default: SOFETCH_CONFIG, else ./sofetch.toml), variables of the environment first.

    Raises ConfigError with every error that ``lint_config`` finds; its warnings do not keep anything from running.
    """
    environ = os.environ if environ is None else environ
    file = _choose(path, environ)
    return load_text(_read(file), file=str(file), environ=environ)


def load_content(content: bytes, *, file: str, environ: Mapping[str, str]) -> Settings:
    """As ``load_config``, of what a file that is kept elsewhere holds; ``file`` is the name that errors give it."""
    return load_text(_checked(content, file), file=file, environ=environ)


def load_text(text: str, *, file: str = DEFAULT_FILE, environ: Mapping[str, str] | None = None) -> Settings:
    """As ``load_config``, of a text; ``file`` is the name that errors give it. No variables unless given."""
    draft, findings = _judge(text, file=file, environ=environ or {})
    errors = [finding for finding in findings if finding.severity == "error"]
    if draft is None or errors:
        raise ConfigError(_complaint(file, errors), code="config_invalid")
    return _settings(draft)


def lint_config(
    path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None
) -> list[Finding]:
    """Everything that is wrong, or likely not meant, in the order of the file. Empty if nothing is.

    Raises ConfigError if there is no file to read.
    """
    environ = os.environ if environ is None else environ
    file = _choose(path, environ)
    return _judge(_read(file), file=str(file), environ=environ)[1]


def lint_text(text: str, *, file: str = DEFAULT_FILE, environ: Mapping[str, str] | None = None) -> list[Finding]:
    """As ``lint_config``, of a text; ``file`` is the name that findings give it. No variables unless given."""
    return _judge(text, file=file, environ=environ or {})[1]


def _choose(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Path:
    if path is not None:
        return Path(path)
    return Path(environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        hint = f"`sofetch init` writes one; -c FILE or {CONFIG_VARIABLE} names another"
        raise ConfigError(f"there is no configuration file {file}", hint=hint, code="config_missing") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or "its name is not one"
        raise ConfigError(f"the configuration file {file} cannot be read: {why}", hint="name a readable file") from None
    return _checked(content, str(file))


def _checked(content: bytes, file: str) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{file} is larger than 8 MiB", hint="name a configuration file, not data")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: the file is not UTF-8", hint="save it as UTF-8") from None


def _judge(text: str, *, file: str, environ: Mapping[str, str]) -> tuple[Draft | None, list[Finding]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_finding(str(error), text, file)]
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        return None, [_finding(file, "nests too deep or holds a number too long to read")]
    return _judge_document(document, find_positions(text), file=file, environ=environ)


def _judge_document(
    document: dict[str, Any], positions: Positions, *, file: str, environ: Mapping[str, str]
) -> tuple[Draft, list[Finding]]:
    variables, findings = override(document, environ)
    report = Report(file, positions=positions, variables=variables)
    draft = check_shape(document, report)
    check_rules(draft, report)
    return draft, report.findings() + findings


def _syntax_finding(message: str, text: str, file: str) -> Finding:
    """Tomllib's message names no more of the text than a key or a character; its place goes where places go."""
    place = _SYNTAX_PLACE.search(message)
    what = message[: place.start()] if place else message
    if place is None or place["line"] is None:
        last = text.rstrip("\n")
        return _finding(f"{file}:{last.count(chr(10)) + 1}", f"not TOML: {what}, at the end of the file")
    return _finding(f"{file}:{place['line']}:{place['column']}", f"not TOML: {what}")


def _finding(where: str, what: str) -> Finding:
    hint = "text goes in quotes, keys are bare words, see https://toml.io"
    return Finding(severity="error", code="syntax", where=where, what=what, hint=hint)


def _complaint(file: str, errors: list[Finding]) -> str:
    count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    lines = [f"{error.where}: {error.what}" + (f"\n    → {error.hint}" if error.hint else "") for error in errors]
    return "\n".join([f"{file} cannot be used: {count}", *(f"  {line}" for line in lines)])


def _settings(draft: Draft) -> Settings:
    """The sound draft as settings; an unmasked value of the envelope has its usual type unless the file names one."""
    for column in draft.columns:
        if "value" in column.given and "mask" not in column.given:
            column.given.setdefault("type", ENVELOPE_TYPES.get(column.given["value"], ("text",))[0])
    return msgspec.convert(draft.document(), Settings)
