"""Blame goes by SQLSTATE, and what is unknown is an outage."""

from __future__ import annotations

import psycopg.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from sofetch.load.sqlstate import ROW_FAULTS, Blame, blame, copy_line, in_words, reason_of
from sofetch.record import Reason


class Diagnosed(Struct, frozen=True):
    sqlstate: str | None
    constraint_name: str | None = None


ROW = ["22001", "22003", "22007", "22008", "22021", "22P02", "23502", "23503", "23505", "23P01", "P0001"]
WAIT = ["08006", "08P01", "57P01", "57P02", "57P03", "53100", "53200", "53300", "40001", "40P01", "55P03", "57014"]
PERSON = ["42P01", "42703", "42804", "42501", "28000", "28P01", "3D000", "3F000", "0A000"]


@pytest.mark.parametrize(
    ("states", "expected"),
    [(ROW, Blame.ROW), (WAIT, Blame.WAIT), (PERSON, Blame.PERSON)],
    ids=["row", "wait", "person"],
)
def test_each_sqlstate_is_blamed_on_the_right_one(states: list[str], expected: Blame) -> None:
    assert [blame(Diagnosed(state, "some_constraint")) for state in states] == [expected] * len(states)


def test_a_lost_connection_without_sqlstate_is_waited_for() -> None:
    assert blame(Diagnosed(None)) is Blame.WAIT
    assert "connection" in in_words(None)


def test_read_only_is_waited_for_although_it_is_no_operational_error() -> None:
    assert not issubclass(psycopg.errors.ReadOnlySqlTransaction, psycopg.OperationalError)
    assert blame(Diagnosed("25006")) is Blame.WAIT


def test_binary_format_errors_blame_no_row_although_they_are_data_errors() -> None:
    assert issubclass(psycopg.errors.InvalidBinaryRepresentation, psycopg.DataError)
    assert blame(Diagnosed("22P03")) is Blame.WAIT


def test_a_check_violation_is_the_rows_fault_but_a_missing_partition_is_a_persons() -> None:
    assert blame(Diagnosed("23514", "positive")) is Blame.ROW
    assert blame(Diagnosed("23514")) is Blame.PERSON


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5))
def test_only_what_is_listed_can_ever_send_a_row_to_quarantine(state: str) -> None:
    assert (blame(Diagnosed(state, "c")) is Blame.ROW) == (state in ROW_FAULTS)


def test_every_listed_sqlstate_is_one_that_postgres_has() -> None:
    for state in ROW_FAULTS:
        assert psycopg.errors.lookup(state).sqlstate == state


@pytest.mark.parametrize(
    ("context", "line"),
    [
        ("COPY logins, line 3, column ip", 3),
        ("COPY logins, Zeile 12", 12),
        ("logins 복사, 7번째 줄", 7),
        ("PL/pgSQL function refuse() line 4 at RAISE\nCOPY logins, line 9", 9),
        ("", None),
        (None, None),
    ],
)
def test_the_line_is_found_in_any_language_and_below_a_triggers_own(context: str | None, line: int | None) -> None:
    assert copy_line(context, table="logins") == line


def test_digits_in_the_tables_name_are_not_the_line() -> None:
    assert copy_line("COPY t, 5 of 2026, line 3, column a1", table="t, 5 of 2026") == 3


def test_reasons_are_bounded() -> None:
    assert reason_of("23505") is Reason.UNIQUE_VIOLATION
    assert reason_of("99999") is Reason.DATABASE_REFUSED_VALUE
    assert reason_of(None) is Reason.DATABASE_REFUSED_VALUE
