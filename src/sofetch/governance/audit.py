"""The audit chain: each row is sealed under a key and names the row before it, so that a change anywhere shows.

Owns the bytes a row's digest is made of, and the judgement of a chain. It must not do I/O. ``digest`` is HMAC-SHA-256
under the key derived for scheme "audit" of everything in the row and of the digest before it.

Guaranteed: whoever can write the table but has not the key cannot alter, insert, remove or reorder a row unseen, but
for the rows at the end: that the last ones are gone shows only against a head noted elsewhere. Not guaranteed: anything
against one who holds both the key and the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from hmac import compare_digest
from typing import Final, Literal

from msgspec import Struct

from sofetch.errors import ConfigError, KeyringError
from sofetch.mask.identity import encode_values
from sofetch.mask.keyring import Keyring
from sofetch.mask.primitives import KEY_BYTES, Hash, keyed_hash

AUDIT_SCHEME: Final = "audit"
GENESIS: Final = bytes(32)
"""What the first row names as the one before it."""

FINGERPRINT_BYTES: Final = 12

Detail = str | int | bool | list[str] | dict[str, int] | list[dict[str, str | int]] | None
"""What may stand in a row's detail: counts, names and fingerprints. Floats have no one spelling and are not there."""

FaultCode = Literal["altered", "removed", "reordered", "unlinked", "truncated", "unverifiable"]


class AuditEntry(Struct, frozen=True, kw_only=True):
    """What is to be recorded. ``detail`` holds counts, names and fingerprints, never a personal value."""

    actor: str
    action: str
    purpose: str
    ticket: str
    detail: Mapping[str, Detail]


class Head(Struct, frozen=True):
    """The last row of a chain: noted elsewhere, it shows later that nothing was cut off. Empty chain: seq 0."""

    seq: int = 0
    digest: bytes = GENESIS

    def __str__(self) -> str:
        return f"{self.seq}:{self.digest.hex()}"


class AuditRow(Struct, frozen=True, kw_only=True):
    """One row as it is stored; ``kid`` names the key of its digest. ``detail`` is what its JSON says."""

    seq: int
    at: datetime
    actor: str
    action: str
    purpose: str
    ticket: str
    detail: object
    kid: str
    previous: bytes
    digest: bytes

    @property
    def head(self) -> Head:
        """The chain's head while this row is its last."""
        return Head(self.seq, self.digest)


class Fault(Struct, frozen=True, kw_only=True):
    """Something wrong with a chain: at which row, and what."""

    code: FaultCode
    seq: int
    what: str


class Verdict(Struct, frozen=True, kw_only=True):
    """What came of checking a chain."""

    rows: int
    head: Head
    faults: list[Fault]


class AuditKeys:
    """The keyring's keys as the audit uses them: to seal rows and to make fingerprints."""

    __slots__ = ("_hashes", "_keyring")

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._hashes: dict[tuple[str, str], Hash] = {}

    @property
    def kid(self) -> str:
        """The key that seals new rows."""
        return self._keyring.primary.kid

    def digest(self, row: AuditRow) -> bytes:
        """The digest the row ought to have. Raises KeyringError if its key is missing or destroyed."""
        return self._hash("chain", row.kid)(_sealed_bytes(row))

    def fingerprint(self, kind: str, text: str, *, kid: str | None = None) -> str:
        """A short name for a token or a subject: the same for the same, and useless to whoever has not the key."""
        digest = self._hash("fingerprint", kid or self.kid)(f"{kind}\0{text}".encode(errors="surrogatepass"))
        return digest[:FINGERPRINT_BYTES].hex()

    def fingerprints(self, kind: str, text: str) -> list[str]:
        """Under every key that is not destroyed: for finding rows that an older key's fingerprint stands in."""
        return [self.fingerprint(kind, text, kid=key.kid) for key in self._keyring.keys if key.status != "destroyed"]

    def _hash(self, domain: str, kid: str) -> Hash:
        if (domain, kid) not in self._hashes:
            key = self._keyring.get(kid).derive(scheme=AUDIT_SCHEME, domain=domain, length=KEY_BYTES)
            self._hashes[domain, kid] = keyed_hash(key)
        return self._hashes[domain, kid]


def next_row(entry: AuditEntry, *, last: Head, at: datetime, role: str, keys: AuditKeys) -> AuditRow:
    """The row that follows ``last``. ``role`` is the database's own name for who writes it, whatever the actor says."""
    unsealed = AuditRow(
        seq=last.seq + 1,
        at=at,
        actor=entry.actor,
        action=entry.action,
        purpose=entry.purpose,
        ticket=entry.ticket,
        detail={**entry.detail, "database_role": role},
        kid=keys.kid,
        previous=last.digest,
        digest=b"",
    )
    return _with(unsealed, digest=keys.digest(unsealed))


