"""From a file and the environment to settings, or to everything that is wrong with them.

Owns finding and reading the file. Precedence: a variable, then the file, then the default of the type.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from sofetch.config.column_rules import ENVELOPE_TYPES
from sofetch.config.environment import override
from sofetch.config.positions import Positions, find_positions
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.rules import check_rules
from sofetch.config.several import PIPELINES, divide, judge_together, merged_findings, without_ambiguous
from sofetch.config.shape import Draft, check_shape
from sofetch.errors import ConfigError, told_path
from sofetch.findings import Finding
from sofetch.settings import Settings

CONFIG_VARIABLE: Final = "SOFETCH_CONFIG"
DEFAULT_FILE: Final = "sofetch.toml"

MAX_FILE_BYTES: Final = 8_388_608
_SYNTAX_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


class Configured(Struct, frozen=True):
    """What there is to run. ``several``: it was written as pipelines that share a process, be it only one."""

    pipelines: list[Settings]
    several: bool

    def named(self, names: Sequence[str]) -> list[Settings]:
        """Those of these names, all without any. Raises ConfigError for a name that there is not."""
        known = {one.pipeline_name: one for one in self.pipelines}
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known, otherwise=f"there are: {', '.join(known)}")
                raise ConfigError(f"there is no pipeline {shown(name)}", hint=hint, code="no_such_pipeline")
        return [one for name, one in known.items() if not names or name in names]


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    pipeline: str | None = None,
) -> Settings:
    """The settings of a file (default: SOFETCH_CONFIG, else ./sofetch.toml), variables of the environment first.

    Where it holds several pipelines, ``pipeline`` says which. Raises ConfigError with every error that ``lint_config``
    finds; its warnings do not keep anything from running.
    """
    found = load_pipelines(path, environ=environ)
    chosen = found.named([pipeline] if pipeline is not None else [])
    if len(chosen) > 1:
        names = ", ".join(one.pipeline_name for one in chosen)
        what = f"{_choose(path, os.environ if environ is None else environ)} holds several pipelines: {names}"
        raise ConfigError(what, hint="say which is meant: --pipeline NAME", code="which_pipeline")
    return chosen[0]


def load_pipelines(
    path: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] | None = None
) -> Configured:
    """All pipelines of a file, or of the ``*.toml`` files of a directory. Raises ConfigError as ``load_config``."""
    environ = os.environ if environ is None else environ
    place = _choose(path, environ)
    judged, findings = _judge_place(place, environ=environ)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise ConfigError(_complaint(str(place), errors), code="config_invalid")
    return Configured([settings for _, settings in judged.pipelines], judged.several)


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
    return _judge_place(_choose(path, environ), environ=environ)[1]


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
        raise ConfigError(
            f"there is no configuration file {told_path(file)}", hint=hint, code="config_missing"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or "its name is not one"
        raise ConfigError(
            f"the configuration file {told_path(file)} cannot be read: {why}", hint="name a readable file"
        ) from None
    return _checked(content, str(file))


def _checked(content: bytes, file: str) -> str:
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{file} is larger than 8 MiB", hint="name a configuration file, not data")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: the file is not UTF-8", hint="save it as UTF-8") from None


class _Judged(Struct, frozen=True):
    """The pipelines that are sound, each with the place it was read from."""

    pipelines: list[tuple[str, Settings]]
    several: bool


def _judge_place(place: Path, *, environ: Mapping[str, str]) -> tuple[_Judged, list[Finding]]:
    if not place.is_dir():
        return _judge_file(place, environ=environ)
    files = sorted(place.glob("*.toml"))
    if not files:
        hint = "put a configuration of each pipeline into it, NAME.toml"
        raise ConfigError(f"there is no *.toml in the directory {place}", hint=hint, code="config_missing")
    shared, ambiguous = without_ambiguous(environ) if files[1:] else (environ, [])
    judged, found = [], []
    for file in files:
        one, findings = _judge_file(file, environ=shared)
        judged.append(one)
        if one.several:
            what = "a file of a directory holds one pipeline"
            hint, where = "divide it into a file for each", str(file)
            findings.append(Finding(severity="error", code="several_in_directory", where=where, what=what, hint=hint))
        found.append(findings)
    pipelines = [pair for one in judged for pair in one.pipelines]
    return _Judged(pipelines, several=True), ambiguous + merged_findings(found) + list(judge_together(pipelines))


def _judge_file(file: Path, *, environ: Mapping[str, str]) -> tuple[_Judged, list[Finding]]:
    text = _read(file)
    document, findings = _parsed(text, file=str(file))
    if document is None:
        return _Judged([], several=False), findings
    positions = find_positions(text)
    if PIPELINES not in document:
        draft, findings = _judge_document(document, positions, file=str(file), environ=environ)
        return _Judged(_sound(str(file), draft, findings), several=False), findings
    parts, findings = divide(document, positions, file=str(file))
    environ, ambiguous = without_ambiguous(environ)
    pipelines, found = [], []
    for part in parts:
        draft, of_part = _judge_document(part.document, part.positions, file=str(file), environ=environ)
        pipelines += _sound(f"{file}:{part.positions.line(('pipeline',))}", draft, of_part)
        found.append(of_part)
    findings += ambiguous + merged_findings(found) + list(judge_together(pipelines))
    return _Judged(pipelines, several=True), findings


def _sound(where: str, draft: Draft, findings: Sequence[Finding]) -> list[tuple[str, Settings]]:
    if any(finding.severity == "error" for finding in findings):
        return []
    return [(where, _settings(draft))]


def _judge(text: str, *, file: str, environ: Mapping[str, str]) -> tuple[Draft | None, list[Finding]]:
    document, findings = _parsed(text, file=file)
    if document is None:
        return None, findings
    return _judge_document(document, find_positions(text), file=file, environ=environ)


def _parsed(text: str, *, file: str) -> tuple[dict[str, Any] | None, list[Finding]]:
    try:
        return tomllib.loads(text), []
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_finding(str(error), text, file)]
    except (RecursionError, ValueError):  # ValueError: an integer of thousands of digits
        return None, [_finding(file, "nests too deep or holds a number too long to read")]


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
