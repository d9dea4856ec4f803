"""The functions that Spark runs on its executors: Arrow batches in, Arrow batches out. The only importer of pyarrow.

Owns nothing but the form. What is pickled and sent to executors is a ``Plan``; secrets are read there, from the
environment of the executor's own process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from sofetch.clock import SystemClock
from sofetch.spark import task
from sofetch.spark.lake import KEY, REFUSED_COLUMNS, lake_columns, mask
from sofetch.spark.plan import Plan, Result, raised
from sofetch.spark.reading import Item, read_rows

RESULT: Final = "result"
"""The one column that loading gives: a row a task, JSON of ``plan.Result``."""


class Loading:
    """Loads a partition; one row, its result."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """As ``mapInArrow`` calls it."""
        yield _row(task.load(_items(batches, self._plan), self._plan, environ=os.environ))


class Checking:
    """Tries keys and databases where tasks will run; one row, what is wrong."""

    def __init__(self, plan: Plan, *, database: bool) -> None:
        self._plan = plan
        self._database = database

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """As ``mapInArrow`` calls it."""
        for _ in batches:
            pass
        work = task.check if self._database else task.check_keys
        yield _row(work(self._plan, environ=os.environ))


class Masking:
    """Masks a partition: rows and quarantine entries together."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """As ``mapInArrow`` calls it."""
        import pyarrow

        masked = mask(_items(batches, self._plan), self._plan, environ=os.environ)
        made = (pyarrow.RecordBatch.from_pydict(cells, schema=_schema(pyarrow, self._plan)) for cells in masked)
        while (batch := _next(made)) is not None:
            yield batch


def _next(made: Iterator[Any]) -> Any:
    """What comes next, None at the end. An error is let out without its text, unless it is ours."""
    found: list[Any] = []

    def work() -> Result:
        found.append(next(made, None))
        return Result()

    failure = task.guarded(work).failure
    if failure is not None:
        raise raised(failure)
    return found[0]


def _items(batches: Iterator[Any], plan: Plan) -> Iterator[Item]:
    queue = plan.load_settings().source.queue.rstrip("/").rpartition("/")[2]
    clock = SystemClock()
    for batch in batches:
        columns = {name: batch.column(at).to_pylist() for at, name in enumerate(batch.schema.names)}
        yield from read_rows(columns, plan, queue=queue, now_ms=clock.now_ms())


def _row(result: Result) -> Any:
    import pyarrow

    return pyarrow.RecordBatch.from_pydict({RESULT: [msgspec.json.encode(result).decode()]})


def _schema(pyarrow: Any, plan: Plan) -> Any:
    made: dict[str, Callable[[], Any]] = {
        "string": pyarrow.string,
        "int": pyarrow.int32,
        "bigint": pyarrow.int64,
        "boolean": pyarrow.bool_,
        "date": pyarrow.date32,
        "binary": pyarrow.binary,
        "timestamp": lambda: pyarrow.timestamp("us", tz="UTC"),
    }
    columns = {KEY: "string", **lake_columns(plan.load_settings()), **REFUSED_COLUMNS}
    return pyarrow.schema([(name, made[kind]()) for name, kind in columns.items()])
