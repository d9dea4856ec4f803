"""``check_sink`` finds what would go wrong, and says what to do about each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from loading import LOGINS, lasting_day, login, login_rows, logins, names_of, open_sink, query, settings_for
from sofetch.findings import Finding
from sofetch.load.setup.inspect import check_sink, grants
from sofetch.load.setup.schema import apply_schema
from sofetch.record import Refused


def problems(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings if finding.severity != "ok"}


def test_all_is_well_after_the_schema_was_applied(database: str) -> None:
    apply_schema(logins(), dsn=database)
    findings = check_sink(logins(), dsn=database)
    assert problems(findings) == {}
    assert {"sink_version", "sink_schema", "sink_ledger_partition", "sink_table", "sink_log"} <= {
        f.code for f in findings
    }


def test_an_empty_database_lacks_schema_and_table(database: str) -> None:
    found = problems(check_sink(logins(), dsn=database))
    assert set(found) == {"sink_schema", "sink_table"}
    assert all("--apply" in finding.hint for finding in found.values())


def test_no_server_is_one_finding_with_a_hint() -> None:
    [finding] = check_sink(logins(), dsn="host=/nowhere dbname=x user=x password=kanarie")
    assert (finding.severity, finding.code) == ("error", "sink_unreachable")
    assert finding.hint
    assert "kanarie" not in f"{finding}"


def test_columns_that_do_not_fit_are_each_a_finding(database: str) -> None:
    query(
        database, "CREATE TABLE user_logins (user_id integer, masked_ip varchar(20), create_date date, x int NOT NULL)"
    )
    apply_schema(logins(), dsn=database)
    query(database, "ALTER TABLE user_logins DROP app_version")
    wrong = [f for f in check_sink(logins(), dsn=database) if f.code == "sink_column"]
    assert [finding.where.rpartition(" ")[2] for finding in wrong] == ["user_id", "masked_ip", "app_version", "x"]
    assert all(finding.hint for finding in wrong)


def test_a_column_narrower_than_what_may_come_is_a_warning(database: str) -> None:
    query(
        database, "CREATE TABLE user_logins (user_id varchar(20), masked_ip text, app_version text, create_date date)"
    )
    apply_schema(logins(), dsn=database)
    found = problems(check_sink(logins(), dsn=database))
    assert set(found) == {"sink_width"}
    assert "max_length = 20" in found["sink_width"].hint


def test_a_read_only_database_is_found(database: str) -> None:
    apply_schema(logins(), dsn=database)
    found = problems(check_sink(logins(), dsn=make_conninfo(database, options="-c default_transaction_read_only=on")))
    assert set(found) == {"sink_read_only"}


def test_a_missing_partition_of_today_is_a_warning(database: str) -> None:
    today = lasting_day()
    apply_schema(logins(), dsn=database)
    query(database, f"DROP TABLE sofetch.ledger_{today:%Y%m%d}")
    assert set(problems(check_sink(logins(), dsn=database))) == {"sink_ledger_partition"}
    assert problems(check_sink(logins(dedupe="content"), dsn=database)) == {}


@pytest.fixture
def loader(database: str) -> Iterator[str]:
    apply_schema(logins(), dsn=database)
    role = "checked_" + database.partition("dbname=")[2].split()[0]
    query(database, f"CREATE ROLE {role} LOGIN")
    yield role
    query(database, f"DROP OWNED BY {role}")
    query(database, f"DROP ROLE {role}")


def test_missing_privileges_are_found_and_the_hints_grant_them(database: str, loader: str) -> None:
    dsn = make_conninfo(database, user=loader)
    found = problems(check_sink(logins(), dsn=dsn))
    assert {"sink_schema_privilege", "sink_privilege", "sink_log"} <= set(found)
    hint = found["sink_schema_privilege"].hint
    for statement in hint.partition(": ")[2].split("; "):
        query(database, statement)
    query(database, f"GRANT INSERT, SELECT ON user_logins TO {loader}")
    assert set(problems(check_sink(logins(), dsn=dsn))) == {"sink_log"}
    with open_sink(logins(), dsn, schema=False) as sink:
        assert names_of(sink.load(login_rows(1), [])) == ["Loaded"]


def test_row_level_security_is_found(database: str, loader: str) -> None:
    for statement in [*grants(loader), f"GRANT INSERT, SELECT ON user_logins TO {loader}"]:
        query(database, statement)
    query(database, "ALTER TABLE user_logins ENABLE ROW LEVEL SECURITY")
    found = problems(check_sink(logins(), dsn=make_conninfo(database, user=loader)))
    assert "sink_row_security" in found


CHECKED = "ALTER TABLE user_logins ADD CONSTRAINT no_poison CHECK (user_id NOT LIKE 'kanarie%')"


def test_no_value_of_a_refused_row_is_in_postgres_log_if_the_check_says_so(database: str, postgres_log: Path) -> None:
    """The server of the tests logs all it can; the session asks it to leave the values out."""
    apply_schema(logins(), dsn=database)
    query(database, CHECKED)
    query(database, "CREATE UNIQUE INDEX ON user_logins (app_version)")
    assert "sink_log" not in problems(check_sink(logins(), dsn=database))
    with open_sink(logins(), database, schema=False) as sink:
        records = [login(version="kanarie-7001"), login("kanarie-7002", version="1"), login(version="kanarie-7001")]
        records.append(login("kanarie-7003" + "x" * 200, version="2"))
        results = sink.load(records, [])
    assert names_of(results) == ["Loaded", "Refused", "Refused", "Refused"]
    assert all(isinstance(result, Refused) for result in results[1:])
    log = postgres_log.read_bytes()
    assert b"no_poison" in log, "the log is looked at, and the errors are in it"
    assert b"kanarie-700" not in log


def test_where_the_session_may_not_ask_for_it_the_check_warns_and_names_the_remedy(database: str, loader: str) -> None:
    for statement in [*grants(loader), f"GRANT INSERT, SELECT ON user_logins TO {loader}"]:
        query(database, statement)
    dsn = make_conninfo(database, user=loader)
    finding = problems(check_sink(logins(), dsn=dsn))["sink_log"]
    query(database, finding.hint.partition(": ")[2])
    assert problems(check_sink(logins(), dsn=dsn)) == {}


def test_the_configured_columns_are_counted_against_the_table(database: str) -> None:
    apply_schema(logins(), dsn=database)
    settings = settings_for([*LOGINS, {"name": "not_there"}], table="user_logins")
    assert "not_there" in problems(check_sink(settings, dsn=database))["sink_column"].where


def test_a_view_is_found_before_the_load_is_refused(database: str) -> None:
    apply_schema(logins(), dsn=database)
    query(database, "ALTER TABLE user_logins RENAME TO behind")
    query(database, "CREATE VIEW user_logins AS SELECT * FROM behind")
    assert set(problems(check_sink(logins(), dsn=database))) == {"sink_view"}
    query(database, "CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    query(database, "CREATE TRIGGER put INSTEAD OF INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION put()")
    assert problems(check_sink(logins(), dsn=database)) == {}
