"""A small, fast SQS server in memory, for benchmarks and fault campaigns.

Usage: python bench/queue_server.py [--port 0] [--queue bench --preload 100000] [--body-bytes 200] [--latency-ms 10]

It listens on 127.0.0.1 only, prints one line of JSON with its endpoint once it is ready, and ends on SIGTERM or with
the process that started it. Any credentials do. ``GET /stats`` tells how many calls of each kind there were.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable

from sofetch.testing import OldHandles
from sqs_server.calls import Calls
from sqs_server.content import make_content
from sqs_server.http import serve
from sqs_server.logins import login
from sqs_server.queues import Account, Faults


def main() -> int:
    """Serve until told to end."""
    options = _options()
    account = Account(
        old_handles=OldHandles(options.old_handles),
        faults=Faults(options.duplicates, options.lost_deletes, options.failed_entries),
        seed=options.seed,
    )

    async def run() -> None:
        if options.queue:
            queue = account.create(options.queue, {"VisibilityTimeout": str(options.visibility_seconds)})
            for number in range(options.preload):
                content = make_content(login(number, body_bytes=options.body_bytes), {}, max_bytes=1 << 20)
                queue.model.send(content, message_id=account.new_id())
        await serve(Calls(account), port=options.port, latency_seconds=options.latency_ms / 1000, ready=_tell)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run())
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--latency-ms", type=float, default=0, help="wait so long before each answer")
    parser.add_argument("--queue", default="", help="make this queue")
    parser.add_argument("--visibility-seconds", type=int, default=30, help="of that queue")
    parser.add_argument("--preload", type=int, default=0, help="put so many made-up logins on that queue")
    parser.add_argument("--body-bytes", type=int, default=200, help="of each of them, at least")
    parser.add_argument("--old-handles", choices=[it.value for it in OldHandles], default="ignored")
    parser.add_argument("--duplicates", type=float, default=0, help="share of the messages that come twice at once")
    parser.add_argument("--lost-deletes", type=float, default=0, help="share of the deletes that are only answered")
    parser.add_argument("--failed-entries", type=float, default=0, help="share of the batch entries that fail")
    parser.add_argument("--seed", type=int, help="of ids and faults")
    return parser.parse_args()


def _tell(endpoint: str) -> None:
    sys.stdout.write(json.dumps({"endpoint": endpoint, "pid": os.getpid()}) + "\n")
    sys.stdout.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None  # asyncio's own: half as fast
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
