"""Everything that a recovery or an erasure needs, put together from the configuration and closed again.

Owns the composition for governed commands: keyrings, audit, vault, tables. All of it is at hand before the audit row is
written, so that no row tells of what could never have been done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sofetch.cli.asked import now
from sofetch.errors import KeyringError

if TYPE_CHECKING:
    from sofetch.governance import erasure, recovery
    from sofetch.load.audit import AuditTable
    from sofetch.load.vault.store import VaultStore
    from sofetch.mask.keyring import Keyrings
    from sofetch.mask.vaulting import RecoveryKey
    from sofetch.settings import Settings


@contextmanager
def means_of_recovery(
    settings: Settings,
    tokens: Sequence[str],
    *,
    column: str | None = None,
    key: Path | None,
    environ: Mapping[str, str],
) -> Iterator[recovery.Means]:
    """For recovering these tokens. ``key`` is the recovery key's file, needed only for tokens of the vault."""
    from sofetch.governance.recovery import Means, needs_vault

    vaulted = needs_vault(settings, tokens, column=column)
    recovery_key = _recovery_key(key) if vaulted else None
    with opened_audit(settings, environ) as (rings, audit), _vault(settings, environ, wanted=vaulted) as vault:
        yield Means(
            settings=settings,
            rings=rings,
            audit=audit,
            audit_keys=audit.keys,
            vault=vault,
            recovery_key=recovery_key,
        )


@contextmanager
def means_of_erasure(settings: Settings, *, environ: Mapping[str, str]) -> Iterator[erasure.Means]:
    """For erasing one subject. No recovery key: what destroys does not read."""
    from sofetch.decode.unwrap import body_opener
    from sofetch.governance.erasure import Means
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.erasure import ErasureTables

    with (
        opened_audit(settings, environ) as (rings, audit),
        _vault(settings, environ, wanted=settings.keeps_values) as vault,
        ErasureTables(settings, dsn=resolve_dsn(settings.sink, environ=environ)) as tables,
    ):
        yield Means(
            settings=settings,
            rings=rings,
            audit=audit,
            audit_keys=audit.keys,
            tables=tables,
            vault=vault,
            now=now,
            open_body=body_opener(settings.unwrap),
        )


@contextmanager
def opened_audit(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[Keyrings, AuditTable]]:
    """The keyrings, and the audit whose rows they seal."""
    from sofetch.governance.audit import AuditKeys
    from sofetch.keys import load_keyrings
    from sofetch.load.audit import AuditTable
    from sofetch.load.dsn import resolve_dsn

    rings = load_keyrings(settings.keys, environ=environ)
    dsn = resolve_dsn(settings.sink, environ=environ)
    with AuditTable(settings.sink, dsn=dsn, keys=AuditKeys(rings.tokens)) as audit:
        yield rings, audit


@contextmanager
def _vault(settings: Settings, environ: Mapping[str, str], *, wanted: bool) -> Iterator[VaultStore | None]:
    from sofetch.load.dsn import resolve_vault_dsn
    from sofetch.load.vault.store import VaultStore

    if not wanted:
        yield None
        return
    store = VaultStore(resolve_vault_dsn(settings, environ=environ), limits=settings.sink)
    try:
        yield store
    finally:
        store.close()


def _recovery_key(path: Path | None) -> RecoveryKey:
    from sofetch.keys.recovery import load_recovery_key

    if path is None:
        hint = "name its file with --recovery-key or SOFETCH_RECOVERY_KEY_FILE; the loader does not have it"
        raise KeyringError("values of the vault open with the recovery key alone, and none is given", hint=hint)
    return load_recovery_key(path)
