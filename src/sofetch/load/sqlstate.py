"""Who is to blame for a database error: the row, the circumstances, or the set-up.

Owns the lists of SQLSTATEs and what each means; it must not look at exception classes (25006, read-only, is not an
``OperationalError``; 22P03, a changed table, is a ``DataError``) nor at message texts, which are translated and echo
values. What is on no list is an outage: holding a message too long loses nothing, quarantining it wrongly does.
Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Protocol

from sofetch.record import Reason


class Blame(Enum):
    """What an error asks for."""

    ROW = auto()
    """This row will never load: isolate it and quarantine it."""
    WAIT = auto()
    """An outage or a collision: nothing is wrong with the row; hold it and try again."""
    PERSON = auto()
    """Table, column, type, privilege: a person must act; hold meanwhile."""


class Diagnosis(Protocol):
    """The fields of an error that are safe to look at (psycopg's ``Diagnostic`` has them)."""

    @property
    def sqlstate(self) -> str | None: ...  # noqa: D102
    @property
    def constraint_name(self) -> str | None: ...  # noqa: D102


ROW_FAULTS: dict[str, Reason] = {
    "22000": Reason.DATABASE_REFUSED_VALUE,  # data_exception
    "22001": Reason.TOO_LONG,  # string_data_right_truncation
    "22003": Reason.OUT_OF_RANGE,  # numeric_value_out_of_range
    "22004": Reason.NOT_NULL_VIOLATION,  # null_value_not_allowed
    "22007": Reason.BAD_VALUE,  # invalid_datetime_format
    "22008": Reason.OUT_OF_RANGE,  # datetime_field_overflow
    "22009": Reason.OUT_OF_RANGE,  # invalid_time_zone_displacement_value
    "22011": Reason.DATABASE_REFUSED_VALUE,  # substring_error: as 22012, a length below zero
    "22012": Reason.DATABASE_REFUSED_VALUE,  # division_by_zero: in a trigger, a check, a generated column
    "22015": Reason.OUT_OF_RANGE,  # interval_field_overflow
    "22018": Reason.BAD_VALUE,  # invalid_character_value_for_cast
    "2201E": Reason.DATABASE_REFUSED_VALUE,  # invalid_argument_for_logarithm: as 22012
    "2201F": Reason.DATABASE_REFUSED_VALUE,  # invalid_argument_for_power_function, square roots too: as 22012
    "22021": Reason.INVALID_UNICODE,  # character_not_in_repertoire
    "22023": Reason.DATABASE_REFUSED_VALUE,  # invalid_parameter_value: in a trigger or a check
    "22026": Reason.TOO_LONG,  # string_data_length_mismatch
    "22030": Reason.BAD_VALUE,  # duplicate_json_object_key_value
    "22032": Reason.BAD_VALUE,  # invalid_json_text
    "22P02": Reason.BAD_VALUE,  # invalid_text_representation: a label that an enum does not have
    "22P05": Reason.INVALID_UNICODE,  # untranslatable_character: not in the database's encoding
    "23000": Reason.DATABASE_REFUSED_VALUE,  # integrity_constraint_violation
    "23502": Reason.NOT_NULL_VIOLATION,
    "23503": Reason.FOREIGN_KEY_VIOLATION,
    "23505": Reason.UNIQUE_VIOLATION,
    "23514": Reason.CHECK_VIOLATION,
    "23P01": Reason.EXCLUSION_VIOLATION,
    "54000": Reason.DATABASE_REFUSED_VALUE,  # program_limit_exceeded: a value too large for its index
    "P0001": Reason.DATABASE_REFUSED_VALUE,  # raise_exception: a trigger said no
}

# 22018, 22032 and 23000: no row is known that gets them from Postgres itself; triggers and extensions may name them.
# 22P03 and 22P04 (binary format) are missing above on purpose: they blame how we wrote the row, as when the table was
# altered under us. Taking them for the row's fault would quarantine everything.

PERSON_CLASSES = {
    "0A": "the database cannot do this",  # feature_not_supported: COPY into a table with row-level security
    "28": "the database refuses this user",  # invalid_authorization_specification
    "2F": "a function of the database is wrong",
    "38": "a function of the database is wrong",
    "39": "a function of the database is wrong",
    "3D": "the database does not exist",
    "3F": "the schema does not exist",
    "42": "the table or the privileges do not fit",  # undefined table and column, datatype mismatch, privilege
    "44": "a view's check option refuses the rows",
    "P0": "a trigger of the table is wrong",  # a person's code, but for P0001
}

WAIT_CLASSES = {
    "08": "the connection was lost",
    "25": "the database is read-only or the transaction was ended",
    "40": "another transaction was in the way",
    "53": "the database is out of resources",
    "55": "the table is locked or not ready",
    "57": "the database is stopping, starting, or cancelled the statement",
    "58": "the database's system reports an error",
    "XX": "the database reports an internal error",
}

# A connection that was not made has no SQLSTATE in psycopg, and is waited for: the codes of a refused log-in (28000,
# 28P01, 3D000, 53300, 57P03) count only in a session that is there, as when a pooler passes them on.
WAIT_CODES = {
    "25006": "the database is read-only, as an old primary after a failover",
    "25P03": "the transaction was idle for too long",
    "40001": "a concurrent transaction was in the way",
    "40P01": "two transactions waited for each other",
    "53100": "the database's disk is full",
    "53200": "the database is out of memory",
    "53300": "the database has too many connections",
    "55P03": "a lock was not to be had in time",
    "57014": "the statement took too long and was cancelled",
    "57P01": "the database is being stopped, or ended this connection",
    "57P03": "the database is starting up or recovering",
}

PERSON_CODES = {
    "23514": "the table has no partition for the rows",  # check_violation without a constraint's name
    "28000": "the database refuses this user",
    "28P01": "the password is not accepted",
    "3D000": "the database does not exist",
    "42501": "a privilege is missing",
    "42703": "a column does not exist",
    "42804": "a column has another type",
    "42P01": "a table does not exist",
}


def blame(diagnosis: Diagnosis) -> Blame:
    """Who is to blame. Asked only about errors of statements that carry rows may the answer be ROW."""
    state = diagnosis.sqlstate or ""
    if state == "23514" and not diagnosis.constraint_name:
        return Blame.PERSON
    if state in ROW_FAULTS:
        return Blame.ROW
    return Blame.PERSON if state[:2] in PERSON_CLASSES else Blame.WAIT


def reason_of(sqlstate: str | None) -> Reason:
    """The reason that goes with a row's fault."""
    return ROW_FAULTS.get(sqlstate or "", Reason.DATABASE_REFUSED_VALUE)


def in_words(sqlstate: str | None) -> str:
    """What an SQLSTATE that is no row's fault means, in a few words; never the server's own text."""
    if not sqlstate:
        return "the connection was lost or could not be made"
    codes, classes = WAIT_CODES | PERSON_CODES, WAIT_CLASSES | PERSON_CLASSES
    return codes.get(sqlstate) or classes.get(sqlstate[:2]) or "the database reports an error"


def copy_line(context: str | None, *, table: str) -> int | None:
    """The line (from 1) that a COPY error names in its context, in whatever language the server speaks.

    ``COPY logins, line 3``, ``COPY logins, Zeile 3, Spalte ip``: the first number beside the table's name, in the
    outermost line (a trigger's own lines stand above it). A guess: whoever uses it must confirm it.
    """
    for line in reversed((context or "").splitlines()):
        before, name, after = line.partition(table)
        found = re.search(r"\d+", after) if name and not re.search(r"\d", before) else None
        if found:
            return int(found.group())
    return None
