"""The parts of the pipeline, each alone: source, decode, mask, sink; and the sink against a plain COPY.

Usage: python bench/parts.py [--json] [--messages 60000] [--runs 5]

Runs in one process that does nothing else. CPU time is this process's, all its threads; the first run of each part
warms up and does not count. The sink and the plain COPY take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

from bodies import login_messages
from machine import describe_machine
from meter import tree_cpu_seconds
from rig import AWS, TABLE, Database, Place, Postgres, QueueServer, place, postgres
from sofetch.ack import Acknowledgement
from sofetch.cli.text import table
from sofetch.clock import SystemClock
from sofetch.config import load_config
from sofetch.decode import compile_decoder
from sofetch.load.postgres import PostgresSink
from sofetch.mask import compile_masker, parse_keyring
from sofetch.record import MaskedRecord
from sofetch.source import open_source
from spread import Spread, spread

_T = TypeVar("_T")
BATCH_MESSAGES = 1_000
SINK_BATCHES = (100, 1_000, 5_000, 20_000)


@dataclass(frozen=True)
class Part:
    """One part, measured. Microseconds are CPU time for one message; ``per_second`` is by the wall clock.

    ``postgres_us`` is the CPU time of all of Postgres' processes, ``server_us`` of the queue server.
    """

    part: str
    batch: int
    messages: int
    us: Spread
    per_second: Spread
    postgres_us: Spread | None = None
    server_us: Spread | None = None
    wal_bytes: Spread | None = None
    calls_per_1000: float | None = None


@dataclass(frozen=True)
class Taken:
    """What one run took, of which ``messages`` were the work."""

    messages: int
    wall: float
    cpu: float
    server_cpu: float = 0.0
    wal: int = 0

    @property
    def us(self) -> float:
        """CPU microseconds a message."""
        return self.cpu / self.messages * 1e6

    @property
    def server_us(self) -> float:
        """The server's CPU microseconds a message."""
        return self.server_cpu / self.messages * 1e6

    @property
    def per_second(self) -> float:
        """Messages a second by the wall clock."""
        return self.messages / self.wall


def timed(work: Callable[[], object], *, messages: int) -> Taken:
    """Do the work once and take its time."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Taken(messages, time.perf_counter() - wall, time.process_time() - cpu)


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """Batches of that size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def core_parts(home: Place, *, messages: int, runs: int) -> list[Part]:
    """Decode and mask, in batches as a worker has them."""
    settings = home.settings()
    decode, masker = compile_decoder(settings), compile_masker(settings, parse_keyring(home.keyring))
    batches = list(chunks(login_messages(messages), BATCH_MESSAGES))
    decoded = [decode(batch).records for batch in batches]
    gc.collect()
    gc.freeze()

    def run(step: Callable[..., object], inputs: Sequence[object]) -> Taken:
        return timed(lambda: [step(one) and None for one in inputs], messages=messages)

    works = {
        "decode": lambda: run(decode, batches),
        "mask (two tokens, ledger key)": lambda: run(masker.mask, decoded),
    }
    parts = [_part(name, BATCH_MESSAGES, _runs(work, runs)) for name, work in works.items()]
    gc.unfreeze()
    return parts


def masked_records(home: Place, messages: int) -> list[MaskedRecord]:
    """Rows as the masker gives them."""
    settings = home.settings()
    decoder, masker = compile_decoder(settings), compile_masker(settings, parse_keyring(home.keyring))
    return masker.mask(decoder(login_messages(messages)).records).records


def sink_parts(home: Place, server: Postgres, *, messages: int, runs: int, batches: Sequence[int]) -> list[Part]:
    """The sink at each batch size, and in turn with it a plain COPY of the same rows."""
    parts = []
    for batch in batches:
        count = max(messages, batch)
        records = masked_records(home, count)
        gc.collect()
        gc.freeze()
        taken: dict[str, list[Taken]] = {"sink": [], "plain COPY": []}
        for _ in range(runs + 1):
            for name, load in (("sink", _load_by_sink), ("plain COPY", _load_plainly)):
                with server.fresh_database(home.settings()) as database:
                    taken[name].append(load(home, server, database, list(chunks(records, batch))))
                    require(database.rows() == count, f"{name} loaded {database.rows()} of {count}")
        gc.unfreeze()
        parts += [_part(name, batch, counted[1:], database=True) for name, counted in taken.items()]
    return parts


def _load_by_sink(home: Place, server: Postgres, database: Database, batches: list[Sequence[MaskedRecord]]) -> Taken:
    settings = home.settings()
    sink = PostgresSink(settings, dsn=database.dsn)
    sink.prepare(compile_masker(settings, parse_keyring(home.keyring)).fingerprints())
    try:
        return _watched(server, database, batches, lambda batch: sink.load(batch, []))
    finally:
        sink.close()


def _load_plainly(home: Place, server: Postgres, database: Database, batches: list[Sequence[MaskedRecord]]) -> Taken:
    """What psycopg's own documentation shows: binary COPY, rows as tuples, a transaction a batch, no ledger."""
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in home.settings().column)
    copy_rows = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(TABLE), columns)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        types = _column_types(connection, [column.name for column in home.settings().column])

        def load(batch: Sequence[MaskedRecord]) -> None:
            with connection.transaction(), connection.cursor() as cursor, cursor.copy(copy_rows) as copy:
                copy.set_types(types)
                for record in batch:
                    copy.write_row(record.values)

        return _watched(server, database, batches, load)


