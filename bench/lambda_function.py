"""What an invocation of the Lambda function costs: start, first batch, batches of 10 to 10,000 records, memory.

Usage: python bench/lambda_function.py [--package dist/lambda] [--json] [--write] [--records 10 100] [--runs 5]

The handler runs in a process of its own, as Lambda would call it, against an embedded Postgres on the same machine: no
network, no freezer, no Lambda. With ``--package`` it is imported from what `make lambda` built, else from here. Time is
the wall clock of one call of the handler, events made before it; each record is a 200-byte login that is new. What
Lambda would bill is computed from it and is marked so. Fails if the import of the handler takes more than 600 ms, which
each cold start waits for.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from machine import describe_machine
from sofetch.cli.text import table
from sofetch.config import load_config, preset
from sofetch.embedded import start_embedded
from sofetch.load.setup.schema import apply_schema

RESULTS = Path(__file__).parent / "results"
RECORDS = (10, 100, 1_000, 10_000)
MOST_IMPORT_MS = 600
KEYRING = json.dumps(
    {"keys": [{"kid": "k1", "material": base64.b64encode(bytes(range(32))).decode(), "status": "primary"}]}
)

CHILD = """
import hashlib, json, resource, sys, time, uuid
began = time.perf_counter()
from sofetch.lambda_handler import handler
imported = time.perf_counter()

class Context:
    def get_remaining_time_in_millis(self):
        return 900_000

def event(count):
    records = []
    for _ in range(count):
        user = str(uuid.uuid4())
        body = json.dumps({"user_id": user, "app_version": "2.3.0", "device_type": "android", "ip": "199.172.111.135",
                           "locale": "RU", "device_id": user[::-1]})
        records.append({"messageId": user, "receiptHandle": "AQEB" * 45, "body": body, "messageAttributes": {},
                        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))},
                        "md5OfBody": hashlib.md5(body.encode()).hexdigest(), "eventSource": "aws:sqs",
                        "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:logins"})
    return {"Records": records}

def timed(count):
    made = event(count)
    started = time.perf_counter()
    assert handler(made, Context()) == {"batchItemFailures": []}
    return (time.perf_counter() - started) * 1e3

counts, runs = json.loads(sys.argv[1])
found = {"import_ms": (imported - began) * 1e3, "first_ms": timed(10)}
found["warm_ms"] = {count: [timed(count) for _ in range(runs + 1)][1:] for count in counts}
found["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
sys.stderr.write(json.dumps(found) + "\\n")
"""


def measure(environ: dict[str, str], *, folder: str, records: tuple[int, ...], runs: int) -> dict[str, Any]:
    """One process: what it needed to start, and for each size of event the milliseconds of each call."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps([records, runs])],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])
    return found


def measure_all(package: Path | None, *, records: tuple[int, ...], runs: int) -> tuple[dict[str, Any], str]:
    """Medians over processes for the start, over calls for the rest; and the version of Postgres."""
    with tempfile.TemporaryDirectory() as folder, start_embedded(queue=False) as server:
        (Path(folder) / "sofetch.toml").write_text(preset("logins"))
        environ = {"SOFETCH_CONFIG": "sofetch.toml", "SOFETCH_SOURCE_QUEUE": "logins", "SOFETCH_KEYRING": KEYRING}
        environ |= {"SOFETCH_SINK_DSN": server.dsn, "PATH": os.environ["PATH"]}
        if package is not None:
            environ["PYTHONPATH"] = str(package.resolve())
        apply_schema(load_config(Path(folder) / "sofetch.toml", environ=environ), dsn=server.dsn)
        starts = [measure(environ, folder=folder, records=(), runs=0) for _ in range(runs)]
        whole = measure(environ, folder=folder, records=records, runs=runs)
        with psycopg.connect(server.dsn) as connection:
            version = str(connection.info.server_version // 10_000)
    result = {
        "import_ms": _median([it["import_ms"] for it in starts]),
        "first_ms": _median([it["first_ms"] for it in starts]),
        "memory_mb": round(whole["memory_mb"]),
        "warm": [
            {
                "records": int(count),
                "median_ms": _median(times),
                "us_a_record": round(_median(times) * 1e3 / int(count)),
            }
            for count, times in whole["warm_ms"].items()
        ],
    }
    return result, version


def _median(times: list[float]) -> float:
    return round(statistics.median(times), 1)


HEADER = ("records of an event", "ms of the call", "µs a record")


def _cells(result: dict[str, Any]) -> list[tuple[str, ...]]:
    return [(f"{it['records']:,}", f"{it['median_ms']:.1f}", str(it["us_a_record"])) for it in result["warm"]]


def as_markdown(machine: dict[str, str], result: dict[str, Any]) -> str:
    """A page for the results' folder."""
    about = "\n".join(f"* {key}: {value}" for key, value in machine.items())
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in _cells(result))
    return (
        "# What an invocation of the Lambda function costs\n\n"
        "Got from `python bench/lambda_function.py --package dist/lambda --write` after `make lambda`: the handler in\n"
        "a process of its own against an embedded PostgreSQL on the same machine. Not on Lambda. Medians.\n\n"
        f"{about}\n"
        f"* import of the handler: {result['import_ms']:.0f} ms\n"
        f"* first invocation, ten records, connecting included: {result['first_ms']:.0f} ms\n"
        f"* largest resident memory, with the largest event: {result['memory_mb']} MB\n\n"
        f"| {' | '.join(HEADER)} |\n| --: | --: | --: |\n{rows}\n"
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--package", type=Path, help="folder that `make lambda` built")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write bench/results/lambda_function.json and .md too")
    parser.add_argument("--records", type=int, nargs="+", default=RECORDS, help="records of an event")
    parser.add_argument("--runs", type=int, default=5, help="runs that count")
    parser.add_argument("--most-import-ms", type=int, default=MOST_IMPORT_MS, help="what the import may take")
    options = parser.parse_args()
    result, postgres = measure_all(options.package, records=tuple(options.records), runs=options.runs)
    machine = describe_machine("psycopg", "msgspec", "cryptography") | {"postgres": postgres}
    document = json.dumps({"machine": machine, "results": result}, indent=2) + "\n"
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "lambda_function.json").write_text(document)
        (RESULTS / "lambda_function.md").write_text(as_markdown(machine, result))
    sys.stdout.write(document if options.json else "\n".join(table(HEADER, _cells(result))) + "\n")
    if result["import_ms"] > options.most_import_ms:
        sys.exit(f"the import takes {result['import_ms']:.0f} ms; {options.most_import_ms} ms are allowed")


if __name__ == "__main__":
    main()
