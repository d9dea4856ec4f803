"""A failover in the middle of a load: who waits for a standby loses nothing, and who does not is told how much.

One chain of clusters: each test promotes a standby of the survivor of the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest
from msgspec import Struct

from faults.failover import (
    Loading,
    both,
    cut_off,
    fence_off,
    follow,
    missing_binary,
    new_primary,
    promote,
    replicate,
    standby_of,
    until,
)
from loading import count, login_rows, logins, names_of, open_sink, query
from sofetch.embedded import Embedded
from sofetch.errors import SinkUnavailable
from sofetch.load.setup.schema import apply_schema
from sofetch.load.vault.schema import apply_vault
from sofetch.load.vault.store import VaultStore
from vaulting import LIMITS, records, recovery_pair, vault_masker, vaulted_of

WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("failover"),
    pytest.mark.skipif(bool(missing_binary()), reason=f"the embedded Postgres ships no {missing_binary()}"),
]


class Chain:
    """The cluster that is the primary now."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.primary = stack.enter_context(new_primary())
        apply_schema(logins(), dsn=self.primary.dsn)

    def standby(self) -> Embedded:
        """A new standby of it. No row is there yet."""
        query(self.primary.dsn, "TRUNCATE user_logins")
        return self._stack.enter_context(standby_of(self.primary))


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with ExitStack() as stack:
        yield Chain(stack)


def test_a_primary_that_dies_loses_nothing_that_its_standby_was_waited_for(chain: Chain) -> None:
    primary, standby = chain.primary, chain.standby()
    replicate(primary, names="*")
    with Loading(both(primary, standby)) as loading:
        loading.wait_for(batches=5)
        primary.stop_postgres(immediate=True)
        promote(standby)
        loading.wait_for(batches=5)
    chain.primary = standby
    tally = loading.tally(standby.dsn)
    assert tally.refused_tries > 0
    assert (tally.lost, tally.doubled, tally.unknown) == (0, 0, 0)
    assert count(standby.dsn, "sofetch.quarantine") == 0


def test_a_primary_that_was_made_read_only_is_left_for_the_new_one(chain: Chain) -> None:
    primary, standby = chain.primary, chain.standby()
    replicate(primary, names="*")
    with Loading(both(primary, standby)) as loading:
        loading.wait_for(batches=2)
        fence_off(primary)
        promote(standby)
        loading.wait_for(batches=2)
    chain.primary = standby
    tally = loading.tally(standby.dsn)
    assert tally.refused_tries > 0
    assert (tally.lost, tally.doubled, tally.unknown) == (0, 0, 0)
    assert count(standby.dsn, "sofetch.quarantine") == 0
    assert count(primary.dsn, "user_logins") < tally.acknowledged


@pytest.mark.parametrize("part", ["rows", "values of the vault"])
def test_what_is_there_already_is_acknowledged_only_when_the_standby_has_it(chain: Chain, part: str) -> None:
    """A commit that is cut off while it waits for the standby is there on the primary, and on nothing else."""
    primary, standby = chain.primary, chain.standby()
    apply_vault(primary.dsn, limits=LIMITS)
    replicate(primary, names="*")
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        deed = _loads(stack, primary.dsn) if part == "rows" else _keeps(stack, primary.dsn)
        conninfo = cut_off(standby)
        for ending in ("pg_terminate_backend", "pg_cancel_backend"):  # the second ends the wait of duplicates
            doing = pool.submit(deed.do)
            until(lambda: query(primary.dsn, f"SELECT count(*) {WAITING}") == [(1,)])
            query(primary.dsn, f"SELECT {ending}(pid) {WAITING}")
            with pytest.raises(SinkUnavailable):
                doing.result(timeout=60)
            assert (count(primary.dsn, deed.table), count(standby.dsn, deed.table)) == (10, 0)
        doing = pool.submit(deed.do)
        until(lambda: query(primary.dsn, f"SELECT count(*) {WAITING}") == [(1,)])
        follow(standby, conninfo)
        assert doing.result(timeout=60) == deed.when_there_already
    primary.stop_postgres(immediate=True)
    promote(standby)
    chain.primary = standby
    assert count(standby.dsn, deed.table) == 10


class Deed(Struct, frozen=True):
    """Ten things to be stored, and what storing them again answers."""

    do: Callable[[], object]
    table: str
    when_there_already: object


def _loads(stack: ExitStack, dsn: str) -> Deed:
    sink = stack.enter_context(open_sink(logins(), dsn, schema=False))
    records = login_rows(10)
    return Deed(lambda: names_of(sink.load(records, [])), "user_logins", ["Duplicate"] * 10)


def _keeps(stack: ExitStack, dsn: str) -> Deed:
    vault = stack.enter_context(closing(VaultStore(dsn)))
    _, public = recovery_pair()
    masker = vault_masker(public)
    vaulted = vaulted_of(masker.mask(records(*((f"user-{i}", f"192.0.2.{i}", None) for i in range(10)))))
    return Deed(lambda: vault.store(vaulted), "sofetch_vault.value", 0)


def test_what_an_asynchronous_standby_had_not_received_is_lost_to_the_row(chain: Chain) -> None:
    """Nobody can help it: the messages are deleted. docs/failover.md says so, and what to do."""
    primary, standby = chain.primary, chain.standby()
    replicate(primary, names="")
    with Loading(both(primary, standby)) as loading:
        loading.wait_for(batches=2)
        loading.stop()
    received = len(loading.acknowledged)
    until(lambda: count(standby.dsn, "user_logins") == received)
    with Loading(both(primary, standby), first=received) as later:
        cut_off(standby)
        later.wait_for(batches=3)
        later.stop()
        behind = count(primary.dsn, "user_logins") - count(standby.dsn, "user_logins")
        primary.stop_postgres(immediate=True)
        promote(standby)
    chain.primary = standby
    assert loading.tally(standby.dsn).lost == 0
    tally = later.tally(standby.dsn)
    assert tally.lost == behind >= 300
    assert tally.doubled == 0
