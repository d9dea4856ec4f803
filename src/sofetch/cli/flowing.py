"""``sofetch demo --console``: the demo's servers kept up, messages that keep flowing, a worker, and the console.

Owns the trickle and the worker's process. Made-up logins only; now and then one that does not fit, and one sent twice.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count as counted
from typing import TYPE_CHECKING

import click

from sofetch.cli.console import tell
from sofetch.presets.synthetic import synthetic_logins

if TYPE_CHECKING:
    from sofetch.cli.staged import Stage
    from sofetch.stopping import Stop

_TURN_SECONDS = 0.5
_MOST_A_TURN = 25
_UNFIT = b'{"foo": "oops_wrong_msg_type", "bar": "123"}'
_UNFIT_SHARE = 0.03
_END_SECONDS = 15.0


def hold(stage: Stage, *, listen: str = "127.0.0.1:0", seed: int = 7) -> None:
    """Keep it all up until Ctrl-C or SIGTERM."""
    from sofetch.console.opening import Wanted, opened
    from sofetch.stopping import Stop, stop_on_signals

    port = free_port()
    wanted = Wanted(listen=listen, workers=[f"http://127.0.0.1:{port}"], demo=True)
    environ = {**stage.environ, "SOFETCH_CONSOLE_WRITE_DSN": stage.servers.dsn}
    stop = Stop()
    with (
        stop_on_signals(stop),
        worker(stage, port=port),
        trickle(stage, stop, seed=seed),
        opened(stage.settings, wanted, file=environ["SOFETCH_CONFIG"], environ=environ) as running,
    ):
        click.echo("", err=True)
        tell(running)
        while not stop.asked:
            stop.wait(3_600)


@contextmanager
def worker(stage: Stage, *, port: int, processes: int = 1) -> Iterator[None]:
    """A worker in a process of its own, or a supervisor of several, which answers for its metrics and carries out what
    the console asks for.
    """
    own = {
        "SOFETCH_HTTP_LISTEN": f"127.0.0.1:{port}",
        "SOFETCH_QUARANTINE_CARRY_OUT_REQUESTS": "true",
        "SOFETCH_BATCH_MAX_WAIT_SECONDS": "0.5",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sofetch", "run", "--quiet", "--processes", str(processes)],
        cwd=stage.folder,
        env={**stage.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def trickle(stage: Stage, stop: Stop, *, seed: int) -> Iterator[None]:
    """Send some messages twice a second, more and less in turn, until the end of the block."""
    ended = threading.Event()
    thread = threading.Thread(target=_send, args=(stage, stop, ended, seed), name="sofetch-trickle", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _send(stage: Stage, stop: Stop, ended: threading.Event, seed: int) -> None:
    from sofetch.errors import SofetchError
    from sofetch.source.control import QueueControl

    dice = random.Random(seed)  # noqa: S311 - a demo's dice
    with QueueControl.open(stage.settings.source) as queue:
        for turn in counted(seed + 1):
            bodies = list(synthetic_logins(dice.randrange(1, _MOST_A_TURN), seed=turn))
            bodies += [_UNFIT] * (dice.random() < _UNFIT_SHARE)
            try:
                queue.send(bodies)
            except SofetchError:
                return  # the servers are being stopped
            if ended.wait(_TURN_SECONDS) or stop.asked:
                return


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
