"""The first signal asks a worker to drain; the second ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from sofetch.errors import ExitCode
from sofetch.stopping import Stop, stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_first_signal_asks_and_names_itself(number: signal.Signals) -> None:
    stop = Stop()
    with stop_on_signals(stop):
        os.kill(os.getpid(), number)
        assert stop.wait(5)
    assert stop.reason == number.name


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals(Stop()):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_second_signal_ends_the_process_at_once() -> None:
    program = """
import os, signal
from sofetch.stopping import Stop, stop_on_signals
stop = Stop()
with stop_on_signals(stop):
    os.kill(os.getpid(), signal.SIGTERM)
    print("draining", stop.reason, flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("not reached", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == ExitCode.INTERRUPTED
    assert ended.stdout == "draining SIGTERM\n"


def test_the_first_reason_given_is_kept() -> None:
    stop = Stop()
    stop.ask("SIGTERM")
    stop.ask("SIGINT")
    assert stop.reason == "SIGTERM"
