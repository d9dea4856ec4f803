"""What of a masked batch goes into the vault: each value once for each subject, sealed.

Owns which values those are, and what happens to a row that names no subject. The bytes are ``mask.vaulting``'s. A
value goes in as it came, so that who recovers it sees what was sent; of two spellings with one token the vault keeps
the first.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from sofetch.columns import VAULT_SUBJECT_DOMAIN, kind_of, token_domain
from sofetch.errors import KeyringError
from sofetch.mask.canonical import canonical_of, canonical_text
from sofetch.mask.keyring import Keyring
from sofetch.mask.subjects import first_token, subject_form
from sofetch.mask.vaulting import BatchSeal, RecoveryPublicKey, SubjectSeal
from sofetch.record import Cell, Reason, Record, Value, Vaulted, VaultEntry, VaultKey
from sofetch.settings import ColumnSettings, Settings

OWN_SUBJECT: Final = "own"
"""First part of the subject of a value that no subject was named for: ``own.<domain>.<origin>``, the same each time."""


def compile_vaulter(settings: Settings, keyring: Keyring, recovery: RecoveryPublicKey | None) -> Vaulter | None:
    """The vaulter of a configuration; None if no column has ``vault``. Fails closed where the recovery key is missing.

    Raises ConfigError or KeyringError.
    """
    if not settings.keeps_values:
        return None
    if recovery is None:
        raise KeyringError(
            "values are to be kept in the vault and there is no recovery public key to seal them for",
            hint="name its file as [vault] recovery_public_key; `sofetch keys recovery-new` makes a pair",
        )
    return Vaulter(settings, keyring, recovery)


class Vaulter:
    """Seals the values of a batch. Threads may share one."""

    __slots__ = ("_columns", "_recovery", "_subjects")

    def __init__(self, settings: Settings, keyring: Keyring, recovery: RecoveryPublicKey) -> None:
        self._recovery = recovery
        self._subjects = _SubjectColumn(settings, keyring)
        self._columns = [
            _VaultColumn(position, column, keyring) for position, column in enumerate(settings.column) if column.vault
        ]

    def collect(
        self, records: Sequence[Record], cells: Sequence[Sequence[Cell]], refused: dict[int, tuple[Reason, str]]
    ) -> Vaulted:
        """The values behind the tokens in ``cells``, of all rows but the refused; adds to those what names no subject.

        A row whose columns for the vault are all NULL needs no subject.
        """
        subjects = self._subjects.of(records)
        batch = _Batch(self._recovery.new_batch())
        for row, record in enumerate(records):
            if row in refused:
                continue
            for column in self._columns:
                token = cells[column.position][row]
                if not isinstance(token, str):
                    continue
                subject = subjects[row]
                if isinstance(subject, Reason):
                    refused[row] = (subject, self._subjects.name)
                    break
                batch.add(column, record.values[column.position], token=token, subject=subject)
        return batch.vaulted()


class _SubjectColumn:
    """Whom each row is about: a token, None for a value that is to be its own, or why the row is refused."""

    __slots__ = ("_form", "_missing", "_position", "_token", "name")

    def __init__(self, settings: Settings, keyring: Keyring) -> None:
        self._form = subject_form(settings)
        self._token = first_token(keyring.token_chain[0], VAULT_SUBJECT_DOMAIN)
        self._missing = Reason.MISSING_FIELD if settings.vault.without_subject == "reject" else None
        self.name = settings.vault.subject or ""
        self._position = [column.name for column in settings.column].index(self.name)

    def of(self, records: Sequence[Record]) -> list[str | Reason | None]:
        known: dict[Hashable, str | Reason | None] = {}
        subjects: list[str | Reason | None] = []
        for record in records:
            value = record.values[self._position]
            key = (value.__class__, value)  # True, 1 and 1.0 are equal, and different subjects
            if key not in known:
                known[key] = self._of(value)
            subjects.append(known[key])
        return subjects

    def _of(self, value: Value) -> str | Reason | None:
        try:
            form = self._form(value)
        except UnicodeEncodeError:  # it carries the value: answered here, never raised on
            return Reason.INVALID_UNICODE
        return self._missing if form is None else self._token(form)


class _VaultColumn:
    __slots__ = ("_canonical", "_first_token", "_is_chained", "domain", "position")

    def __init__(self, position: int, column: ColumnSettings, keyring: Keyring) -> None:
        chain = keyring.token_chain
        self.position = position
        self.domain = token_domain(column)
        self._canonical = canonical_of(kind_of(column))
        self._first_token = first_token(chain[0], self.domain)
        self._is_chained = len(chain) > 1

    def origin(self, value: Value, token: str) -> str:
        """The value's token under the chain's first key: the token itself, if there is one key."""
        if not self._is_chained:
            return token
        # The value has a token, so it has a form.
        return self._first_token(self._canonical(value) or canonical_text(value) or b"")


class _Batch:
    """The keys and entries of one batch: one key a subject, one entry a subject, domain and value."""

    __slots__ = ("_entries", "_keys", "_seal", "_seals")

    def __init__(self, seal: BatchSeal) -> None:
        self._seal = seal
        self._keys: list[VaultKey] = []
        self._seals: dict[str, SubjectSeal] = {}
        self._entries: dict[tuple[str, str, str], VaultEntry] = {}

    def add(self, column: _VaultColumn, value: Value, *, token: str, subject: str | None) -> None:
        domain, origin = column.domain, column.origin(value, token)
        subject = subject or f"{OWN_SUBJECT}.{domain}.{origin}"
        if (subject, domain, origin) not in self._entries:
            sealed = self._sealer(subject).seal(_text(value), domain=domain, token=token, origin=origin)
            self._entries[subject, domain, origin] = sealed

    def vaulted(self) -> Vaulted:
        return Vaulted(self._keys, list(self._entries.values()))

    def _sealer(self, subject: str) -> SubjectSeal:
        seal = self._seals.get(subject)
        if seal is None:
            key, seal = self._seal.new_key(subject)
            self._keys.append(key)
            self._seals[subject] = seal
        return seal


def _text(value: Value) -> str:
    """A text as it came; a number or boolean as its canonical text."""
    return value if isinstance(value, str) else (canonical_text(value) or b"")[1:].decode()
