"""The first signal asks a worker to drain; the second ends the process."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading

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


def test_a_signal_that_the_starter_had_us_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with stop_on_signals(stop):
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert not stop.asked
    finally:
        signal.signal(signal.SIGHUP, before)


HUNG_UP = """
import os, signal
from sofetch.stopping import Stop, stop_on_signals
stop, told = Stop(), []
with stop_on_signals(stop, reload=lambda: told.append("reload")):
    os.kill(os.getpid(), signal.SIGHUP)
print(told, stop.reason, flush=True)
"""


def test_outside_of_a_terminal_sighup_reloads() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HUNG_UP],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        timeout=30,
        check=False,
    )
    assert ended.stdout == b"['reload'] \n"


def test_in_a_terminal_sighup_stops_wherever_the_output_goes() -> None:
    in_terminal = "import pty, sys; pty.spawn([sys.executable, '-c', sys.argv[1]])"
    elsewhere = f"import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2)\n{HUNG_UP}"
    ended = subprocess.run(
        [sys.executable, "-c", in_terminal, elsewhere],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ended.stdout == b"[] SIGHUP\r\n"


def test_a_handler_may_ask_whatever_its_own_thread_was_about() -> None:
    stop, done = Stop(), threading.Event()

    def ask_in_the_middle() -> None:
        with stop._changed:  # as where a signal interrupts a wait
            stop.ask()
        done.set()

    threading.Thread(target=ask_in_the_middle, daemon=True).start()
    assert done.wait(60)
    assert stop.wait(0)


def test_who_waits_for_a_stop_is_told_of_it_at_once() -> None:
    stop, told = Stop(), list[str]()
    stop.then(lambda: told.append(stop.reason))
    stop.ask("SIGTERM")
    assert told == ["SIGTERM"]


def test_the_second_signal_gives_the_terminal_its_cursor_back() -> None:
    program = """
import os, signal
from sofetch.stopping import Stop, stop_on_signals
with stop_on_signals(Stop()):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
"""
    ours, theirs = pty.openpty()
    ended = subprocess.run([sys.executable, "-c", program], stderr=theirs, timeout=30, check=False)
    os.close(theirs)
    assert ended.returncode == ExitCode.INTERRUPTED
    assert b"\x1b[?25h" in os.read(ours, 100)
    os.close(ours)
