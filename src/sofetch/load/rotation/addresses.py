"""Rotation of columns of addresses (``ip``, ``ip_prefix``): all of a domain at once, while no worker runs.

Owns that no column is ever under two keys. An address does not say which key it is under, so nothing here goes row by
row: every different address is opened and closed again, and all rows change in one transaction, together with the
fingerprint that says which key the domain is under. Cut off, nothing has happened. It must not know keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Protocol

from msgspec import Struct
from psycopg import Connection, sql
from psycopg.rows import scalar_row

from sofetch.errors import KeyringError
from sofetch.load.registry import Fingerprint, require_same_keys, require_schema
from sofetch.load.rotation.tokens import rotating
from sofetch.load.rotation.workers import refuse_workers
from sofetch.load.statements import statement
from sofetch.load.table import require_table
from sofetch.settings import Settings

CHUNK_ADDRESSES: Final = 20_000


class AddressUpgrade(Protocol):
    """How one column's addresses are renewed (``sofetch.mask.upgrade.AddressUpgrade``)."""

    @property
    def column(self) -> str: ...  # noqa: D102
    @property
    def mask(self) -> str: ...  # noqa: D102
    @property
    def domain(self) -> str: ...  # noqa: D102
    @property
    def kid(self) -> str: ...  # noqa: D102
    @property
    def fingerprints(self) -> Mapping[str, Fingerprint]: ...  # noqa: D102
    @property
    def renew(self) -> Callable[[str, Sequence[str]], list[str]]: ...  # noqa: D102


class AddressesRotated(Struct, frozen=True, kw_only=True):
    """A column and how many of its rows were renewed, from one key to another."""

    table: str
    column: str
    kid_from: str
    kid_to: str
    rows: int


def rotate_addresses(
    tables: Sequence[Settings],
    upgrades: Sequence[AddressUpgrade],
    *,
    dsn: str,
    dry_run: bool = False,
    workers_stopped: bool = False,
) -> list[AddressesRotated]:
    """Renew the columns of addresses of all ``tables`` of one database, each domain in one transaction.

    Nothing is done, and nothing asked, where they are under the primary already. Raises SinkRefused while sessions
    named as workers are connected, unless ``workers_stopped`` says that they are none; KeyringError for a ring without
    the key they are under; SinkUnavailable.
    """
    done: list[AddressesRotated] = []
    with rotating(tables[0], dsn) as connection:
        require_schema(connection)
        for _, group in groupby(sorted(upgrades, key=_domain), key=_domain):
            columns = list(group)
            if _stored_kid(connection, columns[0]) not in {None, columns[0].kid}:
                done += _rotate_domain(connection, tables, columns, dry_run=dry_run, workers_stopped=workers_stopped)
    return done


def _domain(upgrade: AddressUpgrade) -> tuple[str, str]:
    return upgrade.mask, upgrade.domain


def _stored_kid(connection: Connection[Any], upgrade: AddressUpgrade) -> str | None:
    names = {"scheme": upgrade.mask, "domain": upgrade.domain}
    with connection.cursor(row_factory=scalar_row) as cursor:
        kid: str | None = cursor.execute(statement("address_key"), names).fetchone()
        return kid


def _rotate_domain(
    connection: Connection[Any],
    tables: Sequence[Settings],
    upgrades: Sequence[AddressUpgrade],
    *,
    dry_run: bool,
    workers_stopped: bool,
) -> list[AddressesRotated]:
    with connection.transaction(force_rollback=dry_run):
        # Nobody starts to load while this is held: who loads registers the fingerprints of its keys first.
        connection.execute("LOCK TABLE sofetch.key_fingerprint IN SHARE ROW EXCLUSIVE MODE")
        kid = _stored_kid(connection, upgrades[0])
        if kid is None or kid == upgrades[0].kid:  # another rotation was faster
            return []
        _require_old_key(connection, upgrades[0], kid)
        if not workers_stopped and not dry_run:
            refuse_workers(connection, tables[0], columns="columns of addresses")
        # As long as it takes: the limits are for the short work of loading.
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        done = [
            _rotate_column(connection, settings, upgrade, kid)
            for settings in tables
            for upgrade in upgrades
            if upgrade.column in require_table(connection, settings).columns
        ]
        _change_fingerprint(connection, upgrades[0])
    return done


def _require_old_key(connection: Connection[Any], upgrade: AddressUpgrade, kid: str) -> None:
    """An address opens under any key, to a wrong address under a wrong one."""
    mine = upgrade.fingerprints.get(kid)
    if mine is None:
        raise KeyringError(
            f"the addresses of domain {upgrade.domain} are under key {kid}, which the keyring does not have",
            hint="give the keyring that was used before, with the new key beside the old one",
        )
    require_same_keys(connection, [mine])


def _rotate_column(
    connection: Connection[Any], settings: Settings, upgrade: AddressUpgrade, kid: str
) -> AddressesRotated:
    table = require_table(connection, settings)
    is_inet = table.columns[upgrade.column].base_type == "inet"
    names = {
        "table": table.identifier,
        "column": sql.Identifier(upgrade.column),
        "text": sql.SQL("host({})" if is_inet else "{}").format(sql.Identifier(upgrade.column)),
        "type": sql.SQL("inet" if is_inet else "text"),
    }
    connection.execute(sql.SQL("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE").format(**names))
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE sofetch_renewed (old {type} PRIMARY KEY, new {type} NOT NULL) ON COMMIT DROP")
        .format(**names)
    )  # fmt: skip
    for old in _distinct(connection, names):
        new = upgrade.renew(kid, old)
        fill = sql.SQL("INSERT INTO sofetch_renewed SELECT * FROM unnest(%s::{type}[], %s::{type}[])").format(**names)
        connection.execute(fill, [old, new])
    # One statement: every row is changed once, though a new address may well equal another row's old one.
    change = sql.SQL("UPDATE {table} AS t SET {column} = r.new FROM sofetch_renewed AS r WHERE t.{column} = r.old")
    rows = connection.execute(change.format(**names)).rowcount
    connection.execute("DROP TABLE sofetch_renewed")
    return AddressesRotated(
        table=settings.sink.table, column=upgrade.column, kid_from=kid, kid_to=upgrade.kid, rows=rows
    )


def _distinct(connection: Connection[Any], names: dict[str, sql.Composable]) -> Iterator[list[str]]:
    query = sql.SQL("SELECT DISTINCT {text} FROM {table} WHERE {column} IS NOT NULL").format(**names)
    with connection.cursor("sofetch_addresses", row_factory=scalar_row) as cursor:
        cursor.execute(query)
        while chunk := cursor.fetchmany(CHUNK_ADDRESSES):
            yield chunk


def _change_fingerprint(connection: Connection[Any], upgrade: AddressUpgrade) -> None:
    one = upgrade.fingerprints[upgrade.kid]
    connection.execute(
        "DELETE FROM sofetch.key_fingerprint WHERE scheme = %s AND domain = %s", [one.scheme, one.domain]
    )
    connection.execute(
        "INSERT INTO sofetch.key_fingerprint (scheme, domain, kid, fingerprint) VALUES (%s, %s, %s, %s)",
        [one.scheme, one.domain, one.kid, one.fingerprint],
    )
