"""Behind a pooler nothing is left on a session that others share, and each transaction has its limits all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from loading import login_rows, logins, names_of, open_sink, query, rejection
from sofetch.errors import SinkRefused
from sofetch.load.drift import note_drift
from sofetch.load.postgres import PostgresSink
from sofetch.load.setup.schema import apply_schema
from sofetch.load.vault.schema import apply_vault
from sofetch.load.vault.store import VaultStore
from sofetch.record import Drift, DriftKind
from sofetch.settings import SinkSettings
from vaulting import LIMITS as LIMITS_OF_VAULT
from vaulting import records, recovery_pair, vault_masker, vaulted_of

LIMITS = (
    "concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'), "
    "current_setting('log_parameter_max_length_on_error'), current_setting('synchronous_commit'))"
)


def _always(dsn: str, setting: str) -> None:
    """What a session begins with in this database. The role is called as our schema, so its path must be given."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    query(dsn, f"ALTER DATABASE {name} SET {setting}")


def test_limits_are_of_the_transaction_and_the_session_stays_as_it_came(database: str) -> None:
    _always(database, "search_path = public")
    _always(database, "synchronous_commit = off")
    settings = logins(pooled=True, statement_timeout_seconds=7, lock_timeout_seconds=3)
    apply_schema(settings, dsn=database)
    query(database, f"ALTER TABLE user_logins ADD COLUMN limits text DEFAULT {LIMITS}")
    with open_sink(settings, database, schema=False) as sink:
        assert sink._session is not None
        before = sink._session.connection.execute(f"SELECT {LIMITS}".encode()).fetchone()
        assert names_of(sink.load(login_rows(2), [rejection()])) == ["Loaded", "Loaded", "Rejected"]
        assert sink._session.connection.execute(f"SELECT {LIMITS}".encode()).fetchone() == before
    assert query(database, "SELECT DISTINCT limits FROM user_logins") == [("7s 3s 0 on",)]
    assert before == ("0 0 -1 off",)


@pytest.mark.parametrize("by_key", [{}, {"write": "upsert", "key": ["user_id"]}])
def test_nothing_that_pins_a_session_is_said(database: str, postgres_log: Path, by_key: dict[str, Any]) -> None:
    _always(database, "search_path = public")
    settings = logins(pooled=True, **by_key)
    apply_schema(settings, dsn=database)
    begin = postgres_log.stat().st_size
    with open_sink(settings, database, schema=False) as sink:
        rows = login_rows(3)
        sink.load(rows, [rejection()])
        sink.load(rows, [])
        note_drift(settings, {Drift(DriftKind.UNKNOWN_FIELD, "tier"): 1}, dsn=database)
    assert query(database, "SELECT messages FROM sofetch.drift") == [(1,)]
    with postgres_log.open("rb") as log:
        log.seek(begin)
        said = log.read().lower()
    assert b"set local statement_timeout" in said
    for pinning in (b"set session", b", false)", b"prepare", b"temporary", b"discard", b"listen", b"pg_advisory_lock"):
        assert pinning not in said.replace(b"current_schemas(false)", b""), pinning


def test_values_for_the_vault_are_committed_under_the_transactions_own_limits(vault_database: str) -> None:
    _, public = recovery_pair()
    vaulted = vaulted_of(vault_masker(public).mask(records(("u1", "198.51.100.7", "d1"))))
    apply_vault(vault_database, limits=LIMITS_OF_VAULT)
    _always(vault_database, "search_path = public")
    query(vault_database, f"ALTER TABLE sofetch_vault.value ADD COLUMN limits text DEFAULT {LIMITS}")
    store = VaultStore(vault_database, limits=SinkSettings(table="t", pooled=True, statement_timeout_seconds=9))
    assert (store.store(vaulted), store.store(vaulted)) == (2, 0)
    assert query(vault_database, "SELECT DISTINCT limits FROM sofetch_vault.value") == [("9s 10s 0 on",)]
    kept = store._connection
    store.revive()
    assert store._connection is kept
    query(
        vault_database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% vault'"
    )
    store.revive()
    assert store._connection is None
    store.close()


def test_a_search_path_to_our_schema_is_refused_and_not_mended(database: str) -> None:
    settings = logins(pooled=True)
    apply_schema(settings, dsn=database)
    _always(database, "search_path = sofetch, public")
    with pytest.raises(SinkRefused, match="search path") as refused:
        PostgresSink(settings, dsn=database).prepare([])
    assert "ALTER ROLE" in refused.value.hint


def test_a_connection_that_died_at_rest_is_replaced_and_a_sound_one_is_kept(database: str) -> None:
    with open_sink(logins(), database) as sink:
        kept = sink._session
        sink.revive()
        assert sink._session is kept
        query(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sofetch'")
        sink.revive()
        assert sink._session is None
        assert names_of(sink.load(login_rows(1), [])) == ["Loaded"]
