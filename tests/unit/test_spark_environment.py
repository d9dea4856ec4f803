"""What the tests of Spark import, against what their environments install: these have less than the tests' own."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PROJECT = TESTS.parent


def imported(module: Path) -> Iterator[str]:
    """What it imports when it is itself imported: not what is for the type checker, nor within functions."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def brought_in() -> dict[str, str]:
    """Top-level packages that are neither ours nor Python's, and a module of the tests that imports each."""
    pending = [TESTS / "conftest.py", *sorted((TESTS / "spark").glob("*.py"))]
    read: set[Path] = set()
    found: dict[str, str] = {}
    while pending:
        module = pending.pop()
        read.add(module)
        for name in imported(module):
            top = name.partition(".")[0]
            ours = [TESTS / f"{name.replace('.', '/')}.py", TESTS / name.replace(".", "/") / "__init__.py"]
            local = [path for path in ours if path.exists()]
            pending += [path for path in local if path not in read]
            if not local and top not in sys.stdlib_module_names and top != "sofetch":
                found[top] = module.name
    return found


@pytest.mark.parametrize("lock", ["spark", "spark35"])
def test_what_the_tests_of_spark_import_is_in_their_environment(lock: str) -> None:
    text = (PROJECT / "requirements" / f"{lock}.txt").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    distributions = packages_distributions()
    missing = {
        top: by
        for top, by in brought_in().items()
        if not {name.lower().replace("_", "-") for name in distributions.get(top, [top])} & locked
    }
    assert missing == {}
    assert {"pyarrow", "pytest"} <= brought_in().keys()
