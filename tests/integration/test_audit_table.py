"""The audit table on a real Postgres: appended in one chain, whoever appends; changed by nobody; fails closed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from loading import count, logins, query
from masking import ring
from sofetch.errors import AuditUnavailable, NotApproved, SinkRefused
from sofetch.governance.audit import AuditEntry, AuditKeys, verify_chain
from sofetch.load.audit import AuditTable
from sofetch.load.setup.schema import apply_schema

KEYS = AuditKeys(ring())


def act(number: int = 1, *, request: str | None = None) -> AuditEntry:
    return AuditEntry(
        actor=f"ana {number}",
        action="recover",
        purpose="a test’s purpose",
        ticket="T-1",
        detail={"request": request, "tokens": ["ab", "cd"], "counts": {"b": 2, "a": 1}},
    )


def opened(dsn: str) -> AuditTable:
    return AuditTable(logins().sink, dsn=dsn, keys=KEYS)


@pytest.fixture
def audited(database: str) -> str:
    """A database with our schema."""
    apply_schema(logins(), dsn=database)
    return database


def unfenced(dsn: str, statement: str) -> None:
    """A change by one who may switch the fence off."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE sofetch.audit DISABLE TRIGGER audit_append_only")
        connection.execute(statement.encode())
        connection.execute("ALTER TABLE sofetch.audit ENABLE ALWAYS TRIGGER audit_append_only")


def faults(dsn: str) -> list[tuple[str, int]]:
    with opened(dsn) as table:
        return [(fault.code, fault.seq) for fault in verify_chain(table.rows(), keys=KEYS).faults]


def test_appended_rows_verify_after_the_way_through_the_database(audited: str) -> None:
    with opened(audited) as table:
        written = [table.append(act(number)) for number in range(5)]
        assert list(table.rows()) == written
        assert [row.seq for row in table.rows(last=2)] == [4, 5]
    assert faults(audited) == []


def test_a_row_verifies_in_whatever_time_zone_it_is_read(audited: str) -> None:
    with opened(audited) as table:
        table.append(act())
    query(audited, "ALTER ROLE CURRENT_USER SET timezone = 'Pacific/Chatham'")
    try:
        assert faults(audited) == []
    finally:
        query(audited, "ALTER ROLE CURRENT_USER RESET timezone")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE sofetch.audit SET actor = 'bob' WHERE seq = 3", [("altered", 3)]),
        ("UPDATE sofetch.audit SET at = at + interval '1 microsecond' WHERE seq = 1", [("altered", 1)]),
        ("UPDATE sofetch.audit SET detail = detail || '{\"x\": 1}' WHERE seq = 2", [("altered", 2)]),
        ("UPDATE sofetch.audit SET detail = 'null' WHERE seq = 2", [("altered", 2)]),
        ("DELETE FROM sofetch.audit WHERE seq IN (2, 3)", [("removed", 2)]),
        (
            "UPDATE sofetch.audit SET seq = CASE seq WHEN 2 THEN 94 ELSE 92 END WHERE seq IN (2, 4);"
            "UPDATE sofetch.audit SET seq = seq - 90 WHERE seq > 90",
            [("reordered", 2), ("reordered", 4)],
        ),
        (
            "INSERT INTO sofetch.audit SELECT seq + 1, at, actor, action, purpose, ticket, detail, kid, digest, digest"
            " FROM sofetch.audit WHERE seq = 5",
            [("altered", 6)],
        ),
    ],
)
def test_a_change_behind_the_fence_is_found(audited: str, change: str, found: list[tuple[str, int]]) -> None:
    with opened(audited) as table:
        for number in range(5):
            table.append(act(number))
    unfenced(audited, change)
    assert faults(audited) == found


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sofetch.audit SET actor = 'bob'",
        "DELETE FROM sofetch.audit",
        "TRUNCATE sofetch.audit",
        "SET session_replication_role = replica; DELETE FROM sofetch.audit",
    ],
)
def test_the_fence_refuses_every_change(audited: str, change: str) -> None:
    with opened(audited) as table:
        table.append(act())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(audited, change)
    assert count(audited, "sofetch.audit") == 1


def test_those_who_append_at_the_same_time_make_one_chain(audited: str) -> None:
    writers, rows = 4, 10
    together = Barrier(writers)

    def write(number: int) -> None:
        with opened(audited) as table:
            together.wait()
            for _ in range(rows):
                table.append(act(number))

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    assert count(audited, "sofetch.audit") == writers * rows
    assert faults(audited) == []


def test_a_request_is_good_once(audited: str) -> None:
    with opened(audited) as table:
        table.append(act(request="r1"))
        with pytest.raises(NotApproved, match="used already, see audit row 1"):
            table.append(act(request="r1"))
        table.append(act(request="r2"))
    assert count(audited, "sofetch.audit") == 2


def test_a_row_that_cannot_be_written_is_an_error_that_tells_no_value(audited: str) -> None:
    with opened(audited) as table:
        query(audited, "ALTER TABLE sofetch.audit ADD CONSTRAINT no_ana CHECK (actor NOT LIKE 'ana%') NOT VALID")
        with pytest.raises(AuditUnavailable) as caught:
            table.append(act())
    assert "23514" in str(caught.value)
    assert "ana" not in str(caught.value).replace("no_ana", "")
    assert count(audited, "sofetch.audit") == 0


def test_a_lost_connection_while_appending_is_an_error_and_not_a_row(audited: str) -> None:
    with opened(audited) as table:
        query(audited, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% audit'")
        with pytest.raises(AuditUnavailable):
            table.append(act())
    assert count(audited, "sofetch.audit") == 0


def test_a_database_without_our_schema_is_refused(database: str) -> None:
    with pytest.raises(SinkRefused, match="schema"):
        opened(database)


def test_the_audit_of_an_older_postgres_is_the_same(postgres16_database: str, postgres_log: Path) -> None:
    apply_schema(logins(), dsn=postgres16_database)
    with opened(postgres16_database) as table:
        table.append(act())
    assert faults(postgres16_database) == []
