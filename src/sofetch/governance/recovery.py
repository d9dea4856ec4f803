"""Recovery: from tokens back to values, for those who may, with the audit row written before anything is opened.

Owns which way leads back from which token, the order (look up, write the audit, open), and the answers. It must not do
I/O: the vault and the audit are handed in. Nothing that is opened leaves ``recover`` unless its audit row is committed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, Literal, Protocol

from msgspec import Struct

from sofetch.columns import ADDRESS_MASKS, token_domain
from sofetch.errors import ConfigError, KeyringError
from sofetch.governance.audit import AuditEntry, AuditKeys, AuditRow, Detail
from sofetch.governance.binding import is_made_of
from sofetch.governance.request import Purpose
from sofetch.mask.fpe import canonical_text_of, decrypt_column
from sofetch.mask.keyring import Keyring, Keyrings
from sofetch.mask.reversible import ReversibleMask, reveal
from sofetch.mask.vaulting import RecoveryKey, open_value, recovery_key_id
from sofetch.record import Private, StoredValue
from sofetch.settings import Alphabet, ColumnSettings, Settings

Outcome = Literal[
    "recovered",
    "not_found",
    "erased",
    "wrong_key",
    "altered",
    "key_missing",
    "key_destroyed",
    "not_kept",
    "not_a_token",
]

MEANING: Final[Mapping[Outcome, str]] = {
    "recovered": "recovered",
    "not_found": "the vault holds no value for it",
    "erased": "its value was erased, see `sofetch audit list --token`",
    "wrong_key": "it does not open with this key",
    "altered": "what the vault holds for it was altered",
    "key_missing": "the keyring lacks its key",
    "key_destroyed": "its key is destroyed",
    "not_kept": "nothing leads back: no column of this configuration keeps or encrypts its value",
    "not_a_token": "it is no token",
}
"""What each outcome says to people."""


class Answer(Private, frozen=True):
    """What became of one token. ``values``: one for each spelling that was kept, equal ones once.

    ``unchecked``: the keyring lacks the key that shows them to be the token's. ``foreign`` values the vault held for it
    are another token's, or nobody's, and are not shown.
    """

    token: str
    outcome: Outcome
    values: tuple[str, ...] = ()
    unchecked: bool = False
    foreign: int = 0


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be recovered, and on whose word. ``request`` and ``approvers`` where one was approved."""

    by: Purpose
    tokens: Sequence[str]
    column: str | None = None
    request: str | None = None
    approvers: Sequence[str] = ()


class Vault(Protocol):
    """Where sealed values are looked up."""

    def find(self, domain: str, token: str) -> list[StoredValue]:
        """The values behind a token, sealed."""


class AuditLog(Protocol):
    """Where what was done is written down."""

    def append(self, entry: AuditEntry) -> AuditRow:
        """Append a row; committed when it returns. Raises AuditUnavailable."""

    def erased_tokens(self, fingerprints: Sequence[str]) -> set[str]:
        """Those of the fingerprints that an erasure destroyed the values of."""


class Means(Struct, frozen=True, kw_only=True):
    """What recovery works with. No vault: none is configured. No recovery key: none is needed, see ``needs_vault``."""

    settings: Settings
    rings: Keyrings
    audit: AuditLog
    audit_keys: AuditKeys
    vault: Vault | None = None
    recovery_key: RecoveryKey | None = None


def needs_vault(settings: Settings, tokens: Iterable[str], *, column: str | None = None) -> bool:
    """Whether any of these tokens is to be looked up in the vault, so that the recovery key is needed."""
    return any(isinstance(way, _Kept) for token in tokens for way in _ways(settings, token, column))


def recover(asked: Asked, means: Means) -> tuple[AuditRow, list[Answer]]:
    """The audit row that was written, and an answer for each token, in order.

    Raises ConfigError for a token or column that cannot be told apart, the vault's errors, and AuditUnavailable or
    NotApproved; then nothing was opened.
    """
    ways = {token: _ways(means.settings, token, asked.column) for token in asked.tokens}
    kept = {token: _look_up(token, found, means) for token, found in ways.items()}
    row = means.audit.append(_entry(asked, means, kept))
    answers = [_answer(token, ways[token], kept[token], means) for token in asked.tokens]
    return row, _tell_erased(answers, means)


_H1: Final = re.compile(r"h1\.[a-z0-9]{1,8}\.[0-9a-f]{40}")
_R1: Final = re.compile(r"r1\.(?P<kid>[a-z0-9]{1,8})\.[A-Za-z0-9_-]+")


class _Kept(Struct, frozen=True):
    """The value is in the vault, under this domain."""

    domain: str


class _Closed(Struct, frozen=True):
    """The token is the value, encrypted."""

    mask: ReversibleMask
    domain: str


class _Formed(Struct, frozen=True):
    """The value is encrypted to its own form, which does not say so: only who names the column gets here."""

    domain: str
    alphabet: Alphabet


_Way = _Kept | _Closed | _Formed


def _ways(settings: Settings, token: str, column: str | None) -> list[_Way]:
    """The ways back that the configuration knows, for a token of this form."""
    columns = _columns(settings, column)
    if column is not None and columns[0].mask == "fpe":
        return [_Formed(token_domain(columns[0]), columns[0].alphabet)]
    if _H1.fullmatch(token):
        return _once(_Kept(token_domain(one)) for one in columns if one.vault)
    if _R1.fullmatch(token):
        return _once(_Closed("reversible", token_domain(one)) for one in columns if one.mask == "reversible")
    if not _is_address(token):
        return []
    ways = _once(_closed_address(one) for one in columns if one.mask in ADDRESS_MASKS)
    if len(ways) > 1:
        raise ConfigError(
            "an address does not say which column it came from, and several have one",
            hint="name it with --column: " + ", ".join(one.name for one in columns if one.mask in ADDRESS_MASKS),
        )
    return ways


