"""The job on ``local[2]``: every input, both outputs, and what is shown of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from archived import CANARY, DAMAGED, Archive, make_job
from canaries import canaries_in
from keyrings import KEYRING
from sofetch.decode import compile_decoder
from sofetch.mask import compile_masker, parse_keyring
from sofetch.record import Cell, Message
from spark.cluster import run_job

LOCAL = ("--master", "local[2]", "--json")


@pytest.fixture(scope="module")
def archive() -> Archive:
    return Archive(1_000)


def live_rows(archive: Archive, job_settings: object) -> list[tuple[Cell, ...]]:
    """What a worker makes of the same messages."""
    settings: Any = job_settings
    messages = [
        Message(id=id_, body=body.encode(), queue="q", sent_ms=archive.sent_ms, received_ms=archive.sent_ms)
        for id_, body in zip(archive.ids, archive.bodies, strict=True)
    ]
    decoded = compile_decoder(settings)(messages)
    return [one.values for one in compile_masker(settings, parse_keyring(KEYRING)).mask(decoded.records).records]


def shown(folder: Path, *outputs: str) -> bytes:
    """Everything that Spark wrote of a job: printed, and in its event log."""
    logs = [path.read_bytes() for path in (folder / "events").rglob("*") if path.is_file()]
    assert any(b"SparkListenerTaskEnd" in log for log in logs)
    return b"".join([*logs, *(output.encode() for output in outputs)])


def test_envelopes_become_the_rows_of_the_live_path_once_and_show_nothing(
    archive: Archive, tmp_path: Path, database: str
) -> None:
    job = make_job(tmp_path, database)
    lines = archive.envelopes()
    (tmp_path / "input").mkdir()
    (tmp_path / "input/a.jsonl.gz").write_bytes(gzip.compress(b"\n".join([*lines[:400], *DAMAGED])))
    (tmp_path / "input/b.jsonl").write_bytes(b"\r\n".join(lines[300:]))

    done = run_job(job, "--input", "input", "--input-format", "envelopes", *LOCAL)

    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["read"], counts["loaded"], counts["quarantined"]) == (1_102, 990, 11 + 2)
    assert counts["reasons"] == {"missing_field": 11, "not_an_envelope": 2}  # one of them is in both files
    assert sorted(map(str, job.rows())) == sorted(map(str, live_rows(archive, job.settings)))

    again = run_job(job, "--input", "input", "--input-format", "envelopes", *LOCAL)
    assert json.loads(again.stdout)["loaded"] == 0
    assert job.count("sofetch.quarantine") == 12
    printed = shown(tmp_path, done.stdout, done.stderr, again.stderr)
    assert canaries_in(printed, archive.personal()) == []
    assert KEYRING.encode() not in printed
    assert database.encode() not in printed


def test_parquet_becomes_masked_parquet_with_a_quarantine_beside_it(
    archive: Archive, tmp_path: Path, database: str
) -> None:
    job = make_job(tmp_path, database)
    twice = {"id": archive.ids * 2, "at": [archive.sent_ms] * 2_000, "body": archive.bodies * 2}
    columns = pyarrow.table(twice).set_column(1, "at", pyarrow.array(twice["at"], pyarrow.timestamp("ms", tz="UTC")))
    pyarrow.parquet.write_table(columns, tmp_path / "in.parquet")

    arguments = ("--input", "in.parquet", "--input-format", "parquet", "--sent-column", "at", "--to", "parquet")
    done = run_job(job, *arguments, "--output", "lake", *LOCAL)

    assert done.returncode == 0, done.stderr
    rows = pyarrow.parquet.read_table(tmp_path / "lake/rows").drop_columns(["sofetch_key"]).to_pylist()
    assert sorted(str(tuple(row.values())) for row in rows) == sorted(map(str, live_rows(archive, job.settings)))
    refused = pyarrow.parquet.read_table(tmp_path / "lake/quarantine")
    assert refused["sofetch_reason"].to_pylist() == ["missing_field"] * 10
    written = b"".join(path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file())
    assert canaries_in(written + shown(tmp_path, done.stderr), archive.personal()) == []


def test_bodies_alone_go_by_content(archive: Archive, tmp_path: Path, database: str) -> None:
    job = make_job(tmp_path, database)
    (tmp_path / "in.jsonl").write_text("\n".join([*archive.bodies[:90], archive.bodies[0]]))

    refused = run_job(job, "--input", "in.jsonl", *LOCAL)
    assert refused.returncode == 2
    assert "SOFETCH_SINK_DEDUPE=content" in refused.stderr

    done = run_job(
        job, "--input", "in.jsonl", "--sent-at", "2026-11-01", *LOCAL, environ={"SOFETCH_SINK_DEDUPE": "content"}
    )
    unlike = len(set(archive.bodies[:90]))
    assert json.loads(done.stdout)["duplicates"] == 91 - unlike
    assert job.count("user_logins") == unlike


def test_an_error_in_a_task_is_told_without_a_stack_and_without_a_value(tmp_path: Path, database: str) -> None:
    job = make_job(tmp_path, database)
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(DAMAGED))

    for broken in ({"SOFETCH_KEYRING_FILE": "/nowhere"}, {"SOFETCH_SINK_DSN": "not a dsn"}):
        done = run_job(job, "--input", "in.jsonl", "--input-format", "envelopes", *LOCAL, environ=broken)
        assert done.returncode in {2, 4}, done.stderr
        assert "Traceback" not in done.stderr
        assert CANARY not in done.stderr


def test_a_secret_in_sparks_configuration_is_refused(tmp_path: Path, database: str) -> None:
    job = make_job(tmp_path, database)
    submitted = {
        "PYSPARK_SUBMIT_ARGS": "--conf spark.executorEnv.SOFETCH_SINK_DSN=postgresql://a:secret@b/c pyspark-shell"
    }
    done = run_job(job, "--input", "in.jsonl", "--input-format", "envelopes", *LOCAL, environ=submitted)
    assert done.returncode == 2
    assert "spark.executorEnv.SOFETCH_SINK_DSN" in done.stderr
    assert "secret@" not in done.stderr
