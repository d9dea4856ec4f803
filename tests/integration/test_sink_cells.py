"""Every type goes into the table as it was, or is refused for that row only."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg.types.json import set_json_loads

from loading import names_of, open_sink, query, row, settings_for
from sofetch.columns import Produced
from sofetch.errors import SinkRefused
from sofetch.load.cells import Adapter, adapt
from sofetch.load.table import TableColumn
from sofetch.record import Cell, Reason, Refused

U = UUID("424cdd21-063a-43a7-b91b-7ca1a833afae")
MOMENT = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))

ROUND_TRIPS: list[tuple[str, str, Cell, Any]] = [
    ("int", "smallint", -32768, -32768),
    ("int", "integer", 2**31 - 1, 2**31 - 1),
    ("int", "bigint", -(2**31), -(2**31)),
    ("int", "numeric(12,2)", 7, Decimal("7.00")),
    ("int", "double precision", 2**31 - 1, float(2**31 - 1)),
    ("int", "text", -5, "-5"),
    ("bigint", "bigint", -(2**63), -(2**63)),
    ("bigint", "integer", 5, 5),
    ("version_int", "integer", 2003000, 2003000),
    ("numeric", "numeric", Decimal("12345678901234567890.123456789"), Decimal("12345678901234567890.123456789")),
    ("numeric", "numeric(5,2)", Decimal("999.994"), Decimal("999.99")),
    ("numeric", "double precision", Decimal("0.1"), 0.1),
    ("bool", "boolean", True, True),
    ("timestamp", "timestamptz", MOMENT, MOMENT.astimezone(UTC)),
    ("timestamp", "timestamp", MOMENT, datetime(2026, 3, 28, 23, 30, 0, 123456)),
    ("date", "date", date(1, 1, 1), date(1, 1, 1)),
    ("date", "text", date(2026, 11, 23), "2026-11-23"),
    ("uuid", "uuid", U, U),
    ("uuid", "varchar(36)", U, str(U)),
    ("inet", "inet", IPv4Interface("198.51.100.7/24"), IPv4Interface("198.51.100.7/24")),
    ("inet", "inet", IPv6Interface("2001:db8::1/128"), IPv6Interface("2001:db8::1").ip),
    ("inet", "inet", IPv4Address("198.51.100.7"), IPv4Address("198.51.100.7")),
    ("inet", "inet", IPv6Address("2001:db8::1"), IPv6Address("2001:db8::1")),
    ("inet", "text", IPv4Interface("198.51.100.7/32"), "198.51.100.7"),
    ("inet", "text", IPv6Address("2001:db8::1"), "2001:db8::1"),
    ("jsonb", "jsonb", b'{"b": [1, 2.50, null], "a": "\\u00e9"}', '{"a": "\u00e9", "b": [1, 2.50, null]}'),
    ("jsonb", "json", b'{"b":  1}', '{"b":  1}'),
    ("text", "text", "Grüße \U0001f600", "Grüße \U0001f600"),
    ("text", "varchar(8)", "12345678", "12345678"),
    ("text", "char(4)", "ab", "ab  "),
    ("text", "mood", "fine", "fine"),
    ("text", "short_text", "abc", "abc"),
]


@pytest.mark.parametrize(("configured", "declared", "cell", "stored"), ROUND_TRIPS)
def test_a_value_comes_out_of_the_table_as_it_went_in(
    database: str, configured: str, declared: str, cell: Cell, stored: object
) -> None:
    query(database, "CREATE TYPE mood AS ENUM ('fine', 'bad')")
    query(database, "CREATE DOMAIN short_text AS text CHECK (length(value) < 5)")
    query(database, f"CREATE TABLE events (c {declared})")
    with open_sink(settings_for([{"name": "c", "type": configured}]), database) as sink:
        assert names_of(sink.load([row(cell), row(None)], [])) == ["Loaded", "Loaded"]
    with psycopg.connect(database) as connection:
        set_json_loads(lambda text: text if isinstance(text, str) else bytes(text).decode(), connection)
        connection.execute("SET timezone = 'UTC'")
        found = connection.execute("SELECT c FROM events").fetchall()
    assert found == [(stored,), (None,)]


MISFITS: list[tuple[str, str, Cell, Reason]] = [
    ("int", "smallint", 2**15, Reason.OUT_OF_RANGE),
    ("int", "smallint", -(2**15) - 1, Reason.OUT_OF_RANGE),
    ("bigint", "integer", 2**31, Reason.OUT_OF_RANGE),
    ("bigint", "integer", -(2**31) - 1, Reason.OUT_OF_RANGE),
    ("bigint", "bigint", 2**63, Reason.OUT_OF_RANGE),
    ("numeric", "numeric(5,2)", Decimal("999.995"), Reason.OUT_OF_RANGE),
    ("numeric", "numeric(5,2)", Decimal("1E+3"), Reason.OUT_OF_RANGE),
    ("numeric", "numeric", Decimal("NaN"), Reason.OUT_OF_RANGE),
    ("numeric", "numeric", Decimal("Infinity"), Reason.OUT_OF_RANGE),
    ("numeric", "double precision", Decimal("1E+400"), Reason.OUT_OF_RANGE),
    ("numeric", "real", Decimal("1E+39"), Reason.OUT_OF_RANGE),
    ("text", "varchar(3)", "1234", Reason.TOO_LONG),
    ("text", "char(3)", "1234", Reason.TOO_LONG),
    ("text", "text", "a\0b", Reason.NUL_CHARACTER),
    ("text", "text", "a\ud800b", Reason.INVALID_UNICODE),
    ("text", "mood", "unheard of", Reason.BAD_VALUE),
    ("bigint", "varchar(3)", 1234, Reason.TOO_LONG),
]


@pytest.mark.parametrize(("configured", "declared", "cell", "reason"), MISFITS)
def test_a_value_that_cannot_fit_is_refused_for_its_row_only(
    database: str, configured: str, declared: str, cell: Cell, reason: Reason
) -> None:
    query(database, "CREATE TYPE mood AS ENUM ('fine', 'bad')")
    query(database, f"CREATE TABLE events (c {declared})")
    bad = row(cell)
    with open_sink(settings_for([{"name": "c", "type": configured}]), database) as sink:
        results = sink.load([row(None), bad, row(None)], [])
    assert names_of(results) == ["Loaded", "Refused", "Loaded"]
    assert results[1] == Refused(bad.message_id, reason, "c")


INCOMPATIBLE = {
    "text": ["integer", "uuid", "jsonb", "timestamptz", "inet", "bytea", "text[]"],
    "int": ["boolean", "date"],
    "bigint": ["double precision"],
    "numeric": ["integer", "text"],
    "timestamp": ["date"],
    "date": ["timestamptz"],
    "inet": ["cidr"],
    "bool": ["text"],
    "uuid": ["bytea"],
    "jsonb": ["text"],
}


@pytest.mark.parametrize(
    ("configured", "declared"), [(one, other) for one, others in INCOMPATIBLE.items() for other in others]
)
def test_a_type_that_cannot_hold_the_value_is_refused_at_the_start(
    database: str, configured: str, declared: str
) -> None:
    query(database, f"CREATE TABLE events (c {declared})")
    with (
        pytest.raises(SinkRefused, match="column c is") as caught,
        open_sink(settings_for([{"name": "c", "type": configured}]), database),
    ):
        raise AssertionError("not reached")
    assert "ALTER TABLE" in caught.value.hint


PRECISE = st.integers(1, 8).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p)))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9)


@hypothesis_settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(shape=PRECISE, number=NUMBERS)
def test_a_number_fits_exactly_if_postgres_takes_it(database: str, shape: tuple[int, int], number: Decimal) -> None:
    precision, scale = shape
    column = TableColumn(
        name="c", declared="numeric", base_type="numeric", kind="b", typmod=(precision << 16 | scale) + 4,
        not_null=False, has_default=False, generated=False, labels=None, mark="",
    )  # fmt: skip
    adapter = adapt(Produced("numeric", "numeric"), column, mask=None)
    assert isinstance(adapter, Adapter)
    assert (adapter.refusals([number]) == {}) == _postgres_takes(database, number, precision, scale)


def _postgres_takes(dsn: str, number: Decimal, precision: int, scale: int) -> bool:
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            connection.execute(f"SELECT %s::numeric::numeric({precision}, {scale})".encode(), [number])
        except psycopg.errors.NumericValueOutOfRange:
            return False
        return True
