"""The vault's part of a rotation: values are looked up by the tokens that the tables hold, so those are renewed too.

Owns the sweep. It must not know keys: an ``Upgrade`` renews tokens. Subjects and origins stay: they are under the first
key of the chain. Each batch is committed by itself and a token names its key, so that what was cut off goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import psycopg
from msgspec import Struct
from psycopg import Connection
from psycopg.rows import scalar_row

from sofetch.errors import SofetchError
from sofetch.load.connection import connect
from sofetch.load.statements import statement
from sofetch.load.vault.store import require_vault_schema, vault_error
from sofetch.settings import SinkSettings

BATCH_TOKENS = 5_000


class TokenUpgrade(Protocol):
    """How one domain's tokens are renewed (``sofetch.mask.upgrade.Upgrade``)."""

    @property
    def domain(self) -> str: ...  # noqa: D102
    @property
    def kids(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def renew(self) -> Callable[[Sequence[str]], list[str | None]]: ...  # noqa: D102


class VaultRotated(Struct, frozen=True):
    """Values whose token was renewed (or would be), and those that cannot be: their token is not as it was made."""

    values: int
    stranded: int


def rotate_vault(
    upgrades: Sequence[TokenUpgrade], *, dsn: str, limits: SinkSettings, dry_run: bool = False
) -> VaultRotated:
    """Renew the tokens of these domains. Workers may run: what one with the old keyring adds later, the next run finds.

    Raises SinkUnavailable or SinkRefused.
    """
    by_domain = {upgrade.domain: upgrade for upgrade in upgrades if upgrade.kids}
    connection: Connection[Any] | None = None
    try:
        connection = connect(dsn, limits, role=" rotate")
        require_vault_schema(connection)
        done = [_rotate(connection, upgrade, dry_run=dry_run) for upgrade in by_domain.values()]
    except (psycopg.Error, SofetchError) as error:
        raise vault_error(error) from None
    finally:
        if connection is not None:
            connection.close()
    return VaultRotated(sum(one.values for one in done), sum(one.stranded for one in done))


def _rotate(connection: Connection[Any], upgrade: TokenUpgrade, *, dry_run: bool) -> VaultRotated:
    values = stranded = 0
    last = ""
    while tokens := _old_tokens(connection, upgrade, last):
        renewed = upgrade.renew(tokens)
        pairs = [(old, new) for old, new in zip(tokens, renewed, strict=True) if new is not None]
        values += len(pairs) if dry_run else _renew(connection, upgrade.domain, pairs)
        stranded += len(tokens) - len(pairs)
        last = tokens[-1]
    return VaultRotated(values, stranded)


def _old_tokens(connection: Connection[Any], upgrade: TokenUpgrade, last: str) -> list[str]:
    parameters = {"domain": upgrade.domain, "kids": sorted(upgrade.kids), "last": last, "limit": BATCH_TOKENS}
    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(statement("vault/old_tokens"), parameters).fetchall()


def _renew(connection: Connection[Any], domain: str, pairs: Sequence[tuple[str, str]]) -> int:
    parameters = {"domain": domain, "olds": [old for old, _ in pairs], "news": [new for _, new in pairs]}
    return connection.execute(statement("vault/renew_tokens"), parameters).rowcount
