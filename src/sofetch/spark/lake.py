"""Masked rows for a lake: what a partition's items become, in cells that a Parquet file takes.

Owns the columns of the two outputs and how a cell is written. No ledger is asked: each row carries its ledger key, by
which the job drops what is there twice. Only masked values and sealed bodies are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final

from sofetch.clock import SystemClock
from sofetch.columns import produced
from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError
from sofetch.keys import load_keyrings
from sofetch.mask import Masker, compile_masker
from sofetch.pipeline import transform
from sofetch.record import MaskedRecord, Opened, SealedRejection
from sofetch.settings import ColumnType, Settings
from sofetch.source import open_object_store
from sofetch.spark.batches import Batch, Gatherer
from sofetch.spark.plan import Plan
from sofetch.spark.reading import Item
from sofetch.unwrapping import Unwrapper, compile_unwrapper

KEY: Final = "sofetch_key"
REASON: Final = "sofetch_reason"
REFUSED_COLUMNS: Final = {
    REASON: "string",
    "sofetch_field": "string",
    "sofetch_sent_ms": "bigint",
    "sofetch_receive_count": "bigint",
    "sofetch_kid": "string",
    "sofetch_sealed_body": "binary",
}
"""What an entry of the quarantine has beside its key, by name and Spark's type; null in rows."""

_TYPES: Final[dict[ColumnType, str]] = {
    "int": "int",
    "version_int": "int",
    "bigint": "bigint",
    "bool": "boolean",
    "timestamp": "timestamp",
    "date": "date",
}

Cells = dict[str, list[Any]]


def lake_columns(settings: Settings) -> dict[str, str]:
    """Name and Spark type of every column of a row. What Spark has no type for is text: numeric, uuid, inet, jsonb."""
    return {column.name: _TYPES.get(produced(column).type, "string") for column in settings.column}


def require_lake(settings: Settings) -> None:
    """ConfigError where this configuration needs more than files."""
    if settings.keeps_values:
        raise ConfigError(
            "a vault is kept in Postgres, and the output is Parquet",
            hint="load with --to postgres, or drop `vault` from the columns for this job",
        )
    taken = sorted({KEY, *REFUSED_COLUMNS} & {column.name for column in settings.column})
    if taken:
        raise ConfigError(f"column `{taken[0]}` has a name that the output needs", hint="give it another name")


def mask(items: Iterable[Item], plan: Plan, *, environ: Mapping[str, str]) -> Iterator[Cells]:
    """Rows and quarantine entries, some at a time, as columns. Raises KeyringError, ConfigError, and what S3 raises."""
    settings = plan.load_settings()
    rings = load_keyrings(settings.keys, environ=environ)
    masker, decode = compile_masker(settings, rings), compile_decoder(settings)
    gatherer = Gatherer(settings, plan, keyring=rings.tokens, now_ms=SystemClock().now_ms())
    with ExitStack() as opened:
        unwrap = compile_unwrapper(settings, open_store=open_object_store)
        if unwrap is not None:
            opened.callback(unwrap.close)
        for batch in gatherer.batches(items):
            for part in _unwrapped(batch, unwrap):
                done = transform(part.messages, decode=decode, masker=masker)
                yield _cells(settings, masker, done.masked.records, [*part.rejections, *done.rejections])


def _unwrapped(batch: Batch, unwrap: Unwrapper | None) -> Iterator[Opened]:
    if unwrap is None:
        yield Opened(messages=batch.messages, rejections=batch.rejections)
        return
    yield Opened(messages=[], rejections=batch.rejections)
    yield from unwrap(batch.messages)


def _cells(settings: Settings, masker: Masker, records: Sequence[MaskedRecord], rejections: Sequence[Any]) -> Cells:
    sealed = masker.seal(rejections)
    names = [column.name for column in settings.column]
    columns: Cells = {KEY: [one.key.hex() for one in records] + [one.key.hex() for one in sealed]}
    types = lake_columns(settings)
    for at, name in enumerate(names):
        write = str if types[name] == "string" else _as_it_is
        cells = [_written(record.values[at], write) for record in records]
        columns[name] = cells + [None] * len(sealed)
    entries = [_entry(one) for one in sealed]
    for at, name in enumerate(REFUSED_COLUMNS):
        columns[name] = [None] * len(records) + [entry[at] for entry in entries]
    return columns


def _entry(one: SealedRejection) -> tuple[Any, ...]:
    return one.reason.value, one.field, one.sent_ms, one.receive_count, one.kid, one.sealed_body


def _written(cell: Any, write: Any) -> Any:
    if cell is None:
        return None
    return cell.decode() if isinstance(cell, bytes) else write(cell)


def _as_it_is(cell: Any) -> Any:
    return cell
