"""The parent's side of the embedded servers: starts the guard, tells it what to do, holds the pipe.

Owns the guard process. Everything else, the servers and the folder, is the guard's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self, assert_never

import msgspec

from sofetch.embedded.orders import Answer, Failed, Order, Ready, Start, StartPostgres, StopPostgres
from sofetch.errors import EmbeddedError

_STOP_SECONDS = 30.0


def start_embedded(
    folder: Path | None = None,
    *,
    postgres: bool = True,
    queue: bool = True,
    postgres_version: int | None = None,
    postgres_settings: Mapping[str, str] | None = None,
) -> Embedded:
    """Start Postgres and an SQS server; a context manager that ends them.

    Without a folder they live in a new one that goes with them; a folder that is named stays and may be used again.
    They also end, and the throw-away folder goes, when this process dies in whatever way. Raises EmbeddedError.
    """
    start = Start(
        folder=None if folder is None else str(folder),
        postgres=postgres,
        queue=queue,
        postgres_version=postgres_version,
        postgres_settings=postgres_settings or {},
    )
    return Embedded(start)


class Embedded:
    """Running embedded servers. ``stop`` may be called twice; leaving the context calls it."""

    def __init__(self, start: Start) -> None:
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "sofetch.embedded.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self._ready = self._order(start)
        except BaseException:
            self.stop()
            raise

    @property
    def folder(self) -> Path:
        """The folder that holds everything, mode 0700."""
        return Path(self._ready.folder)

    @property
    def dsn(self) -> str:
        """Connection string of an empty database (empty text if Postgres was not asked for)."""
        return self._ready.dsn

    @property
    def spare_dsn(self) -> str:
        """Connection string of another empty database of the same server (empty text as with ``dsn``)."""
        return self._ready.spare_dsn

    @property
    def postgres_log(self) -> Path:
        """Postgres' own log."""
        return Path(self._ready.postgres_log)

    @property
    def psql_command(self) -> str:
        """A line for a shell that opens psql on the database."""
        return self._ready.psql_command

    @property
    def endpoint(self) -> str:
        """URL of the SQS server (empty text if it was not asked for)."""
        return self._ready.endpoint

    @property
    def environ(self) -> dict[str, str]:
        """What the AWS SDK needs to talk to the server, and to nothing else. Unset AWS_PROFILE beside it."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def stop_postgres(self, *, immediate: bool = False) -> None:
        """End Postgres alone, for tests of an outage; ``immediate`` as if the machine had lost power."""
        self._order(StopPostgres(immediate))

    def start_postgres(self) -> None:
        """Start Postgres again on the same data, at the same address."""
        self._order(StartPostgres())

    def stop(self) -> None:
        """End the servers, remove a throw-away folder, wait until both is done."""
        _stdin(self._guard).close()
        try:
            self._guard.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._guard.kill()  # the kernel ends the servers with it
            self._guard.wait()
        for pipe in (self._guard.stdout, self._guard.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _order(self, order: Order) -> Ready:
        try:
            pipe = _stdin(self._guard)
            pipe.write(msgspec.json.encode(order) + b"\n")
            pipe.flush()
        except (BrokenPipeError, ValueError):
            raise EmbeddedError("the guard of the embedded servers is gone", hint="start them anew") from None
        line = self._guard.stdout.readline() if self._guard.stdout else b""
        if not line:
            raise EmbeddedError(f"the guard of the embedded servers ended unasked\n{self._last_words()}")
        answer: Answer = msgspec.json.decode(line, type=Answer)
        match answer:
            case Ready():
                return answer
            case Failed(what, hint):
                raise EmbeddedError(what, hint=hint)
            case _:
                assert_never(answer)

    def _last_words(self) -> str:
        words = self._guard.stderr.read() if self._guard.stderr else b""
        return "\n".join(words.decode(errors="replace").splitlines()[-3:])


def _stdin(guard: subprocess.Popen[bytes]) -> IO[bytes]:
    assert guard.stdin is not None  # noqa: S101  it was asked for as a pipe
    return guard.stdin