def verify_chain(rows: Iterable[AuditRow], *, keys: AuditKeys, expected: Head | None = None) -> Verdict:
    """Check rows that come in the order of their numbers. ``expected`` is a head that was noted earlier.

    Every fault is named; none found means that the rows are those that were written, up to the head.
    """
    chain = _Chain(keys, expected)
    for row in rows:
        chain.take(row)
    return chain.verdict()


def parse_head(text: str) -> Head:
    """``SEQ:DIGEST`` as a receipt and ``audit verify`` print it. Raises ConfigError."""
    match = re.fullmatch(r"([0-9]{1,18}):([0-9a-fA-F]{64})", text.strip())
    if match is None:
        raise ConfigError("the expected head is not SEQ:DIGEST", hint="`sofetch audit verify` and receipts print it")
    return Head(int(match[1]), bytes.fromhex(match[2]))


def detail_text(detail: object) -> str:
    """The one spelling of a detail, whatever spaces and order of keys a database gave it."""
    return json.dumps(detail, sort_keys=True, separators=(",", ":"))


MOST_MOVES: Final = 200
"""Rows that do not fit are tried at one another's places, each at each: bounded, as it is a square."""


class _Chain:
    """A chain as it is read, row by row."""

    def __init__(self, keys: AuditKeys, expected: Head | None) -> None:
        self._keys = keys
        self._expected = expected
        self._expected_met = expected is None or expected.seq == 0
        self._last = Head()
        self._last_is_sound = True
        self._rows = 0
        self._faults: list[Fault] = []
        self._altered: list[AuditRow] = []

    def take(self, row: AuditRow) -> None:
        self._rows += 1
        gap = row.seq - self._last.seq - 1
        if gap:
            self._fault("removed", self._last.seq + 1, _missing(self._last.seq + 1, row.seq - 1))
        sound = self._is_sealed(row)
        # A false predecessor is told of at its own place; past a gap there is none to compare with.
        if sound and not gap and self._last_is_sound and row.previous != self._last.digest:
            self._fault("unlinked", row.seq, f"row {row.seq} was written after another row {self._last.seq}")
        self._last, self._last_is_sound = row.head, sound
        if self._expected is not None and row.seq == self._expected.seq:
            self._meet(self._expected, row)

    def verdict(self) -> Verdict:
        self._tell_altered()
        if self._expected is not None and not self._expected_met:
            first = min(self._last.seq, self._expected.seq - 1) + 1
            if self._last.seq < self._expected.seq:
                self._fault("truncated", first, _missing(first, self._expected.seq) + ", the end is cut off")
        faults = sorted(self._faults, key=lambda fault: fault.seq)
        return Verdict(rows=self._rows, head=self._last, faults=faults)

    def _is_sealed(self, row: AuditRow) -> bool:
        try:
            right = compare_digest(self._keys.digest(row), row.digest)
        except KeyringError:
            what = f"row {row.seq} cannot be checked: the keyring has no usable key for it"
            self._fault("unverifiable", row.seq, what)
            return False
        if not right:
            self._altered.append(row)
        return right

    def _meet(self, expected: Head, row: AuditRow) -> None:
        self._expected_met = True
        if not compare_digest(row.digest, expected.digest) and all(row.seq != other.seq for other in self._altered):
            self._fault("altered", row.seq, f"row {row.seq} is not the one whose digest was noted")

    def _tell_altered(self) -> None:
        places = [row.seq for row in self._altered[:MOST_MOVES]]
        for row in self._altered:
            home = next((seq for seq in places if seq != row.seq and self._belongs(row, seq)), None)
            if home is not None:
                self._fault("reordered", row.seq, f"row {row.seq} was written as row {home}")
            else:
                self._fault("altered", row.seq, f"row {row.seq} is not as it was written")

    def _belongs(self, row: AuditRow, seq: int) -> bool:
        return compare_digest(self._keys.digest(_with(row, seq=seq)), row.digest)

    def _fault(self, code: FaultCode, seq: int, what: str) -> None:
        self._faults.append(Fault(code=code, seq=seq, what=what))


def _missing(first: int, last: int) -> str:
    return f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"


def _with(row: AuditRow, *, seq: int | None = None, digest: bytes | None = None) -> AuditRow:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    changes = {"seq": row.seq if seq is None else seq, "digest": row.digest if digest is None else digest}
    return AuditRow(**(values | changes))


def _sealed_bytes(row: AuditRow) -> bytes:
    texts = (row.actor, row.action, row.purpose, row.ticket, detail_text(row.detail), row.kid)
    return encode_values((row.seq, row.at, *texts, row.previous))
