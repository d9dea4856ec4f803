"""A primary lost with its last WAL: base backup, archived WAL and the archive of messages give every row back."""

from __future__ import annotations

import pytest

from faults.failover import missing_binary
from faults.restore import recover

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing_binary()), reason=f"the embedded Postgres ships no {missing_binary()}"),
]


def test_what_no_wal_has_is_found_missing_and_comes_back_from_the_archive_with_the_same_tokens() -> None:
    done = recover(batches=2, batch=50)
    assert (done.acknowledged, done.in_base_backup, done.restored) == (300, 100, 200)
    assert (done.missing, done.replayed, done.left) == (100, 100, 0)
    assert done.same_rows
