"""Each SQLSTATE on the lists of blame, provoked on a real Postgres: it is the code we think, and blamed as we say.

An error that the real server never gives for its cause would be blamed by a list that nobody meets.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from sofetch.load.sqlstate import PERSON_CODES, ROW_FAULTS, WAIT_CODES, Blame, blame

Connection = psycopg.Connection[Any]
Provocation = Callable[[str], None]


class Diagnosed(Struct, frozen=True):
    sqlstate: str | None
    constraint_name: str | None = None


def connect(dsn: str) -> closing[Connection]:
    return closing(psycopg.connect(dsn, autocommit=True))


def statements(*texts: str) -> Provocation:
    """The last of them is refused; each is sent by itself, so that one before it that fails is found out."""

    def provoke(dsn: str) -> None:
        with connect(dsn) as connection:
            for text in texts[:-1]:
                succeed(connection, text)
            connection.execute(texts[-1].encode())

    return provoke


def succeed(connection: Connection, text: str) -> None:
    try:
        connection.execute(text.encode())
    except psycopg.Error as error:
        pytest.fail(f"the preparation itself failed: {error}")


def row(columns: str, values: str, *before: str) -> Provocation:
    """A row or two with these values, into a table with these columns."""
    return statements(*before, f"CREATE TABLE t ({columns})", f"INSERT INTO t VALUES {values}")


def raised(condition: str) -> Provocation:
    """A trigger that names the condition: no row is known that gets these from Postgres itself."""
    function = f"BEGIN RAISE {condition}; END"
    return statements(
        "CREATE TABLE t (x int)",
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {function} $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()",
        "INSERT INTO t VALUES (1)",
    )


def bytes_that_are_no_utf8(dsn: str) -> None:
    with connect(dsn) as connection:
        succeed(connection, "CREATE TABLE t (x text)")
        connection.execute(b"INSERT INTO t VALUES ('\xff')")


def a_euro_sign_in_a_latin1_database(dsn: str) -> None:
    name = f"{conninfo_to_dict(dsn)['dbname']}_latin1"
    with connect(dsn) as outside:
        succeed(outside, f"CREATE DATABASE {name} ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
        try:
            row("x text", "('€')")(make_conninfo(dsn, dbname=name, client_encoding="UTF8"))
        finally:
            outside.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


ROW: dict[str, Provocation] = {
    "22000": row("a int, b int, r int4range GENERATED ALWAYS AS (int4range(a, b)) STORED", "(5, 1)"),
    "22001": row("x varchar(3)", "('four')"),
    "22003": row("x smallint", "(32768)"),
    "22004": row("x jsonb CHECK (jsonb_set_lax('{}', '{a}', x, true, 'raise_exception') IS NOT NULL)", "(NULL)"),
    "22007": row("x timestamp", "('soon')"),
    "22008": row("x date", "('2026-02-31')"),
    "22009": row("x timestamptz", "('2026-01-01 00:00+99')"),
    "22011": row("x text, n int, y text GENERATED ALWAYS AS (substr(x, 1, n)) STORED", "('a', -1)"),
    "22012": row("x int, y int GENERATED ALWAYS AS (1 / x) STORED", "(0)"),
    "22015": row("x interval", "('99999999999 years')"),
    "22018": raised("invalid_character_value_for_cast"),
    "2201E": row("x numeric, y numeric GENERATED ALWAYS AS (ln(x)) STORED", "(0)"),
    "2201F": row("x numeric, y numeric GENERATED ALWAYS AS (sqrt(x)) STORED", "(-1)"),
    "22021": bytes_that_are_no_utf8,
    "22023": row("x text CHECK (date_trunc(x, timestamp '2026-01-01') IS NOT NULL)", "('fortnight')"),
    "22026": row("x bit(3)", "('1111')"),
    "22030": row("x text CHECK (JSON(x WITH UNIQUE KEYS) IS NOT NULL)", """('{"a": 1, "a": 2}')"""),
    "22032": raised("invalid_json_text"),
    "22P02": row("x mood", "('glum')", "CREATE TYPE mood AS ENUM ('happy')"),
    "22P05": a_euro_sign_in_a_latin1_database,
    "23000": raised("integrity_constraint_violation"),
    "23502": row("x int NOT NULL", "(NULL)"),
    "23503": row("x int REFERENCES parent", "(1)", "CREATE TABLE parent (id int PRIMARY KEY)"),
    "23505": row("x int UNIQUE", "(1), (1)"),
    "23514": row("x int CHECK (x > 0)", "(0)"),
    "23P01": row("x int4range, EXCLUDE USING gist (x WITH &&)", "('[1,5]'), ('[5,9]')"),
    "54000": row("x text UNIQUE", "((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i))"),
    "P0001": raised("EXCEPTION 'no'"),
}


def an_update_of_what_another_has_updated(dsn: str) -> None:
    with connect(dsn) as one, connect(dsn) as two:
        succeed(one, "CREATE TABLE t AS SELECT 1 AS x")
        succeed(two, "BEGIN ISOLATION LEVEL REPEATABLE READ")
        succeed(two, "SELECT * FROM t")
        succeed(one, "UPDATE t SET x = 2")
        two.execute("UPDATE t SET x = 3")


def two_that_wait_for_each_other(dsn: str) -> None:
    with connect(dsn) as one, connect(dsn) as two:
        succeed(one, "SELECT pg_advisory_lock(1)")
        succeed(two, "SELECT pg_advisory_lock(2)")
        one.pgconn.send_query(b"SELECT pg_advisory_lock(2)")
        while not two.execute("SELECT FROM pg_locks WHERE NOT granted AND pid = %s", [one.info.backend_pid]).rowcount:
            pass
        succeed(two, "SET deadlock_timeout = 1")
        two.execute("SELECT pg_advisory_lock(1)")


def a_locked_table(limit: str) -> Provocation:
    """Waiting for it no longer than the limit."""

    def provoke(dsn: str) -> None:
        with connect(dsn) as owner, connect(dsn) as waiting:
            for text in ("CREATE TABLE t (x int)", "BEGIN", "LOCK TABLE t"):
                succeed(owner, text)
            succeed(waiting, f"SET {limit} = 1")
            waiting.execute("INSERT INTO t VALUES (1)")

    return provoke


WAIT: dict[str, Provocation] = {
    "25006": statements("CREATE TABLE t (x int)", "SET default_transaction_read_only = on", "INSERT INTO t VALUES (1)"),
    "40001": an_update_of_what_another_has_updated,
    "40P01": two_that_wait_for_each_other,
    "53200": statements("SELECT pg_advisory_xact_lock(generate_series(1, 1000000))"),
    "55P03": a_locked_table("lock_timeout"),
    "57014": a_locked_table("statement_timeout"),
    "57P01": statements("SELECT pg_terminate_backend(pg_backend_pid())"),
}

PERSON: dict[str, Provocation] = {
    "23514": statements("CREATE TABLE t (x int) PARTITION BY LIST (x)", "INSERT INTO t VALUES (1)"),
    "42501": statements("CREATE TABLE t (x int)", "SET ROLE pg_monitor", "INSERT INTO t VALUES (1)"),
    "42703": statements("CREATE TABLE t (x int)", "INSERT INTO t (y) VALUES (1)"),
    "42804": statements("CREATE TABLE t (x int)", "INSERT INTO t VALUES ('1'::text)"),
    "42P01": statements("INSERT INTO t VALUES (1)"),
}


@contextmanager
def an_unknown_user(dsn: str) -> Iterator[str]:
    yield make_conninfo(dsn, user="nobody")


@contextmanager
def an_unknown_database(dsn: str) -> Iterator[str]:
    yield make_conninfo(dsn, dbname="nowhere")


@contextmanager
def a_user_with_too_many_connections(dsn: str) -> Iterator[str]:
    name = f"crowd_{conninfo_to_dict(dsn)['dbname']}"
    with connect(dsn) as connection:
        succeed(connection, f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 0")
        try:
            yield make_conninfo(dsn, user=name)
        finally:
            connection.execute(f"DROP ROLE {name}".encode())


# Refused before there is a session.
AT_THE_DOOR = {
    "28000": (an_unknown_user, Blame.PERSON),
    "3D000": (an_unknown_database, Blame.PERSON),
    "53300": (a_user_with_too_many_connections, Blame.WAIT),
}

NOT_PROVOKED = {
    "25P03": "the server may close the link before its word is read; then there is no code, and it is waited for too",
    "28P01": "the embedded server asks nobody for a password: whoever reaches its socket is trusted",
    "53100": "a full disk needs a server of its own and a mount: test_sink_full.py has both",
    "57P03": "a server that starts or recovers is over in an instant, and the other tests need this one up",
}

CASES = [
    *((code, Blame.ROW, provoke) for code, provoke in ROW.items()),
    *((code, Blame.WAIT, provoke) for code, provoke in WAIT.items()),
    *((code, Blame.PERSON, provoke) for code, provoke in PERSON.items()),
]


@pytest.mark.parametrize(
    ("code", "verdict", "provoke"), CASES, ids=[f"{verdict.name}-{code}".lower() for code, verdict, _ in CASES]
)
def test_the_real_error_has_the_listed_code_and_is_blamed_on_the_right_one(
    database: str, code: str, verdict: Blame, provoke: Provocation
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        provoke(database)
    assert (caught.value.diag.sqlstate, blame(caught.value.diag)) == (code, verdict)


@pytest.mark.parametrize("code", AT_THE_DOOR)
def test_who_is_refused_at_the_door_is_told_the_code_but_the_driver_is_not(database: str, code: str) -> None:
    """libpq keeps the code of a connection that was not made to itself, so the worker waits, whatever the list says."""
    refused, verdict = AT_THE_DOOR[code]
    with refused(database) as dsn:
        told = code_on_the_wire(dsn)
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(dsn)
    assert (told, blame(Diagnosed(told))) == (code, verdict)
    assert (caught.value.diag.sqlstate, blame(caught.value.diag)) == (None, Blame.WAIT)


def test_every_listed_code_is_either_provoked_or_has_a_reason_why_not() -> None:
    door = {verdict: [c for c, (_, v) in AT_THE_DOOR.items() if v is verdict] for verdict in Blame}
    listed = [*_pairs(Blame.ROW, ROW_FAULTS), *_pairs(Blame.WAIT, WAIT_CODES), *_pairs(Blame.PERSON, PERSON_CODES)]
    provoked = [(verdict, code) for code, verdict, _ in CASES]
    provoked += [pair for verdict, codes in door.items() for pair in _pairs(verdict, dict.fromkeys(codes))]
    excused = [pair for pair in listed if pair[1] in NOT_PROVOKED]
    assert sorted(map(str, provoked + excused)) == sorted(map(str, listed))
    assert {code for _, code in excused} == set(NOT_PROVOKED)


def _pairs(verdict: Blame, codes: dict[str, Any]) -> list[tuple[Blame, str]]:
    return [(verdict, code) for code in codes]


def code_on_the_wire(dsn: str) -> str:
    """The SQLSTATE that the server answers to a start-up message, as the protocol has it: field C of the error."""
    given = conninfo_to_dict(dsn)
    words = b"".join(str(word).encode() + b"\0" for word in ("user", given["user"], "database", given["dbname"]))
    body = struct.pack("!i", 3 << 16) + words + b"\0"
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(30)
        wire.connect(f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}")
        wire.sendall(struct.pack("!i", len(body) + 4) + body)
        answer = wire.makefile("rb").read()
    found = re.search(rb"\0C([0-9A-Z]{5})\0", answer)
    return found[1].decode() if found else ""
