"""Quarantined messages taken the way of the data again: open → decode → mask → load, after what was wrong is mended.

Owns how a message is made again from what the quarantine keeps of it, and the composition of a replay. It must not show
a body or keep one: an opened body goes into the pipeline's own steps and nowhere else.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from msgspec import Struct

from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError, KeyringError
from sofetch.faults import crash_point
from sofetch.keys import load_keyrings
from sofetch.keys.recovery import load_recovery_public_key
from sofetch.load.batch import Fault
from sofetch.load.dsn import resolve_dsn, resolve_vault_dsn
from sofetch.load.quarantine.replay import HeldEntry, QuarantineReplay, Remade, ReplayedBatch
from sofetch.load.quarantine.selection import Selection
from sofetch.load.vault.store import VaultStore
from sofetch.mask import Keyring, Masker, compile_masker, unseal
from sofetch.pipeline import transform
from sofetch.ports import Vault
from sofetch.record import FIRST_KEY_ATTRIBUTE, Decoded, MaskedRecord, Message, Rejection
from sofetch.settings import Settings
from sofetch.source import open_object_store
from sofetch.unwrapping import Unwrapper, compile_unwrapper


class Replayed(Struct, frozen=True, kw_only=True):
    """What a replay did. ``refused`` counts what still does not fit, ``unopened`` bodies by the kid they need;
    ``remaining`` is what is left of the selection in quarantine, entries held by others or new ones included.
    """

    loaded: int
    duplicates: int
    refused: Mapping[Fault, int]
    unopened: Mapping[str, int]
    remaining: int
    dry_run: bool


def replay(
    settings: Settings,
    selection: Selection,
    *,
    environ: Mapping[str, str] | None = None,
    dry_run: bool = False,
    limit: int | None = None,
    told: Callable[[int], None] | None = None,
) -> Replayed:
    """Load what fits by now. ``told`` is given the number of entries tried, after each commit.

    A message in quarantine is in the table or still in quarantine afterwards, never both and never twice, wherever this
    is killed. Raises ConfigError, KeyringError, SinkRefused or SinkUnavailable.
    """
    require_replayable(settings)
    environ = os.environ if environ is None else environ
    rings, recovery = load_keyrings(settings.keys, environ=environ), load_recovery_public_key(settings.vault)
    masker = compile_masker(settings, rings, recovery=recovery)
    with (
        QuarantineReplay(settings, dsn=resolve_dsn(settings.sink, environ=environ), dry_run=dry_run) as quarantine,
        _vault(settings, environ, dry_run=dry_run) as vault,
        _unwrapper(settings) as unwrap,
    ):
        quarantine.prepare(masker.fingerprints())
        remake = Remaker(settings, masker=masker, keyring=rings.reversible, vault=vault, unwrap=unwrap)
        batches = []
        for batch in quarantine.run(selection, remake, limit=limit):
            crash_point("after_commit")
            batches.append(batch)
            if told is not None:
                told(sum(one.taken for one in batches))
        return _summed(batches, remaining=quarantine.remaining(selection), dry_run=dry_run)


class Remaker:
    """Makes rows of quarantined bodies. ``vault`` is None where no values are kept, or nothing is to be stored;
    ``unwrap`` where a body is the document itself.
    """

    __slots__ = ("_decode", "_keyring", "_masker", "_pipeline", "_queue", "_unwrap", "_vault")

    def __init__(
        self,
        settings: Settings,
        *,
        masker: Masker,
        keyring: Keyring,
        vault: Vault | None,
        unwrap: Unwrapper | None = None,
    ) -> None:
        self._decode: Callable[[Sequence[Message]], Decoded] = compile_decoder(settings)
        self._masker = masker
        self._keyring = keyring
        self._pipeline = settings.pipeline_name
        self._queue = settings.source.queue.rstrip("/").rpartition("/")[2]
        self._vault = vault
        self._unwrap = unwrap

    def __call__(self, held: Sequence[HeldEntry]) -> Remade:
        """Rows and refusals by ledger key; an entry that does not open is in neither. Values are in the vault then."""
        rows: dict[bytes, MaskedRecord] = {}
        refused: dict[bytes, Fault] = {}
        for messages, unopened in self._unwrapped(held):
            remade = self._remade(messages)
            rows |= remade.rows
            refused |= {**remade.refused, **unopened}
        return Remade(rows, refused)

    def _remade(self, messages: Sequence[Message]) -> Remade:
        transformed = transform(messages, decode=self._decode, masker=self._masker, systematic=None)
        masked, refused = transformed.masked, _faults(transformed.rejections)
        fit = [key for record in transformed.decoded if (key := _first_key(record.message)) not in refused]
        crash_point("after_mask")
        if self._vault is not None and masked.vaulted is not None:
            self._vault.store(masked.vaulted)  # before the rows, as the pipeline does
            crash_point("after_vault")
        return Remade(dict(zip(fit, masked.records, strict=True)), refused)

    def _unwrapped(self, held: Sequence[HeldEntry]) -> Iterator[tuple[Sequence[Message], dict[bytes, Fault]]]:
        """The documents of the entries, and by key why there is none. What names objects of many records is no row and
        stays as it is: its event has to be sent again.
        """
        messages = [message for one in held if (message := self._opened(one)) is not None]
        if self._unwrap is None:
            yield messages, {}
            return
        wholes = {_first_key(message) for message in messages if self._unwrap.is_whole(message)}
        yield [], {one.key: one.fault for one in held if one.key in wholes}
        for opened in self._unwrap([message for message in messages if _first_key(message) not in wholes]):
            yield opened.messages, _faults(opened.rejections)

    def _opened(self, held: HeldEntry) -> Message | None:
        try:
            body = unseal(held.sealed_body, key=held.key, kid=held.kid, pipeline=self._pipeline, keyring=self._keyring)
        except KeyringError:
            return None
        return message_of(held, body, queue=self._queue)


def message_of(held: HeldEntry, body: bytes, *, queue: str) -> Message:
    """The message as it first came. Its ledger key is that of then, in the attribute by which a redrive keeps it too.

    The time of receipt is that of the first refusal; group and attributes are not kept (``require_replayable``).
    """
    return Message(
        id=held.message_id,
        body=body,
        queue=queue,
        sent_ms=held.sent_ms,
        received_ms=held.first_seen_ms,
        receive_count=held.receive_count,
        attributes={FIRST_KEY_ATTRIBUTE: held.key.hex()},
    )


def require_replayable(settings: Settings) -> None:
    """ConfigError if a column needs what the quarantine does not keep: a message attribute, or the message's group."""
    in_envelope = not {"sns", "eventbridge"}.isdisjoint(settings.unwrap.layers)
    lost = [column.name for column in settings.column if _is_lost(column.value, in_envelope=in_envelope)]
    if lost:
        raise ConfigError(
            f"a replay cannot fill {', '.join(lost)}: quarantine keeps no message attributes and no group",
            hint="a row that differs from what the first delivery would have given is not loaded; send the messages "
            "again, or replay with a configuration that does without these columns",
        )


