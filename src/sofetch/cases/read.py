"""Reading cases: from the text of a TOML file to cases, or to everything that is wrong with it, by line.

Owns the file's form. It must not judge a message: that is ``run.py``'s. An error names keys and lines and no value.
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType, convert, field

from sofetch.cases.case import MESSAGE_ID, SENT_MS, Case, ExpectedRejection, ExpectedRow
from sofetch.cases.expectation import read_expected
from sofetch.config.positions import Path, find_positions
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.decode.unwrap import FETCHED
from sofetch.errors import ConfigError
from sofetch.findings import Finding
from sofetch.record import Message, Reason
from sofetch.settings import Settings

_CASE: Final = "case"


class _Written(Struct, frozen=True, kw_only=True):
    """A case as it stands in the file. The comments of docs/how-to/testing-a-config.md explain each key."""

    name: str
    message: dict[str, Any] | UnsetType = UNSET
    body: str | UnsetType = UNSET
    body_base64: str | UnsetType = UNSET
    unwrapped: bool = False
    sent: datetime = field(default_factory=lambda: datetime.fromtimestamp(SENT_MS / 1000, UTC))
    message_id: str = MESSAGE_ID
    group_id: str | None = None
    queue: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    row: dict[str, Any] | UnsetType = UNSET
    row_contains: dict[str, Any] | UnsetType = UNSET
    rejection: dict[str, str] | str | UnsetType = UNSET


_TAKES: Final[Mapping[str, str]] = {
    "name": "text",
    "message": "a table, the JSON object of the message",
    "body": "text, the message as it came",
    "body_base64": "the base64 of a message that is no text",
    "unwrapped": "true or false",
    "sent": "a time with its offset, as 2026-01-31T09:30:00Z",
    "message_id": "text",
    "group_id": "text",
    "queue": "text",
    "attributes": "a table of texts",
    "row": "a table of columns",
    "row_contains": "a table of columns",
    "rejection": "a reason, or a table with `reason` and `field`",
}
_TYPES: Final[Mapping[str, Any]] = {key.name: key.type for key in msgspec.structs.fields(_Written)}
_BODIES: Final = ("message", "body", "body_base64")
_ENDS: Final = ("row", "row_contains", "rejection")


def read_cases(text: str, *, file: str, settings: Settings) -> list[Case]:
    """The cases in a file's text. Raises ConfigError with everything that is wrong with it."""
    try:
        document = tomllib.loads(text, parse_float=_finite)
    except tomllib.TOMLDecodeError as error:  # its text names no more than a place and a character
        hint = "text goes in quotes, keys are bare words, see https://toml.io"
        raise ConfigError(f"{file} is not TOML: {error}", hint=hint, code="cases_invalid") from None
    except (RecursionError, ValueError, ArithmeticError):
        what = f"{file} nests too deep, or holds a number that is too long, or none (nan, inf)"
        raise ConfigError(what, code="cases_invalid") from None
    report = Report(file, positions=find_positions(text), variables={})
    cases = _Reader(report, settings).read(document)
    if errors := report.findings():
        raise ConfigError(_complaint(file, errors), code="cases_invalid")
    return cases


