"""Rotating columns of addresses, which name no key: never two keys in a column, all or nothing, no worker meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from loading import gone, open_sink, query, row, settings_for
from masking import K1, K2, cell_of, entry, ring
from sofetch.errors import KeyringError, SinkRefused
from sofetch.load.postgres import PostgresSink
from sofetch.load.quarantine.replay import QuarantineReplay
from sofetch.load.rotation.addresses import rotate_addresses
from sofetch.load.rotation.kids import kids_in_use
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import Keyring, Keyrings, compile_masker
from sofetch.mask.upgrade import compile_address_upgrades
from sofetch.record import Cell
from sofetch.settings import Settings

OLD = ring(entry())
NEW = ring(entry("k1", K1, "active"), entry("k2", K2))
COLUMNS: list[dict[str, Any]] = [
    {"name": "n", "type": "int"},
    {"name": "address", "mask": "ip", "kind": "ip", "domain": "ip", "from": "ip"},
    {"name": "network", "mask": "ip_prefix", "kind": "ip", "domain": "ip", "from": "ip"},
]
SETTINGS = settings_for(COLUMNS, table="visits")


def cells(n: int, keyring: Keyring) -> tuple[Cell, ...]:
    ip = None if n % 9 == 0 else f"2001:db8::{n:x}" if n % 2 else f"192.0.2.{n}"
    return (
        n,
        cell_of(ip, keyring, mask="ip", kind="ip", domain="ip"),
        cell_of(ip, keyring, mask="ip_prefix", kind="ip", domain="ip"),
    )


def start(dsn: str, keyring: Keyring, settings: Settings = SETTINGS) -> PostgresSink:
    """A sink as a worker with this keyring prepares it."""
    sink = PostgresSink(settings, dsn=dsn)
    sink.prepare(compile_masker(settings, keyring).fingerprints())
    return sink


def load(dsn: str, numbers: Sequence[int], keyring: Keyring, settings: Settings = SETTINGS) -> None:
    apply_schema(settings, dsn=dsn)
    sink = start(dsn, keyring, settings)
    sink.load([row(*cells(n, keyring)) for n in numbers], [])
    sink.close()


def rows(dsn: str, table: str = "visits") -> list[tuple[Any, ...]]:
    return query(dsn, f"SELECT n, address, network FROM {table} ORDER BY n")


def rotate(dsn: str, *tables: Settings, **options: Any) -> list[Any]:
    """As one does once all workers are stopped."""
    gone(dsn)
    return rotate_at_once(dsn, *tables, **options)


def rotate_at_once(dsn: str, *tables: Settings, keyring: Keyring = NEW, **options: Any) -> list[Any]:
    upgrades = compile_address_upgrades(SETTINGS, Keyrings(keyring))
    return list(rotate_addresses(tables or [SETTINGS], upgrades, dsn=dsn, **options))


def test_addresses_are_those_that_the_new_key_makes(database: str) -> None:
    load(database, range(100), OLD)
    done = rotate(database)
    assert {(one.column, one.kid_from, one.kid_to, one.rows) for one in done} == {
        ("address", "k1", "k2", 88),
        ("network", "k1", "k2", 88),
    }
    assert rows(database) == [cells(n, NEW) for n in range(100)]


@pytest.mark.parametrize("declared", ["text", "varchar(64)"])
def test_addresses_in_a_text_column_too(database: str, declared: str) -> None:
    load(database, range(20), OLD)
    for column in ("address", "network"):
        query(database, f"ALTER TABLE visits ALTER {column} TYPE {declared} USING host({column})")
    rotate(database)
    assert rows(database) == [
        tuple(None if c is None else c if isinstance(c, int) else str(c) for c in cells(n, NEW)) for n in range(20)
    ]


def test_second_rotation_changes_nothing(database: str) -> None:
    load(database, range(20), OLD)
    rotate(database)
    assert rotate(database) == []
    assert rows(database) == [cells(n, NEW) for n in range(20)]


def test_worker_with_the_new_key_does_not_start_before_and_with_the_old_not_after(database: str) -> None:
    load(database, range(5), OLD)
    with pytest.raises(KeyringError, match="columns of addresses are under another key") as caught:
        start(database, NEW)
    assert "sofetch rotate" in caught.value.hint
    start(database, OLD).close()  # the refused start left nothing behind
    rotate(database)
    with pytest.raises(KeyringError, match="columns of addresses are under another key"):
        start(database, OLD)
    start(database, NEW).close()


@pytest.mark.parametrize("old", [entry("k1", bytes(range(64, 96)), "active"), entry("k0", K1, "active")])
def test_without_the_key_that_they_are_under_nothing_is_touched(database: str, old: dict[str, str]) -> None:
    load(database, range(5), OLD)
    with pytest.raises(KeyringError, match=r"does not have|not the one that"):
        rotate(database, keyring=ring(old, entry("k2", K2)))
    assert rows(database) == [cells(n, OLD) for n in range(5)]


def test_nothing_is_done_while_a_worker_is_connected(database: str) -> None:
    load(database, range(5), OLD)
    gone(database)
    worker = start(database, OLD)
    with pytest.raises(SinkRefused, match="while no worker runs, and 1 sessions"):
        rotate_at_once(database)
    assert rows(database) == [cells(n, OLD) for n in range(5)]
    assert rotate_at_once(database, workers_stopped=True)
    worker.close()


def test_worker_that_starts_meanwhile_waits_and_is_then_refused(database: str) -> None:
    load(database, range(5), OLD)
    quick = settings_for(COLUMNS, table="visits", lock_timeout_seconds=1)
    with psycopg.connect(database) as holder:
        holder.execute("LOCK TABLE sofetch.key_fingerprint IN SHARE ROW EXCLUSIVE MODE")  # as a rotation does
        with pytest.raises(Exception, match="55P03"):
            start(database, OLD, quick)


def test_rotation_that_is_cut_off_has_done_nothing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load(database, range(30), OLD)

    def cut_off(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sofetch.load.rotation.addresses._change_fingerprint", cut_off)
        with pytest.raises(KeyboardInterrupt):
            rotate(database)
    assert rows(database) == [cells(n, OLD) for n in range(30)]
    rotate(database)
    assert rows(database) == [cells(n, NEW) for n in range(30)]


def test_dry_run_counts_and_changes_nothing(database: str) -> None:
    load(database, range(10), OLD)
    assert [one.rows for one in rotate(database, dry_run=True)] == [8, 8]
    assert rows(database) == [cells(n, OLD) for n in range(10)]
    start(database, OLD).close()


def test_tables_of_one_domain_change_together(database: str) -> None:
    archive = settings_for(COLUMNS, table="archive")
    load(database, range(10), OLD)
    load(database, range(10, 20), OLD, archive)
    rotate(database, SETTINGS, archive)
    assert rows(database) == [cells(n, NEW) for n in range(10)]
    assert rows(database, "archive") == [cells(n, NEW) for n in range(10, 20)]


def test_key_of_addresses_counts_as_in_use(database: str) -> None:
    load(database, range(5), OLD)
    found = {(use.scheme, use.column, use.kid) for use in kids_in_use(SETTINGS, dsn=database)}
    assert {("ip", "ip", "k1"), ("ip_prefix", "ip", "k1")} <= found


def test_keyring_without_the_first_key_of_the_tokens_is_refused_for_it_would_fork_them(database: str) -> None:
    tokens = settings_for([{"name": "t", "mask": "token", "domain": "d"}], table="tokens")
    with open_sink(tokens, database):
        pass
    start(database, OLD, tokens).close()
    with pytest.raises(KeyringError, match="lacks the first key"):
        start(database, ring(entry("k2", K2)), tokens)
    start(database, NEW, tokens).close()
    with pytest.raises(KeyringError, match="lacks the first key"):
        start(database, ring(entry("k1", K1, "decrypt_only"), entry("k2", K2)), tokens)
    start(database, OLD, tokens).close()  # a worker that was not restarted yet


def test_a_worker_that_lost_its_connection_before_the_rotation_loads_nothing_under_the_old_key(database: str) -> None:
    """An outage, a frozen function: no session is there to be counted, and the old key is still in memory."""
    load(database, range(5), OLD)
    worker = start(database, OLD)
    worker.close()  # as after an error
    rotate(database)
    with pytest.raises(KeyringError, match="columns of addresses are under another key"):
        worker.load([row(*cells(7, OLD))], [])
    assert rows(database) == [cells(n, NEW) for n in range(5)]


def test_nothing_is_done_while_a_replay_runs_that_may_add_rows_under_the_old_key(database: str) -> None:
    load(database, range(5), OLD)
    gone(database)
    replay = QuarantineReplay(SETTINGS, dsn=database)
    with replay, pytest.raises(SinkRefused, match="while no worker runs, and 1 sessions"):
        rotate_at_once(database)
    assert rows(database) == [cells(n, OLD) for n in range(5)]