def _is_lost(value: str | None, *, in_envelope: bool) -> bool:
    """Attributes that came in an envelope are in the body that is kept."""
    return value == "group_id" or (not in_envelope and (value or "").startswith("attribute:"))


def _faults(rejections: Sequence[Rejection]) -> dict[bytes, Fault]:
    return {_first_key(one.message): Fault(one.reason, one.field) for one in rejections}


def _first_key(message: Message) -> bytes:
    return bytes.fromhex(message.attributes[FIRST_KEY_ATTRIBUTE])


@contextmanager
def _unwrapper(settings: Settings) -> Iterator[Unwrapper | None]:
    unwrapper = compile_unwrapper(settings, open_store=open_object_store)
    try:
        yield unwrapper
    finally:
        if unwrapper is not None:
            unwrapper.close()


@contextmanager
def _vault(settings: Settings, environ: Mapping[str, str], *, dry_run: bool) -> Iterator[VaultStore | None]:
    if not settings.keeps_values or dry_run:
        yield None
        return
    store = VaultStore(resolve_vault_dsn(settings, environ=environ), limits=settings.sink)
    try:
        store.prepare()
        yield store
    finally:
        store.close()


def _summed(batches: Sequence[ReplayedBatch], *, remaining: int, dry_run: bool) -> Replayed:
    return Replayed(
        loaded=sum(batch.loaded for batch in batches),
        duplicates=sum(batch.duplicates for batch in batches),
        refused=Counter(fault for batch in batches for fault in batch.refused),
        unopened=Counter(kid for batch in batches for kid in batch.unopened),
        remaining=remaining,
        dry_run=dry_run,
    )