class _Reader:
    """Reads one file. Everything wrong goes into the report; what is wrong makes no case."""

    def __init__(self, report: Report, settings: Settings) -> None:
        self._report = report
        self._settings = settings
        self._columns = {column.name: column for column in settings.column}
        self._fetched = [layer for layer in settings.unwrap.layers if layer in FETCHED]
        self._names: set[str] = set()

    def read(self, document: Mapping[str, Any]) -> list[Case]:
        for name in document:
            if name != _CASE:
                self._error("unknown_key", (name,), f"there is no {shown(name)} here", "a file of tests holds [[case]]")
        tables = document.get(_CASE, [])
        if not isinstance(tables, list) or not tables:
            self._error("no_case", (_CASE,), "there is no [[case]]", "write [[case]], once for each test")
            return []
        cases = [self._case((_CASE, index), table) for index, table in enumerate(tables)]
        return [case for case in cases if case is not None]

    def _case(self, path: Path, table: object) -> Case | None:
        if not isinstance(table, dict):
            self._error("not_a_section", path, "a case is a section", "write [[case]], keys below it")
            return None
        written = self._written(path, table)
        if written is None:
            return None
        if written.name in self._names:
            self._error("name_taken", (*path, "name"), "two cases have this name", "a name tells which one failed")
        self._names.add(written.name)
        self._check_layers(path, written)
        body, expected = self._body(path, written), self._expected(path, written)
        if body is None or expected is None:
            return None
        return Case(
            name=written.name,
            where=self._report.where(path),
            message=self._message(written, body),
            expected=expected,
            unwrapped=written.unwrapped,
        )

    def _written(self, path: Path, table: Mapping[str, Any]) -> _Written | None:
        """The case's keys, each of its type; None if one is not."""
        sound = self._one_of(path, table, _BODIES) and self._one_of(path, table, _ENDS)
        for key, value in table.items():
            if key not in _TAKES:
                sound = False
                hint = did_you_mean(key, _TAKES, otherwise=f"the keys are {', '.join(_TAKES)}")
                self._error("unknown_key", (*path, key), f"a case has no key {shown(key)}", hint)
            elif not _is_sound(key, value):
                sound = False
                self._error("wrong_value", (*path, key), f"`{key}` takes {_TAKES[key]}", "")
        if "name" not in table:
            sound = False
            self._error("missing_key", path, "a case lacks `name`", "say what it shows, in a few words")
        return convert(dict(table), _Written) if sound else None

    def _one_of(self, path: Path, table: Mapping[str, Any], keys: Sequence[str]) -> bool:
        given = [key for key in keys if key in table]
        if len(given) == 1:
            return True
        what = f"has {' and '.join(given)}" if given else "has none of them"
        self._error("choose_one", path, f"a case takes one of {', '.join(keys)}, and this one {what}", "")
        return False

    def _check_layers(self, path: Path, written: _Written) -> None:
        if self._fetched and not written.unwrapped:
            self._error(
                "needs_network",
                path,
                f"the layer {self._fetched[0]} is fetched from S3, which a test does not do",
                "set unwrapped = true and give what is inside all layers",
            )

    def _body(self, path: Path, written: _Written) -> bytes | None:
        if isinstance(written.body, str):
            return written.body.encode()
        if isinstance(written.body_base64, str):
            try:
                return base64.b64decode(written.body_base64, validate=True)
            except (binascii.Error, ValueError):
                self._error("wrong_value", (*path, "body_base64"), f"`body_base64` takes {_TAKES['body_base64']}", "")
                return None
        return _JSON.encode(written.message)

    def _expected(self, path: Path, written: _Written) -> ExpectedRow | ExpectedRejection | None:
        if isinstance(written.row, dict):
            return self._row((*path, "row"), written.row, whole=True)
        if isinstance(written.row_contains, dict):
            return self._row((*path, "row_contains"), written.row_contains, whole=False)
        return self._rejection((*path, "rejection"), written.rejection)

    def _row(self, path: Path, cells: Mapping[str, Any], *, whole: bool) -> ExpectedRow:
        columns = {}
        for name, value in cells.items():
            if name not in self._columns:
                hint = did_you_mean(name, self._columns, otherwise=f"columns: {', '.join(self._columns)}")
                self._error("unknown_column", (*path, name), f"there is no column {shown(name)}", hint)
                continue
            expected = read_expected(value, self._columns[name], path=(*path, name), report=self._report)
            if expected is not None:
                columns[name] = expected
        return ExpectedRow(columns, whole)

    def _rejection(self, path: Path, value: object) -> ExpectedRejection | None:
        table = {"reason": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or "reason" not in table or not table.keys() <= {"reason", "field"}:
            self._error("wrong_value", path, f"`rejection` takes {_TAKES['rejection']}", "")
            return None
        if table["reason"] not in list(Reason):
            self._error("wrong_value", path, "there is no such reason", did_you_mean(table["reason"], list(Reason)))
            return None
        return ExpectedRejection(Reason(table["reason"]), table.get("field"))

    def _message(self, written: _Written, body: bytes) -> Message:
        sent_ms = int(written.sent.timestamp() * 1000)
        return Message(
            id=written.message_id,
            body=body,
            queue=written.queue or self._settings.source.queue,
            sent_ms=sent_ms,
            received_ms=sent_ms,
            group_id=written.group_id,
            attributes=written.attributes,
        )

    def _error(self, code: str, path: Path, what: str, hint: str) -> None:
        self._report.error(code, path, what, hint=hint)


def _is_sound(key: str, value: object) -> bool:
    if key == "sent":
        return isinstance(value, datetime) and value.tzinfo is not None
    try:
        convert(value, _TYPES[key])
    except msgspec.ValidationError:
        return False
    return True


def _finite(text: str) -> Decimal:
    """A number of the file, exactly as written. Raises ValueError for what is none."""
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError
    return number


_JSON: Final = msgspec.json.Encoder(decimal_format="number")


def _complaint(file: str, errors: Sequence[Finding]) -> str:
    count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    lines = [f"{error.where}: {error.what}" + (f"\n    → {error.hint}" if error.hint else "") for error in errors]
    return "\n".join([f"{file} cannot be used: {count}", *(f"  {line}" for line in lines)])