def _column_types(connection: psycopg.Connection[object], names: Sequence[str]) -> list[int]:
    query = "SELECT attname, atttypid FROM pg_attribute WHERE attrelid = %s::regclass"
    types = dict(connection.execute(query, [TABLE]).fetchall())  # type: ignore[arg-type]  # rows of two
    return [types[name] for name in names]


def _watched(
    server: Postgres,
    database: Database,
    batches: list[Sequence[MaskedRecord]],
    load: Callable[[Sequence[MaskedRecord]], object],
) -> Taken:
    wal, server_cpu = database.wal_bytes(), tree_cpu_seconds(server.pid)
    taken = timed(lambda: [load(batch) and None for batch in batches], messages=sum(map(len, batches)))
    server_cpu, wal = tree_cpu_seconds(server.pid) - server_cpu, database.wal_bytes() - wal
    return Taken(taken.messages, taken.wall, taken.cpu, server_cpu, wal)


def source_part(
    home: Place,
    queue: Callable[[], AbstractContextManager[QueueServer]],
    *,
    transport: str,
    messages: int,
    runs: int,
    overrides: dict[str, str],
) -> Part:
    """Receive everything and have it deleted, with nothing in between. ``queue`` gives a full queue, anew each run."""
    os.environ.update(AWS)
    taken: list[Taken] = []
    calls = None
    for _ in range(runs + 1):
        with queue() as server:
            before = tree_cpu_seconds(server.pid)
            one = _receive_all(home, server, messages=messages, overrides=overrides)
            taken.append(Taken(one.messages, one.wall, one.cpu, tree_cpu_seconds(server.pid) - before))
            calls = server.calls()
    return _part(f"source, {transport}", BATCH_MESSAGES, taken[1:], calls=calls and sum(calls.values()))


def _receive_all(home: Place, server: QueueServer, *, messages: int, overrides: dict[str, str]) -> Taken:
    environ = {"SOFETCH_SOURCE_ENDPOINT": server.endpoint, "SOFETCH_SOURCE_WAIT_SECONDS": "1", **overrides}
    source = open_source(load_config(home.folder / "sofetch.toml", environ=environ).source, clock=SystemClock())

    def receive() -> None:
        received = 0
        while received < messages:
            batch = source.receive(max_messages=BATCH_MESSAGES, max_bytes=4 << 20, wait_seconds=0.25)
            require(bool(batch) or not source.drained(), f"the queue ended after {received} of {messages}")
            received += len(batch)
            source.acknowledge(Acknowledgement(delete=tuple(message.id for message in batch)))
        require(source.flush(timeout_seconds=60), "deletes were not answered")

    try:
        return timed(receive, messages=messages)
    finally:
        source.close(grace_seconds=5)


def _runs(work: Callable[[], Taken], runs: int) -> list[Taken]:
    return [work() for _ in range(runs + 1)][1:]


def _part(name: str, batch: int, taken: Sequence[Taken], *, database: bool = False, calls: int | None = None) -> Part:
    messages = taken[0].messages
    server_us = spread([it.server_us for it in taken]) if any(it.server_cpu for it in taken) else None
    return Part(
        part=name,
        batch=batch,
        messages=messages,
        us=spread([it.us for it in taken]),
        per_second=spread([it.per_second for it in taken]),
        postgres_us=server_us if database else None,
        server_us=None if database else server_us,
        wal_bytes=spread([it.wal / messages for it in taken]) if database else None,
        calls_per_1000=None if calls is None else round(calls / messages * 1000, 1),
    )


def require(held: bool, what: str) -> None:
    """A figure of work that was not done is worse than none."""
    if not held:
        raise RuntimeError(what)


def as_table(parts: Sequence[Part]) -> list[str]:
    """Lines for a terminal."""
    rows = [
        (
            it.part,
            f"{it.batch:,}",
            f"{it.us.median:.2f}",
            f"{it.us.least:.2f}-{it.us.most:.2f}",
            f"{it.per_second.median:,.0f}",
            "" if it.postgres_us is None else f"{it.postgres_us.median:.1f}",
            "" if it.wal_bytes is None else f"{it.wal_bytes.median:.0f}",
        )
        for it in parts
    ]
    return table(("part", "batch", "µs", "spread", "per second", "Postgres µs", "WAL bytes"), rows)


def main() -> None:
    """Measure decode, mask and sink, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--messages", type=int, default=60_000, help="messages of each run")
    parser.add_argument("--runs", type=int, default=5, help="runs that count")
    options = parser.parse_args()
    with place() as home, postgres() as server:
        parts = core_parts(home, messages=options.messages, runs=options.runs)
        parts += sink_parts(home, server, messages=options.messages, runs=options.runs, batches=SINK_BATCHES)
    machine = describe_machine("psycopg", "cryptography") | {"postgres": server.version}
    document = json.dumps({"machine": machine, "results": [asdict(it) for it in parts]}, indent=2) + "\n"
    sys.stdout.write(document if options.json else "\n".join(as_table(parts)) + "\n")


if __name__ == "__main__":
    main()
