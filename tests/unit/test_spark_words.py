"""What a task on an executor prints: nothing of what libraries say of an error."""

from __future__ import annotations

import subprocess
import sys

CANARY = "kanarie-6301"
TASK = f"""
import logging
from sofetch.spark import task
from sofetch.spark.plan import Result

def work():
    logging.getLogger("psycopg").warning("error ignored: %s", ValueError("{CANARY}"))
    logging.getLogger("botocore.credentials").error("{CANARY}")
    logging.getLogger("another").warning("is left alone")
    raise ValueError("{CANARY}")

try:
    task.guarded(work)
except Exception as error:
    print(error, error.__cause__, error.__context__)
"""


def test_a_task_prints_neither_what_an_error_says_nor_what_a_library_says_of_one() -> None:
    done = subprocess.run([sys.executable, "-c", TASK], capture_output=True, text=True, check=True)
    assert CANARY not in done.stdout + done.stderr
    assert done.stdout.startswith("unexpected ValueError at ")
    assert done.stderr == "is left alone\n"


LOAD = f"""
from sofetch.spark import task
from sofetch.spark.plan import Plan

def rows():
    raise ValueError("{CANARY}")
    yield

try:
    task.load(rows(), Plan(settings=b"{{}}", input="parquet", has_ids=True), environ={{}})
except Exception as error:
    print(error, error.__cause__, error.__context__)
"""


def test_what_breaks_while_the_first_rows_are_read_is_told_without_its_text() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert CANARY not in done.stdout + done.stderr
    assert done.stdout.startswith("unexpected ValueError at ")
