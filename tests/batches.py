"""Batches that are done, as workers tell of them."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from sofetch.events import BatchDone


def batch_done(loaded: int, *, pipeline: str | UnsetType = UNSET) -> BatchDone:
    """All of its messages became rows."""
    return BatchDone(
        pipeline=pipeline,
        messages=loaded,
        loaded=loaded,
        duplicates=0,
        quarantined=0,
        retried=0,
        body_bytes=1,
        milliseconds=1,
        oldest_age_ms=None,
    )
