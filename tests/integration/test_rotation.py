"""Rotating stored tokens on a real Postgres: the chain, resuming, stragglers, and what cannot be upgraded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from loading import open_sink, query, row, settings_for
from masking import K1, K2, cell_of, entry, ring
from sofetch.errors import KeyringError, SinkRefused
from sofetch.load.postgres import PostgresSink
from sofetch.load.rotation.kids import check_kids, kids_in_use
from sofetch.load.rotation.tokens import Progress, plan_rotation, rotate_table
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import Keyring, Keyrings, compile_masker, reveal
from sofetch.mask.upgrade import compile_upgrades, token_upgrade
from sofetch.record import Cell
from sofetch.settings import Settings

VECTORS = json.loads((Path(__file__).parents[1] / "fixtures" / "vectors" / "tokens.json").read_text())
K3 = bytes(range(64, 96))
OLD = ring(entry())
NEW = ring(entry("k1", K1, "active"), entry("k2", K2))
NEWEST = ring(entry("k1", K1, "active"), entry("k2", K2, "active"), entry("k3", K3))
COLUMNS: list[dict[str, Any]] = [
    {"name": "n", "type": "int"},
    {"name": "ip_token", "mask": "token", "kind": "ip", "domain": "ip", "from": "ip"},
    {"name": "device_token", "mask": "token", "domain": "device"},
    {"name": "sealed", "mask": "reversible", "domain": "device"},
]
SETTINGS = settings_for(COLUMNS, table="events")


def cells(n: int, keyring: Keyring) -> tuple[Cell, ...]:
    """A row as a worker with this keyring would write it; every fifth value is NULL, and values repeat."""
    device = None if n % 5 == 0 else f"device-{n % 7}"
    return (
        n,
        cell_of(f"10.0.0.{n % 11}", keyring, kind="ip", domain="ip"),
        cell_of(device, keyring, domain="device"),
        cell_of(device, keyring, mask="reversible", domain="device"),
    )


def load(dsn: str, numbers: Sequence[int], keyring: Keyring, settings: Settings = SETTINGS) -> None:
    with open_sink(settings, dsn) as sink:
        sink.load([row(*cells(n, keyring)) for n in numbers], [])


def rows(dsn: str, table: str = "events") -> list[tuple[Any, ...]]:
    return query(dsn, f"SELECT n, ip_token, device_token, sealed FROM {table} ORDER BY n")


def expected(numbers: Sequence[int], keyring: Keyring) -> list[tuple[Cell, ...]]:
    return [cells(n, keyring) for n in numbers]


def upgrades(keyring: Keyring = NEW) -> Any:
    return compile_upgrades(SETTINGS, Keyrings(keyring))


def test_upgraded_token_is_that_of_the_vector() -> None:
    chain = VECTORS["chain"]
    assert token_upgrade("ip", chain["domain"], NEW).renew([chain["from"]]) == [chain["to"]]


def test_upgraded_rows_are_those_that_the_new_keyring_makes(database: str) -> None:
    load(database, range(300), OLD)
    load(database, range(300, 400), NEW)
    done = rotate_table(SETTINGS, upgrades(), dsn=database, batch_rows=50)
    assert rows(database) == expected(range(400), NEW)
    assert (done.rows, done.complete, done.stragglers) == (300, True, 0)


def test_reversible_tokens_open_after_it_as_before(database: str) -> None:
    load(database, range(20), OLD)
    rotate_table(SETTINGS, upgrades(), dsn=database)
    sealed = [one for (one,) in query(database, "SELECT sealed FROM events WHERE sealed IS NOT NULL ORDER BY n")]
    opened = reveal(sealed, mask="reversible", domain="device", keyring=NEW)
    assert opened == [f"device-{n % 7}" for n in range(20) if n % 5]


def test_tokens_of_every_step_of_the_chain_come_to_its_end(database: str) -> None:
    for keyring, numbers in ((OLD, range(10)), (NEW, range(10, 20)), (NEWEST, range(20, 30))):
        load(database, numbers, keyring)
    rotate_table(SETTINGS, upgrades(NEWEST), dsn=database)
    assert rows(database) == expected(range(30), NEWEST)


def test_second_rotation_changes_nothing(database: str) -> None:
    load(database, range(100), OLD)
    rotate_table(SETTINGS, upgrades(), dsn=database)
    before = query(database, "SELECT ctid::text, * FROM events ORDER BY n")
    again = rotate_table(SETTINGS, upgrades(), dsn=database)
    assert (again.rows, again.sweeps, again.complete) == (0, 0, True)
    assert query(database, "SELECT ctid::text, * FROM events ORDER BY n") == before


def test_dry_run_counts_and_changes_nothing(database: str) -> None:
    load(database, range(10), OLD)
    planned = plan_rotation(SETTINGS, upgrades(), dsn=database)
    assert {(use.column, use.kid, use.rows) for use in planned.left} == {
        ("ip_token", "k1", 10),
        ("device_token", "k1", 8),
        ("sealed", "k1", 8),
    }
    assert rows(database) == expected(range(10), OLD)


def test_rotation_that_was_cut_off_goes_on_where_it_was(database: str) -> None:
    load(database, range(2_000), OLD)
    seen: list[Progress] = []

    def cut_off(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate_table(SETTINGS, upgrades(), dsn=database, batch_rows=300, told=cut_off)
    assert 0 < seen[-1].rows < 2_000
    resumed: list[Progress] = []
    done = rotate_table(SETTINGS, upgrades(), dsn=database, batch_rows=300, told=resumed.append)
    assert done.resumed
    assert done.rows == 2_000 - seen[-1].rows
    assert resumed[0].block > seen[-1].block
    assert rows(database) == expected(range(2_000), NEW)


def test_rows_added_under_the_old_key_meanwhile_are_found_and_told(database: str) -> None:
    load(database, range(500), OLD)
    late = list(range(500, 600))

    def add_late_rows(_progress: Progress) -> None:
        if late:
            load(database, late, OLD)
            late.clear()

    done = rotate_table(SETTINGS, upgrades(), dsn=database, batch_rows=300, told=add_late_rows)
    assert done.stragglers == 100
    assert done.complete
    assert rows(database) == expected(range(600), NEW)


def test_a_worker_that_never_stops_under_the_old_key_is_told_and_not_waited_for(database: str) -> None:
    load(database, range(100), OLD)
    added = iter(range(100, 100_000))
    done = rotate_table(SETTINGS, upgrades(), dsn=database, told=lambda _: load(database, [next(added)], OLD))
    assert done.sweeps == 10
    assert not done.complete
    assert {use.kid for use in done.left} == {"k1"}


def test_each_transaction_renews_no_more_rows_than_asked(database: str) -> None:
    load(database, range(2_000), OLD)
    query(database, "ANALYZE events")
    counts = [0]
    rotate_table(SETTINGS, upgrades(), dsn=database, batch_rows=500, told=lambda p: counts.append(p.rows))
    assert max(after - before for before, after in pairwise(counts)) <= 500
    assert len(counts) > 4


def test_servers_that_know_no_ranges_of_places_find_the_same_rows(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sofetch.load.rotation.renewal.RANGES_SINCE", 10_000_000)
    load(database, range(700), OLD)
    done = rotate_table(SETTINGS, upgrades(), dsn=database, batch_rows=300)
    assert (done.rows, done.sweeps) == (700, 1)
    assert rows(database) == expected(range(700), NEW)


def test_partitions_are_upgraded_each(database: str) -> None:
    apply_schema(SETTINGS, dsn=database)
    query(database, "ALTER TABLE events RENAME TO plain")
    query(database, "CREATE TABLE events (LIKE plain) PARTITION BY RANGE (n)")
    query(database, "CREATE TABLE low PARTITION OF events FOR VALUES FROM (0) TO (50)")
    query(database, 'CREATE TABLE "high ""%s" PARTITION OF events DEFAULT')
    load(database, range(100), OLD)
    assert rotate_table(SETTINGS, upgrades(), dsn=database).rows == 100
    assert rows(database) == expected(range(100), NEW)


def test_other_columns_and_rows_of_others_stay_as_they_are(database: str) -> None:
    load(database, range(10), OLD)
    query(database, "ALTER TABLE events ADD COLUMN note text DEFAULT 'h1.k1.not a masked column'")
    query(database, "INSERT INTO events (n, ip_token) VALUES (10, 'h1.k1.no token'), (11, 'anything'), (12, NULL)")
    done = rotate_table(SETTINGS, upgrades(), dsn=database)
    assert query(database, "SELECT ip_token FROM events WHERE n > 9 ORDER BY n") == [
        ("h1.k1.no token",),
        ("anything",),
        (None,),
    ]
    assert query(database, "SELECT DISTINCT note FROM events") == [("h1.k1.not a masked column",)]
    assert not done.complete
    assert done.rows == 10


def test_altered_or_foreign_reversible_token_spares_its_neighbours(database: str) -> None:
    load(database, range(1, 5), OLD)
    foreign = str(cell_of("x", OLD, mask="reversible", domain="other"))
    query(database, "UPDATE events SET sealed = %s WHERE n = 1", foreign)
    rotate_table(SETTINGS, upgrades(), dsn=database)
    assert query(database, "SELECT sealed FROM events WHERE n = 1") == [(foreign,)]
    assert rows(database)[1:] == expected(range(2, 5), NEW)


def test_tokens_of_a_key_outside_the_chain_are_told_and_left(database: str) -> None:
    load(database, range(1, 4), OLD)
    retired = ring(entry("k1", K1, "decrypt_only"), entry("k2", K2))
    done = rotate_table(SETTINGS, upgrades(retired), dsn=database)
    assert {(use.column, use.kid) for use in done.stranded} == {("ip_token", "k1"), ("device_token", "k1")}
    # What can be reversed needs no chain.
    assert query(database, "SELECT DISTINCT split_part(sealed, '.', 2) FROM events") == [("k2",)]


@pytest.mark.parametrize("rotate", [plan_rotation, rotate_table])
def test_with_another_key_of_the_same_name_nothing_is_touched(database: str, rotate: Any) -> None:
    """A token of a wrong chain would be lost for good: nothing leads back from it."""
    apply_schema(SETTINGS, dsn=database)
    sink = PostgresSink(SETTINGS, dsn=database)
    sink.prepare(compile_masker(SETTINGS, OLD).fingerprints())
    sink.load([row(*cells(n, OLD)) for n in range(5)], [])
    sink.close()
    wrong = ring(entry("k1", K3, "active"), entry("k2", K2))
    with pytest.raises(KeyringError, match="not the one that this database's tokens were made with"):
        rotate(SETTINGS, upgrades(wrong), dsn=database)
    assert rows(database) == expected(range(5), OLD)


def test_two_rotations_of_a_table_do_not_run_at_once(database: str) -> None:
    load(database, range(10), OLD)

    def rotate_again(_progress: Progress) -> None:
        with pytest.raises(SinkRefused, match="another rotation"):
            rotate_table(SETTINGS, upgrades(), dsn=database)

    rotate_table(SETTINGS, upgrades(), dsn=database, told=rotate_again)
    assert rows(database) == expected(range(10), NEW)


def test_reader_and_loader_are_not_waited_for(database: str) -> None:
    load(database, range(50), OLD)
    with psycopg.connect(database) as reader, psycopg.connect(database) as loader:
        reader.execute("SELECT count(*) FROM public.events")
        loader.execute("INSERT INTO public.events (n) VALUES (-1)")
        quick = settings_for(COLUMNS, table="events", lock_timeout_seconds=1)
        assert rotate_table(quick, upgrades(), dsn=database).complete
        loader.rollback()
        reader.rollback()
    assert rows(database) == expected(range(50), NEW)


def test_check_warns_of_each_column_with_tokens_of_two_keys(database: str) -> None:
    kids = {"h1": "k2", "r1": "k2"}
    load(database, range(10), NEW)
    assert check_kids(SETTINGS, dsn=database, kid_of_scheme=kids) == []
    load(database, range(10, 20), OLD)
    found = check_kids(SETTINGS, dsn=database, kid_of_scheme=kids)
    assert [finding.where for finding in found] == ["events.ip_token", "events.device_token", "events.sealed"]
    assert {finding.code for finding in found} == {"kids_mixed"}
    assert "sofetch rotate" in (found[0].hint or "")


def test_check_passes_over_columns_that_the_loader_may_not_read(database: str) -> None:
    load(database, range(10), OLD)
    role = "blind_" + database.partition("dbname=")[2].split()[0]
    query(database, f"CREATE ROLE {role} LOGIN")
    try:
        query(database, f"GRANT INSERT ON events TO {role}")
        dsn = make_conninfo(database, user=role)
        assert check_kids(SETTINGS, dsn=dsn, kid_of_scheme={"h1": "k2", "r1": "k2"}) == []
        query(database, f"GRANT SELECT (ip_token) ON events TO {role}")
        found = check_kids(SETTINGS, dsn=dsn, kid_of_scheme={"h1": "k2", "r1": "k2"})
        assert [finding.where for finding in found] == ["events.ip_token"]
    finally:
        query(database, f"DROP OWNED BY {role}")
        query(database, f"DROP ROLE {role}")


def test_kids_in_use_are_told_by_column(database: str) -> None:
    load(database, range(1, 3), OLD)
    load(database, [3], NEW)
    found = {(use.where, use.column, use.kid, use.rows) for use in kids_in_use(SETTINGS, dsn=database)}
    assert ("events", "ip_token", "k1", 2) in found
    assert ("events", "ip_token", "k2", 1) in found


def test_no_value_in_the_clear_comes_into_the_log_of_postgres(database: str, postgres_log: Path) -> None:
    canary = "canary-rotation-4711"
    with open_sink(SETTINGS, database) as sink:
        sealed = cell_of(canary, OLD, mask="reversible", domain="device")
        sink.load([row(1, None, cell_of(canary, OLD, domain="device"), sealed)], [])
    rotate_table(SETTINGS, upgrades(), dsn=database)
    assert query(database, "SELECT sealed FROM events") == [(cell_of(canary, NEW, mask="reversible", domain="device"),)]
    log = postgres_log.read_text(errors="replace")
    assert canary not in log
    assert "rotation" in log