def _columns(settings: Settings, name: str | None) -> list[ColumnSettings]:
    columns = [column for column in settings.column if name is None or column.name == name]
    if not columns:
        known = ", ".join(column.name for column in settings.column if column.mask is not None)
        raise ConfigError(f"there is no column {name}", hint=f"masked columns: {known}")
    return columns


def _closed_address(column: ColumnSettings) -> _Way:
    return _Closed("ip" if column.mask == "ip" else "ip_prefix", token_domain(column))


def _once(ways: Iterable[_Way]) -> list[_Way]:
    return list(dict.fromkeys(ways))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _look_up(token: str, ways: Sequence[_Way], means: Means) -> list[StoredValue]:
    if means.vault is None:
        return []
    return [stored for way in ways if isinstance(way, _Kept) for stored in means.vault.find(way.domain, token)]


def _entry(asked: Asked, means: Means, kept: Mapping[str, Sequence[StoredValue]]) -> AuditEntry:
    detail: dict[str, Detail] = {
        "pipeline": means.settings.pipeline_name,
        "count": len(asked.tokens),
        "in_vault": sum(1 for found in kept.values() if found),
        "column": asked.column,
        "tokens": [means.audit_keys.fingerprint("token", token) for token in asked.tokens],
        "request": asked.request,
        "approvers": list(asked.approvers),
    }
    by = asked.by
    return AuditEntry(actor=by.actor, action="recover", purpose=by.purpose, ticket=by.ticket, detail=detail)


def _answer(token: str, ways: Sequence[_Way], kept: Sequence[StoredValue], means: Means) -> Answer:
    if not ways:
        return Answer(token, "not_kept" if _is_token(token) else "not_a_token")
    if all(isinstance(way, _Kept) for way in ways):
        return _open_kept(token, kept, means)
    for way in ways:
        if isinstance(way, _Formed):
            return _open_formed(token, way, means.rings.reversible)
    return _open_closed(token, [way for way in ways if isinstance(way, _Closed)], means.rings.reversible)


def _is_token(text: str) -> bool:
    return bool(_H1.fullmatch(text) or _R1.fullmatch(text)) or _is_address(text)


def _open_kept(token: str, kept: Sequence[StoredValue], means: Means) -> Answer:
    key = means.recovery_key
    if not kept:
        return Answer(token, "not_found")
    if key is None:
        return Answer(token, "wrong_key")
    values = {value: stored.domain for stored in kept if (value := open_value(stored, key)) is not None}
    if values:
        return _checked(token, values, means)
    is_ours = any(recovery_key_id(stored) == key.id for stored in kept)
    return Answer(token, "altered" if is_ours else "wrong_key")


def _checked(token: str, domains: Mapping[str, str], means: Means) -> Answer:
    """What was opened, less what is not the token's: whoever can write the vault could have put it there."""
    columns, ring = [column for column in means.settings.column if column.vault], means.rings.tokens
    fits = {
        value: is_made_of(token, value, columns=columns, domain=domain, ring=ring) for value, domain in domains.items()
    }
    values = tuple(value for value, fit in fits.items() if fit is not False)
    foreign = len(fits) - len(values)
    if not values:
        return Answer(token, "altered", foreign=foreign)
    return Answer(token, "recovered", values, unchecked=None in fits.values(), foreign=foreign)


def _open_closed(token: str, ways: Sequence[_Closed], keyring: Keyring) -> Answer:
    match = _R1.fullmatch(token)
    problem = _problem_of_key(match["kid"], keyring) if match else None
    if problem is not None:
        return Answer(token, problem)
    for way in ways:
        try:
            [value] = reveal([token], mask=way.mask, domain=way.domain, keyring=keyring)
        except KeyringError:
            continue
        except ConfigError:
            return Answer(token, "not_a_token")
        return Answer(token, "recovered", (value,))
    return Answer(token, "wrong_key")


def _open_formed(token: str, way: _Formed, keyring: Keyring) -> Answer:
    if canonical_text_of(way.alphabet)(token) is None:
        return Answer(token, "not_a_token")
    [value] = decrypt_column(keyring.oldest, way.domain, alphabet=way.alphabet)([token])
    return Answer(token, "recovered", (value,))


def _problem_of_key(kid: str, keyring: Keyring) -> Outcome | None:
    statuses = {key.kid: key.status for key in keyring.keys}
    if kid not in statuses:
        return "key_missing"
    return "key_destroyed" if statuses[kid] == "destroyed" else None


def _tell_erased(answers: list[Answer], means: Means) -> list[Answer]:
    """The vault keeps nothing of what was erased; the audit of the erasure has the tokens' fingerprints."""
    missing = {answer.token for answer in answers if answer.outcome == "not_found"}
    if not missing:
        return answers
    fingerprints = {token: means.audit_keys.fingerprints("token", token) for token in missing}
    erased = means.audit.erased_tokens([one for several in fingerprints.values() for one in several])
    gone = {token for token, several in fingerprints.items() if not erased.isdisjoint(several)}
    return [Answer(answer.token, "erased") if answer.token in gone else answer for answer in answers]
