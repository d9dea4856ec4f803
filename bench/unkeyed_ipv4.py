"""How long an unkeyed SHA-256 of an IPv4 address hides it from one processor core.

Usage: python bench/unkeyed_ipv4.py [--sample 67108864] [--whole] [--json] [--write]

Hashes the text of an address, as an unkeyed "mask" would, and finds the address again by trying all of a sample (or,
with --whole, all 2³²). From a sample the time for all is extrapolated, and the result says so. The search is
unkeyed_ipv4.c, compiled with the system's C compiler: plain C, no library, no graphics card.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from machine import describe_machine

ALL = 2**32
HERE = Path(__file__).parent
RESULTS = HERE / "results"


def compile_search(folder: Path) -> Path:
    """The search as a program in that folder."""
    program = folder / "unkeyed_ipv4"
    compiler = os.environ.get("CC", "cc")
    try:
        command = [compiler, "-O3", "-march=native", "-o", str(program), str(HERE / "unkeyed_ipv4.c")]
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError):
        sys.exit(f"{compiler} could not compile the search; install a C compiler, or name one in CC")
    return program


def search(program: Path, wanted: str, *, first: int, count: int) -> tuple[str, float]:
    """The address that was found, and the CPU seconds that it took."""
    before = os.times()
    done = subprocess.run([program, wanted, str(first), str(count)], check=True, capture_output=True, text=True)
    after = os.times()
    return done.stdout.strip(), after.children_user - before.children_user


def measure(sample: int) -> dict[str, Any]:
    """Search the sample to its end, where the address is put: the worst case."""
    first = 0 if sample == ALL else secrets.randbelow(ALL - sample)
    address = str(IPv4Address(first + sample - 1))
    with tempfile.TemporaryDirectory() as folder:
        program = compile_search(Path(folder))
        wanted = hashlib.sha256(address.encode()).hexdigest()
        found, seconds = search(program, wanted, first=first, count=sample)
    if found != address:
        sys.exit("the search did not find the address: it is broken")
    rate = sample / seconds
    return {
        "tried": sample,
        "cpu_seconds": round(seconds, 2),
        "million_hashes_per_second": round(rate / 1e6, 1),
        "minutes_for_all_addresses": round(ALL / rate / 60, 1),
        "extrapolated": sample != ALL,
    }


def in_words(result: dict[str, Any]) -> str:
    """What a sentence of the documentation may say."""
    how = "extrapolated from that sample" if result["extrapolated"] else "measured, not extrapolated"
    return (
        f"found the address among {result['tried']:,} by trying them all in {result['cpu_seconds']} s of one core, "
        f"{result['million_hashes_per_second']} million hashes a second.\n"
        f"All {ALL:,} IPv4 addresses: {result['minutes_for_all_addresses']} minutes at most ({how}), "
        "once for all rows of all tables.\n"
    )


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sample", type=int, default=2**26, help="addresses to try")
    parser.add_argument("--whole", action="store_true", help="try all 2³² addresses")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", action="store_true", help="write bench/results/unkeyed_ipv4.json and .md too")
    options = parser.parse_args()
    machine = describe_machine()
    result = measure(ALL if options.whole else min(max(options.sample, 1), ALL))
    document = json.dumps({"machine": machine, "result": result}, indent=2) + "\n"
    if options.write:
        RESULTS.mkdir(exist_ok=True)
        about = "\n".join(f"* {key}: {value}" for key, value in machine.items())
        text = f"# An unkeyed SHA-256 of an IPv4 address\n\nThe search {in_words(result)}\n{about}\n"
        (RESULTS / "unkeyed_ipv4.json").write_text(document)
        (RESULTS / "unkeyed_ipv4.md").write_text(text)
    sys.stdout.write(document if options.json else f"The search {in_words(result)}")


if __name__ == "__main__":
    main()
