"""Steady load on two workers for as long as is asked for, one of them killed at random: is everything flat, all there?

Usage: python bench/soak.py [--minutes 10] [--rate 2000] [--kill-every-seconds 15] [--seed 1] [--write] [--into FOLDER]

It brings its own queue server and Postgres, in temporary folders, and leaves nothing running. The exit code is 1 if a
check does not hold. --into writes soak.json, soak.md and soak.svg into a folder, --write into bench/results.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from soaking.report import Settings, as_json, as_markdown, write
from soaking.run import soak

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run, tell, write."""
    options = _options()
    minutes = options.minutes
    warm_up = min(30.0, minutes * 60 / 4) if options.warm_up_seconds is None else options.warm_up_seconds
    settings = Settings(
        minutes=minutes,
        rate=options.rate,
        body_bytes=options.body_bytes,
        kill_every_seconds=options.kill_every_seconds,
        warm_up_seconds=warm_up,
        duplicates=options.duplicates,
        lost_deletes=options.lost_deletes,
        seed=options.seed,
    )
    result = soak(settings, tell=lambda line: _say(line + "\n"))
    for folder in [*([RESULTS] if options.write else []), *([options.into] if options.into else [])]:
        write(result, folder)
    sys.stdout.write(as_json(result) if options.json else as_markdown(result, picture="soak.svg"))
    return 0 if result.good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=2_000, help="logins a second")
    parser.add_argument("--body-bytes", type=int, default=200)
    parser.add_argument("--kill-every-seconds", type=float, default=15, help="on average")
    parser.add_argument("--warm-up-seconds", type=float, help="not judged (default: 30, or a quarter of the time)")
    parser.add_argument("--duplicates", type=float, default=0.001, help="share of the messages that come twice")
    parser.add_argument("--lost-deletes", type=float, default=0.001, help="share of the deletes the queue forgets")
    parser.add_argument("--seed", type=int, default=1, help="of kills, ids and the queue's faults")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--into", type=Path, help="write the report into this folder")
    parser.add_argument("--write", action="store_true", help="write it into bench/results")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
