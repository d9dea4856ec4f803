"""``python -m faults.mutations``: break the code on purpose, and see that the tests notice. See ``make mutations``.

Owns the list of mutations. Each is made in a copy of the source tree, never in the tree itself, and fails loudly if
the code that it breaks is not there any more.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults.report import rewrite_report

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "docs" / "fault-mutations.json"
REPORT = ROOT / "docs" / "fault-campaign.md"
_COPIED = ("src", "tests", "bench", "docs", "examples", "pyproject.toml", "Makefile", "README.md")
CAMPAIGN = "campaign"
"""As a catcher: a short campaign."""

_CAMPAIGN = ("--seed", "20", "--messages", "3000", "--faults", "60")
_LIMIT_SECONDS = 300
_MAIN = "tests/acceptance/test_main_job.py"
_QUEUE = "tests/integration/test_sqs_faults.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """``old`` becomes ``new`` in a file, and each of ``catchers`` must fail: a test's id, or ``CAMPAIGN``."""

    name: str
    file: str
    old: str
    new: str
    catchers: tuple[str, ...]


MUTATIONS = (
    Mutation(
        "acknowledge before the commit",
        "src/sofetch/worker.py",
        '        done = self._outages.outlast(\n            "database",',
        "        self._source.acknowledge(Acknowledgement(delete=tuple(message.id for message in messages)))\n"
        '        done = self._outages.outlast(\n            "database",',
        (CAMPAIGN, "tests/unit/test_worker.py"),
    ),
    Mutation(
        "drop the ledger",
        "src/sofetch/load/postgres.py",
        "        new = [key for key in batch.rows if key in fresh]",
        "        new = list(batch.rows)",
        (CAMPAIGN, f"{_MAIN}::test_messages_delivered_again_are_not_loaded_again"),
    ),
    Mutation(
        "ignore Failed entries",
        "src/sofetch/source/agenda.py",
        "        failed = {failure.position: failure for failure in failures}",
        "        failed: dict[int, EntryFailure] = {}",
        (f"{_QUEUE}::test_deletes_survive[fast-half failed]", "tests/unit/test_source_agenda.py"),
    ),
    Mutation(
        "skip the duplicate check in a batch",
        "src/sofetch/load/batch.py",
        "        rows.setdefault(record.key, record)",
        "        key = record.key if record.key not in rows else record.key[:-2] + len(rows).to_bytes(2, 'big')\n"
        "        rows[key] = record",
        (f"{_MAIN}::test_duplicates_within_and_between_batches_load_once_with_dedupe_by_content",),
    ),
    Mutation(
        "classify disk-full as poison",
        "src/sofetch/load/sqlstate.py",
        '    "54000": Reason.DATABASE_REFUSED_VALUE,',
        '    "53100": Reason.DATABASE_REFUSED_VALUE,\n    "54000": Reason.DATABASE_REFUSED_VALUE,',
        ("tests/faults/test_scenarios.py::test_survives[a full disk]", "tests/unit/test_sqlstate.py"),
    ),
    Mutation(
        "let one value through to a log",
        "src/sofetch/worker.py",
        '        self._counts["received"] += len(messages)',
        '        self._counts["received"] += len(messages)\n'
        '        self._events.emit(told.LibraryWarning(logger=messages[0].body.decode(errors="replace")))',
        (CAMPAIGN, "tests/acceptance/test_leaks.py"),
    ),
    Mutation(
        "quarantine in the clear",
        "src/sofetch/mask/seal.py",
        "            sealed_body=seal_bytes(\n",
        "            sealed_body=(lambda _key, *, plaintext, associated: plaintext)(\n",
        (CAMPAIGN, "tests/acceptance/test_leaks.py"),
    ),
    Mutation(
        "delete what must be tried again",
        "src/sofetch/ack.py",
        "                release.append(outcome.message_id)",
        "                delete.append(outcome.message_id)",
        ("tests/property/test_ack.py",),
    ),
    Mutation(
        "take the ledger's keys unsorted",
        "src/sofetch/load/batch.py",
        "        return sorted([*self.rows, *self.rejections])",
        "        return [*self.rows, *self.rejections]",
        ("tests/integration/test_sink_concurrency.py",),
    ),
    Mutation(
        "keep the old receipt handle of a message that comes twice",
        "src/sofetch/source/registry.py",
        "held.receipt_handle, held.received_at, held.visible_at = raw.receipt_handle, received_at, visible_at",
        "held.received_at, held.visible_at = received_at, visible_at",
        ("tests/unit/test_source_registry.py",),
    ),
    Mutation(
        "never extend visibility",
        "src/sofetch/source/agenda.py",
        "        self._extend_at(held, held.visible_at - self._timeout_seconds / 2)",
        "        return",
        ("tests/unit/test_source_agenda.py",),
    ),
)  # fmt: skip


class MutationError(Exception):
    """A mutation that cannot be made: the code it breaks is not there, or there twice."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Try every mutation; 0 if each was caught by each of its catchers."""
    parser = argparse.ArgumentParser(prog="faults.mutations")
    parser.add_argument("--only", help="those whose name holds this text")
    asked = parser.parse_args(arguments)
    chosen = [mutation for mutation in MUTATIONS if not asked.only or asked.only in mutation.name]
    results: list[dict[str, object]] = []
    missed = 0
    for mutation in chosen:
        caught = caught_by(mutation)
        missed += len(mutation.catchers) - len(caught)
        _say(f"{mutation.name}: {'caught by ' + ', '.join(caught) if caught else 'NOT CAUGHT'}")
        for catcher in set(mutation.catchers) - set(caught):
            _say(f"  MISSED by {catcher}")
        results.append({"name": mutation.name, "file": mutation.file, "caught_by": caught})
    if not asked.only:
        RESULT.write_text(json.dumps(results, indent=2) + "\n")
        rewrite_report(REPORT)
    return 1 if missed else 0


def caught_by(mutation: Mutation) -> list[str]:
    """Those of its catchers that fail on a copy with the mutation, and hold on one without it."""
    with tree() as sound, tree(mutation) as broken:
        return [one for one in mutation.catchers if not _holds(one, broken) and _holds(one, sound)]


@contextmanager
def tree(mutation: Mutation | None = None) -> Iterator[Path]:
    """A copy of the source tree, broken if asked to."""
    with tempfile.TemporaryDirectory(prefix="sofetch-mutation-") as folder:
        copy = Path(folder)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / name)
        if mutation is not None:
            break_file(copy / mutation.file, mutation)
        yield copy


def break_file(file: Path, mutation: Mutation) -> None:
    """Make the mutation. Raises MutationError if the code it breaks is not there exactly once."""
    text = file.read_text() if file.exists() else ""
    if (times := text.count(mutation.old)) != 1:
        raise MutationError(f"{mutation.name}: {mutation.file} holds its text {times} times, not once")
    file.write_text(text.replace(mutation.old, mutation.new))


def _holds(catcher: str, copy: Path) -> bool:
    """Whether a test passes on that copy. One that does not end in time has noticed something, too."""
    if catcher == CAMPAIGN:
        command = [sys.executable, "-m", "faults.campaign", *_CAMPAIGN]
    else:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", catcher]
    environ = os.environ | {"PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in {0, 1}:
        raise MutationError(f"{catcher} could not be run:\n{done.stdout[-2_000:]}{done.stderr[-2_000:]}")
    return done.returncode == 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
