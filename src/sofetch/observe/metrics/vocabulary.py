"""The closed vocabulary of metrics: every one there is, of which kind, with which label, and what it means.

Owns the list. A label holds a name of the configuration, a code or a number of a process, never anything of a message.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from sofetch import __version__
from sofetch.breaker import DEPENDENCIES
from sofetch.record import DriftKind, Reason

Kind = Literal["counter", "gauge", "histogram"]


class Metric(Struct, frozen=True):
    """One metric of the vocabulary. ``label`` is its only label; ``values`` are what it may hold where that is known
    beforehand: they are shown as 0 from the start, so that a rate sees the first rise.
    """

    name: str
    kind: Kind
    about: str
    label: str | None = None
    values: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MESSAGES = (1, 10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000)
_REASONS = tuple(reason.value for reason in Reason)
_DRIFTS = tuple(kind.value for kind in DriftKind)
_CALLS = ("receive", "delete", "change_visibility")

METRICS: tuple[Metric, ...] = (
    Metric("sofetch_messages_received_total", "counter", "Messages of batches that are done."),
    Metric("sofetch_rows_loaded_total", "counter", "Rows committed to the table."),
    Metric("sofetch_duplicates_total", "counter", "Messages that the ledger had already; they are deleted."),
    Metric("sofetch_quarantined_total", "counter", "Messages committed to quarantine.", "reason", _REASONS),
    Metric("sofetch_released_total", "counter", "Messages given back to the queue by a batch, to be tried again."),
    Metric("sofetch_body_bytes_total", "counter", "Body bytes of batches that are done."),
    Metric("sofetch_batches_total", "counter", "Batches committed."),
    Metric(
        "sofetch_batch_seconds", "histogram", "From taking a batch to its commit, outages included.", bounds=_SECONDS
    ),
    Metric("sofetch_batch_messages", "histogram", "Messages in a batch.", bounds=_MESSAGES),
    Metric("sofetch_last_commit_timestamp_seconds", "gauge", "When a batch was last committed; 0 before the first."),
    Metric(
        "sofetch_oldest_message_age_seconds",
        "gauge",
        "Age of the oldest message at hand, growing until it is done; 0 while none comes, left out while nobody knows.",
    ),
    Metric("sofetch_queue_calls_total", "counter", "Calls to the queue, failed ones included.", "call", _CALLS),
    Metric("sofetch_empty_receives_total", "counter", "Receive calls that brought nothing."),
    Metric("sofetch_billed_requests_total", "counter", "What the calls are billed as: one more each 64 KiB."),
    Metric("sofetch_held_messages", "gauge", "Messages received and not yet deleted or given back."),
    Metric("sofetch_held_bytes", "gauge", "Their body bytes."),
    Metric("sofetch_breaker_open", "gauge", "Workers whose breaker is not closed.", "dependency", DEPENDENCIES),
    Metric("sofetch_outages_total", "counter", "Outages that began.", "dependency", DEPENDENCIES),
    Metric("sofetch_outage_attempts_total", "counter", "Attempts that failed in them.", "dependency", DEPENDENCIES),
    Metric("sofetch_damaged_messages_total", "counter", "Messages whose body is not what was sent; they come again."),
    Metric("sofetch_not_of_kind_total", "counter", "Personal values that are not of their column's kind.", "column"),
    Metric("sofetch_drifted_total", "counter", "Messages not as the configuration expects them.", "kind", _DRIFTS),
    Metric("sofetch_maintenance_failures_total", "counter", "Times that partitions could not be kept."),
    Metric(
        "sofetch_partitions_end_timestamp_seconds",
        "gauge",
        "Until when there are partitions, as last looked up; 0 where nobody looks.",
    ),
    Metric("sofetch_unexpected_errors_total", "counter", "Faults of the program."),
    Metric("sofetch_process_restarts_total", "counter", "Workers that a supervisor started again."),
    Metric("sofetch_workers", "gauge", "Workers that run."),
    Metric("sofetch_worker_resident_memory_bytes", "gauge", "Memory of a worker's process.", "process"),
    Metric("sofetch_worker_cpu_seconds_total", "counter", "CPU time of a worker's process.", "process"),
    Metric("sofetch_build_info", "gauge", "1, with the version.", "version", (__version__,)),
    Metric("process_resident_memory_bytes", "gauge", "Memory of the answering process."),
    Metric("process_cpu_seconds_total", "counter", "CPU time of the answering process."),
    Metric("process_open_fds", "gauge", "Its open files and connections."),
    Metric("process_max_fds", "gauge", "How many it may have."),
    Metric("process_start_time_seconds", "gauge", "When it was started, since the epoch."),
)
"""All there are, in the order in which they are shown."""


class Distribution(Struct, frozen=True):
    """A histogram: how many values fell to each bound or below (the last: all), and their sum."""

    cumulative: tuple[int, ...]
    total: float


Sample = tuple[str, str, float | Distribution]
"""A metric's name, its label's value ("" if it has none), and how it stands."""
