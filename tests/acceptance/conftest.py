"""The world of an acceptance test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from world import World, make_world


@pytest.fixture
def world(tmp_path: Path, database: str, queue_endpoint: str) -> Iterator[World]:
    """A fresh queue, database and configuration, ready to run."""
    made = make_world(folder=tmp_path, dsn=database, endpoint=queue_endpoint)
    yield made
    made.close()
