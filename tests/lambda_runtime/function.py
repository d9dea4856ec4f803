"""The function as Lambda runs it: AWS's own runtime interface client in a process, at our Runtime API."""

from __future__ import annotations

import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lambda_runtime.runtime_api import LOOK_EVERY_SECONDS, Answer, RuntimeApi, runtime_api

HANDLER = "sofetch.lambda_handler.handler"


class TimedOut(Exception):
    """The deadline came before an answer, and the process was killed for it."""


class Died(Exception):
    """The process ended in the middle of an invocation."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"the function's process ended with {exit_code}")
        self.exit_code = exit_code


class RunningFunction:
    """One environment of the function."""

    def __init__(self, api: RuntimeApi, process: subprocess.Popen[bytes], *, printed: Path, logged: Path) -> None:
        self._api = api
        self._process = process
        self._printed = printed
        self._logged = logged

    def invoke(self, event: object, *, timeout_seconds: float = 60) -> Answer:
        """What it answers. Raises Died if its process ends instead, and TimedOut once it is killed at its deadline."""
        deadline = time.monotonic() + timeout_seconds
        self._api.hand_over(event, timeout_seconds=timeout_seconds)
        while (left_seconds := deadline - time.monotonic()) > 0:
            try:
                return self._api.answers.get(timeout=min(LOOK_EVERY_SECONDS, left_seconds))
            except queue.Empty:
                if (exit_code := self._process.poll()) is not None:
                    raise Died(exit_code) from None
        self._process.kill()
        self._process.wait(timeout=10)
        raise TimedOut(f"no answer within {timeout_seconds} s: {self.logged()}")

    def result(self, event: object) -> dict[str, Any]:
        """The answer, which must not be an error."""
        answer = self.invoke(event)
        assert answer.error is None, answer.error
        result: dict[str, Any] = answer.result
        return result

    def printed(self) -> str:
        """Its standard output so far."""
        return self._printed.read_text()

    def logged(self) -> str:
        """Its standard error so far."""
        return self._logged.read_text()


@contextmanager
def running_function(folder: Path, environ: Mapping[str, str], *, name: str = "function") -> Iterator[RunningFunction]:
    """A started function. Its process ends with the test."""
    printed, logged = folder / f"{name}.out", folder / f"{name}.err"
    with runtime_api() as api, printed.open("wb") as out, logged.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", HANDLER],
            cwd=folder,
            env={**environ, "AWS_LAMBDA_RUNTIME_API": api.address},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        try:
            yield RunningFunction(api, process, printed=printed, logged=logged)
        finally:
            process.kill()
            process.wait(timeout=10)
