"""The vault on a real Postgres: written before the rows, once, and of no use to whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import msgspec
import pytest
from psycopg.conninfo import conninfo_to_dict

from loading import count, query
from masking import K2, entry, ring
from sofetch.decode import compile_decoder
from sofetch.errors import SinkRefused, SinkUnavailable
from sofetch.load.postgres import PostgresSink
from sofetch.load.setup.schema import apply_schema
from sofetch.load.vault.rotation import VaultRotated, rotate_vault
from sofetch.load.vault.schema import apply_vault, check_vault, plan_vault
from sofetch.load.vault.store import Destroyed, VaultStore
from sofetch.mask import Keyrings
from sofetch.mask.subjects import subject_tokens
from sofetch.mask.upgrade import compile_vault_upgrades
from sofetch.mask.vaulting import open_value
from sofetch.pipeline import Steps, process
from sofetch.record import Loaded, Message, Vaulted
from vaulting import LIMITS, everything_in, open_vault, records, recovery_pair, vault_masker, vault_settings, vaulted_of

PRIVATE, PUBLIC = recovery_pair()
SETTINGS = vault_settings()
CANARIES = (b"198.51.100.77", b"kanarie-device", b"kanarie-user")


def kept(*rows: tuple[str | None, str | None, str | None]) -> Vaulted:
    return vaulted_of(vault_masker(PUBLIC).mask(records(*rows)))


def message(number: int, *, ip: str = "198.51.100.77", user: str | None = "kanarie-user") -> Message:
    body = json.dumps({"user_id": user, "ip": ip, "device_id": f"kanarie-device-{number}"}).encode()
    return Message(
        id=f"{number:08}-0000-4000-8000-000000000000", body=body, queue="q", sent_ms=1_795_000_000_000, received_ms=0
    )


@contextmanager
def pipeline(dsn: str, vault_dsn: str) -> Iterator[Steps]:
    apply_schema(SETTINGS, dsn=dsn)
    masker = vault_masker(PUBLIC)
    with open_vault(vault_dsn) as vault:
        sink = PostgresSink(SETTINGS, dsn=dsn)
        sink.prepare(masker.fingerprints())
        yield Steps(compile_decoder(SETTINGS), masker, sink, vault)
        sink.close()


def test_what_is_stored_is_found_by_its_token_and_opens_for_the_recovery_key(vault_database: str) -> None:
    vaulted = kept(("u1", "198.51.100.7", "d1"))
    with open_vault(vault_database) as vault:
        assert vault.store(vaulted) == 2
        found = vault.find("ip", vaulted.entries[0].token)
        assert [open_value(one, PRIVATE) for one in found] == ["198.51.100.7"]
        assert vault.find("device", vaulted.entries[0].token) == []


def test_one_value_of_two_subjects_is_kept_for_each(vault_database: str) -> None:
    with open_vault(vault_database) as vault:
        vaulted = kept(("u1", "198.51.100.7", None), ("u2", "198.51.100.7", None))
        vault.store(vaulted)
        found = vault.find("ip", vaulted.entries[0].token)
        assert len({one.subject for one in found}) == 2
        assert {open_value(one, PRIVATE) for one in found} == {"198.51.100.7"}


def test_storing_again_keeps_the_first_and_no_key_without_a_value(vault_database: str) -> None:
    with open_vault(vault_database) as vault:
        assert vault.store(kept(("u1", "198.51.100.7", None))) == 1
        before = everything_in(vault_database, "sofetch_vault")
        assert vault.store(kept(("u1", "198.51.100.7", None))) == 0
        assert everything_in(vault_database, "sofetch_vault") == before
        assert vault.store(kept(("u1", "198.51.100.7", "new"), ("u2", None, None))) == 1
    assert count(vault_database, "sofetch_vault.subject_key") == 2
    assert count(vault_database, "sofetch_vault.value") == 2


def test_a_value_stored_before_a_rotation_is_not_stored_again_after_it(vault_database: str) -> None:
    rotated = ring(entry(status="active"), entry("k2", K2, "primary"))
    after = vault_masker(PUBLIC, keyring=rotated).mask(records(("u1", "198.51.100.7", None)))
    with open_vault(vault_database) as vault:
        vault.store(kept(("u1", "198.51.100.7", None)))
        assert vault.store(vaulted_of(after)) == 0


def test_a_rotation_takes_the_vault_along_and_the_old_values_open_by_the_new_tokens(vault_database: str) -> None:
    rotated = ring(entry(status="active"), entry("k2", K2, "primary"))
    upgrades = compile_vault_upgrades(SETTINGS, Keyrings(rotated))
    rows = (("u1", "198.51.100.7", "d1"), ("u2", "198.51.100.7", None))
    new = vaulted_of(vault_masker(PUBLIC, keyring=rotated).mask(records(*rows)))
    with open_vault(vault_database) as vault:
        vault.store(kept(*rows))
        assert vault.find("ip", new.entries[0].token) == []
        assert rotate_vault(upgrades, dsn=vault_database, limits=LIMITS, dry_run=True) == VaultRotated(2, 0)
        assert rotate_vault(upgrades, dsn=vault_database, limits=LIMITS) == VaultRotated(3, 0)
        assert rotate_vault(upgrades, dsn=vault_database, limits=LIMITS) == VaultRotated(0, 0)
        found = vault.find("ip", new.entries[0].token)
        assert [open_value(one, PRIVATE) for one in found] == ["198.51.100.7"] * 2
        assert vault.store(new) == 0


def test_what_a_worker_with_the_old_keyring_adds_after_a_rotation_is_found_by_the_next(vault_database: str) -> None:
    rotated = ring(entry(status="active"), entry("k2", K2, "primary"))
    upgrades = compile_vault_upgrades(SETTINGS, Keyrings(rotated))
    with open_vault(vault_database) as vault:
        vault.store(kept(("u1", "198.51.100.7", None)))
        rotate_vault(upgrades, dsn=vault_database, limits=LIMITS)
        vault.store(kept(("u1", "198.51.100.7", None), ("u1", "203.0.113.9", None)))
        assert rotate_vault(upgrades, dsn=vault_database, limits=LIMITS) == VaultRotated(1, 0)
    assert query(vault_database, "SELECT count(*) FROM sofetch_vault.value WHERE token LIKE 'h1.k2.%'") == [(2,)]


def test_an_altered_token_is_told_and_left_and_spares_its_neighbours(vault_database: str) -> None:
    rotated = ring(entry(status="active"), entry("k2", K2, "primary"))
    with open_vault(vault_database) as vault:
        vault.store(kept(("u1", "198.51.100.7", None), ("u2", "203.0.113.9", None)))
    query(
        vault_database,
        "UPDATE sofetch_vault.value SET token = 'h1.k1.altered' WHERE origin = (SELECT min(origin) "
        "FROM sofetch_vault.value)",
    )
    upgrades = compile_vault_upgrades(SETTINGS, Keyrings(rotated))
    assert rotate_vault(upgrades, dsn=vault_database, limits=LIMITS) == VaultRotated(1, 1)


def test_a_destroyed_subject_is_gone_and_its_neighbours_are_not(vault_database: str) -> None:
    with open_vault(vault_database) as vault:
        vault.store(kept(("u1", "198.51.100.7", "d1"), ("u2", "198.51.100.7", None)))
        vault.store(kept(("u1", "203.0.113.9", None)))
        [subject] = subject_tokens(SETTINGS, ring(), "u1")
        [other] = subject_tokens(SETTINGS, ring(), "u2")
        assert len(vault.find_subject(subject)) == len(vault.list_subject(subject)) == 3
        assert vault.destroy_subject(subject) == Destroyed(keys=2, values=3)
        assert vault.find_subject(subject) == []
        assert [open_value(one, PRIVATE) for one in vault.find_subject(other)] == ["198.51.100.7"]
        assert vault.destroy_subject(subject) == Destroyed(keys=0, values=0)


def test_a_copy_of_the_values_is_of_no_use_once_the_subjects_keys_are_gone(vault_database: str) -> None:
    """A dump of the values from before, the recovery key, and the keys that are left: nothing opens."""
    with open_vault(vault_database) as vault:
        vault.store(kept(("u1", "198.51.100.7", None), ("u2", "203.0.113.9", None)))
        [subject] = subject_tokens(SETTINGS, ring(), "u1")
        copied = vault.find_subject(subject)
        assert [open_value(one, PRIVATE) for one in copied] == ["198.51.100.7"]
        vault.destroy_subject(subject)
        left = [row[0] for row in query(vault_database, "SELECT wrapped FROM sofetch_vault.subject_key")]
        assert left
        assert not any(open_value(msgspec.structs.replace(copied[0], wrapped=wrapped), PRIVATE) for wrapped in left)


def test_two_writers_with_the_same_values_in_other_orders_do_not_block_each_other(vault_database: str) -> None:
    rounds, barrier = 10, Barrier(2, timeout=60)
    people = [(f"u{n}", f"10.0.0.{n}", f"d{n}") for n in range(100)]

    def work(vault: VaultStore, order: Sequence[tuple[str, str, str]]) -> int:
        new = 0
        for turn in range(rounds):
            vaulted = kept(*((user, ip, f"{device}-{turn}") for user, ip, device in order))
            barrier.wait()
            new += vault.store(vaulted)
        return new

    with open_vault(vault_database) as one, open_vault(vault_database) as other, ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work, one, people), pool.submit(work, other, people[::-1])]
        new = sum(future.result(timeout=120) for future in futures)
    assert new == count(vault_database, "sofetch_vault.value") == 100 + 100 * rounds
    orphans = "SELECT count(*) FROM sofetch_vault.value LEFT JOIN sofetch_vault.subject_key USING (key_id, subject)"
    assert query(vault_database, orphans + " WHERE wrapped IS NULL") == [(0,)]


def test_a_batch_is_in_the_vault_and_in_the_table(database: str, vault_database: str) -> None:
    with pipeline(database, vault_database) as steps:
        outcomes = process([message(1), message(2)], steps).outcomes
        again = process([message(1), message(2), message(3)], steps).outcomes
    assert [type(one) for one in outcomes] == [Loaded, Loaded]
    assert sum(isinstance(one, Loaded) for one in again) == 1
    assert count(database, "user_logins") == 3
    assert count(vault_database, "sofetch_vault.value") == 4, "one address, three devices"


def test_no_row_is_loaded_while_the_vault_is_away_and_the_retry_loads_it(database: str, vault_database: str) -> None:
    name = conninfo_to_dict(vault_database)["dbname"]
    with pipeline(database, vault_database) as steps:
        query(database, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        query(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        for _ in range(2):
            with pytest.raises(SinkUnavailable, match="the vault") as caught:
                process([message(1)], steps)
            assert caught.value.retryable
        assert count(database, "user_logins") == count(database, "sofetch.ledger") == 0
        query(database, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert [type(one) for one in process([message(1)], steps).outcomes] == [Loaded]


def test_a_sink_that_fails_leaves_values_that_the_retry_finds(database: str, vault_database: str) -> None:
    with pipeline(database, vault_database) as steps:
        query(database, "ALTER TABLE user_logins RENAME TO away")
        with pytest.raises(SinkRefused):
            process([message(1)], steps)
        assert count(vault_database, "sofetch_vault.value") == 2
        query(database, "ALTER TABLE away RENAME TO user_logins")
        assert [type(one) for one in process([message(1)], steps).outcomes] == [Loaded]
    assert count(vault_database, "sofetch_vault.value") == 2


def test_no_value_and_no_subject_is_in_the_vaults_tables_or_in_postgres_log(
    database: str, vault_database: str, postgres_log: Path
) -> None:
    with pipeline(database, vault_database) as steps:
        process([message(n, user=f"kanarie-user-{n}") for n in range(20)], steps)
        process([message(30, user=None)], steps)
    content = everything_in(vault_database, "sofetch_vault")
    assert b"h1.k1." in content, "it is looked at"
    assert not any(canary in content for canary in CANARIES)
    log = postgres_log.read_bytes()
    assert b"sofetch_vault.store" in log
    assert not any(canary in log for canary in CANARIES[:2]), "the table's own users are not masked in this test"


def test_the_vault_may_share_the_sinks_database_where_that_is_said(database: str) -> None:
    with pipeline(database, database) as steps:
        assert [type(one) for one in process([message(1)], steps).outcomes] == [Loaded]
    assert count(database, "sofetch_vault.value") == 2


def test_an_older_postgres_keeps_finds_and_destroys_too(postgres16_database: str) -> None:
    with open_vault(postgres16_database) as vault:
        vaulted = kept(("u1", "198.51.100.7", "d1"), ("u2", None, "d1"))
        assert (vault.store(vaulted), vault.store(vaulted)) == (3, 0)
        assert len(vault.find("device", vaulted.entries[1].token)) == 2
        assert vault.destroy_subject(vaulted.entries[0].subject) == Destroyed(keys=1, values=2)


def test_the_schema_is_told_made_once_and_then_complete(vault_database: str) -> None:
    planned = plan_vault(vault_database, limits=LIMITS)
    assert [step.what for step in planned] == [step.what for step in apply_vault(vault_database, limits=LIMITS)]
    assert plan_vault(vault_database, limits=LIMITS) == apply_vault(vault_database, limits=LIMITS) == []


def test_the_told_schema_is_the_applied_one(vault_database: str) -> None:
    for step in plan_vault(vault_database, limits=LIMITS):
        query(vault_database, step.sql)
    with open_vault(vault_database, schema=False) as vault:
        assert vault.store(kept(("u1", "198.51.100.7", None))) == 1


def test_a_vault_without_its_schema_refuses_to_start_and_says_what_to_do(vault_database: str) -> None:
    with pytest.raises(SinkRefused, match="sofetch_vault") as caught:
        VaultStore(vault_database, limits=LIMITS).prepare()
    assert "--apply" in caught.value.hint


def test_the_check_finds_what_is_missing_and_warns_of_an_owner_that_loads(vault_database: str) -> None:
    assert [(one.severity, one.code) for one in check_vault(vault_database, limits=LIMITS)] == [
        ("ok", "vault_tls"),
        ("error", "vault_schema"),
    ]
    apply_vault(vault_database, limits=LIMITS)
    found = {one.code: one for one in check_vault(vault_database, limits=LIMITS)}
    assert set(found) == {"vault_tls", "vault_schema", "vault_too_much"}
    assert "select on sofetch_vault.value" in found["vault_too_much"].what


def test_a_vault_that_is_away_is_named_in_the_error_and_no_password_is() -> None:
    dsn = "host=127.0.0.1 port=9 dbname=gone user=u password=kanarie-secret"
    with pytest.raises(SinkUnavailable, match="the vault") as caught:
        VaultStore(dsn, limits=LIMITS).prepare()
    assert "kanarie" not in str(caught.value) + repr(VaultStore(dsn))
    [finding] = check_vault(dsn, limits=LIMITS)
    assert finding.code == "vault_unreachable"
    assert "kanarie" not in finding.what + finding.hint
