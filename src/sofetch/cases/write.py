"""The text of a file of cases, which ``read.py`` reads back as the same cases.

Owns the writing: nothing that a message holds can break out of its string.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, assert_never

import msgspec

from sofetch.cases.case import (
    Case,
    Document,
    Equal,
    Expected,
    ExpectedRejection,
    ExpectedRow,
    IsNull,
    IsPresent,
    MaskOf,
    Matches,
)
from sofetch.infer.write import quoted

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_FRACTION: Final = re.compile(rb"\d[.eE]")
_MOST_INT: Final = 2**63
_HEAD: Final = """\
# Tests of the configuration: `sofetch test` runs them, and needs no queue, no database and no key.
# Tokens are those of a key that everybody knows, their kid is `test`. No real value is in here: every value that was in
# a message is made up. Read it all the same before you commit it.
"""


def write_cases(cases: Iterable[Case]) -> str:
    """The whole file. Every case has the sent time and the id that a case has by default."""
    return "\n".join([_HEAD, *("\n".join([*_case(case), ""]) for case in cases)])


def _case(case: Case) -> Iterator[str]:
    message = case.message
    yield "[[case]]"
    yield f"name = {quoted(case.name)}"
    if case.unwrapped:
        yield "unwrapped = true  # the document itself: what was round it is not tested"
    if message.group_id is not None:
        yield f"group_id = {quoted(message.group_id)}"
    if message.attributes:
        yield f"attributes = {_inline(message.attributes)}"
    table = _as_table(message.body)
    if table is None:
        yield _body(message.body)
    if isinstance(case.expected, ExpectedRejection):
        yield _rejection(case.expected)
    if table is not None:
        yield ""
        yield "[case.message]"
        yield from _pairs(table)
    if isinstance(case.expected, ExpectedRow):
        yield ""
        yield "[case.row]" if case.expected.whole else "[case.row_contains]"
        yield from (f"{_key(name)} = {_expected(one)}" for name, one in case.expected.columns.items())


def _rejection(expected: ExpectedRejection) -> str:
    if expected.field is None:
        return f"rejection = {quoted(expected.reason.value)}"
    return f"rejection = {_inline({'reason': expected.reason.value, 'field': expected.field})}"


def _expected(expected: Expected) -> str:
    match expected:
        case IsNull():
            return "{ null = true }"
        case IsPresent():
            return "{ present = true }"
        case Matches(pattern):
            return _inline({"matches": pattern.pattern})
        case Document(value):
            return f"{{ json = {_text(msgspec.json.encode(value).decode())} }}"
        case MaskOf(mask, value, kind, domain):
            more = {"kind": kind, "domain": domain}
            return _inline({f"{mask}_of": value, **{key: text for key, text in more.items() if text is not None}})
        case Equal(value):
            return _scalar(value)
        case _:
            assert_never(expected)


def _as_table(body: bytes) -> dict[str, Any] | None:
    """The body as what TOML can say; None for what it cannot: null, a huge integer, what is no JSON object."""
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document if document and _fits_toml(document) and not _has_fractions(body) else None


def _has_fractions(body: bytes) -> bool:
    """Whether a number has a point or an exponent: it would not read back as it stands."""
    return _FRACTION.search(_STRING.sub(b"", body)) is not None


def _fits_toml(value: object) -> bool:
    match value:
        case dict():
            return all(map(_fits_toml, value.values()))
        case list():
            return all(map(_fits_toml, value))
        case bool() | str():
            return True
        case int():
            return abs(value) < _MOST_INT
        case _:
            return False


def _body(body: bytes) -> str:
    try:
        return f"body = {_text(body.decode())}"
    except UnicodeDecodeError:
        return f'body_base64 = "{base64.b64encode(body).decode()}"'


def _text(text: str) -> str:
    """A literal string, in which JSON stays readable, where one can hold it."""
    return f"'{text}'" if text.isprintable() and "'" not in text else quoted(text)


def _pairs(table: Mapping[str, object]) -> Iterator[str]:
    return (f"{_key(name)} = {_scalar(value)}" for name, value in table.items())


def _inline(table: Mapping[str, object]) -> str:
    return "{ " + ", ".join(_pairs(table)) + " }" if table else "{}"


def _scalar(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case dict():
            return _inline(value)
        case list():
            return "[" + ", ".join(map(_scalar, value)) + "]"
        case _:
            return quoted(str(value))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)
