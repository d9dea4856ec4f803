"""The guard: a small process that runs the servers, and ends them when whoever asked for them is gone.

``python -m sofetch.embedded.guard`` takes orders on standard input and answers on standard output. When the input
ends (the parent closed it, or died in whatever way, kill -9 included) it ends the servers, which are its own
children, and removes the folder if it is a throw-away one. It lives in a session of its own, so that Ctrl-C in the
terminal reaches the worker, which still needs the servers to drain, and not them.
"""

from __future__ import annotations

import errno
import os
import pwd
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import assert_never

import msgspec

from sofetch.embedded.folder import lasting_folder, remove, throw_away_folder, unprivileged_user
from sofetch.embedded.orders import Answer, Failed, Order, Ready, Start, StartPostgres, StopPostgres
from sofetch.embedded.postgres import Postgres
from sofetch.embedded.queue import QueueServer, StartingQueue
from sofetch.errors import EmbeddedError

_STDIN, _STDOUT = 0, 1
# A child that the parent forked may hold the pipe open after the parent's death, so its pid is looked at too.
_LOOK_SECONDS = 0.5


class Servers:
    """The servers of one guard."""

    def __init__(self, start: Start) -> None:
        user = unprivileged_user() if start.postgres else None
        self._throw_away = start.folder is None
        self._folder = throw_away_folder(user) if start.folder is None else lasting_folder(Path(start.folder), user)
        self._postgres: Postgres | None = None
        self._queue: QueueServer | StartingQueue | None = None
        try:
            self._start(start, user)
        except BaseException:
            self.stop()
            raise

    def follow(self, order: Order) -> Answer:
        """Do what a later order says."""
        match order:
            case StopPostgres(immediate) if self._postgres is not None:
                self._postgres.stop(immediate=immediate)
            case StartPostgres() if self._postgres is not None:
                self._postgres.start()
            case Start() | StopPostgres() | StartPostgres():
                return Failed(what=f"there is nothing to {type(order).__name__}", hint="")
            case _:
                assert_never(order)
        return self.ready()

    def ready(self) -> Ready:
        """Where everything is."""
        postgres, queue = self._postgres, self._queue
        return Ready(
            folder=str(self._folder),
            dsn=postgres.dsn if postgres else "",
            spare_dsn=postgres.spare_dsn if postgres else "",
            postgres_log=str(postgres.log) if postgres else "",
            psql_command=postgres.write_psql(self._folder / "psql") if postgres else "",
            endpoint=queue.endpoint if isinstance(queue, QueueServer) else "",
        )

    def stop(self) -> None:
        """End the servers; remove the folder if it is a throw-away one."""
        try:
            if self._queue is not None:
                self._queue.stop()
            if self._postgres is not None:
                self._postgres.stop()
        finally:
            if self._throw_away:
                remove(self._folder)

    def _start(self, start: Start, user: pwd.struct_passwd | None) -> None:
        starting = StartingQueue(self._folder / "queue") if start.queue else None
        self._queue = starting
        if start.postgres:
            self._postgres = Postgres(
                self._folder,
                user=user,
                throw_away=self._throw_away,
                version=start.postgres_version,
                settings=start.postgres_settings,
            )
            self._postgres.start()
        if starting is not None:
            self._queue = starting.wait()


def main() -> int:
    """Follow orders until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    servers: Servers | None = None
    try:
        for order in _orders(parent=os.getppid()):
            answer: Answer
            try:
                if servers is None:
                    servers = Servers(msgspec.convert(order, Start))
                    answer = servers.ready()
                else:
                    answer = servers.follow(order)
            except EmbeddedError as error:
                answer = Failed(what=error.what, hint=error.hint)
            except OSError as error:
                answer = _failed(error)
            os.write(_STDOUT, msgspec.json.encode(answer) + b"\n")
    except BrokenPipeError:  # the parent is gone
        pass
    finally:
        if servers is not None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            servers.stop()
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _failed(error: OSError) -> Failed:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    place = f" at {error.filename}" if error.filename else ""
    return Failed(
        what=f"the embedded servers could not be started: {error.strerror}{place}",
        hint="free some space, or name another folder in TMPDIR" if full else "name another folder in TMPDIR",
    )


def _orders(*, parent: int) -> Iterator[Order]:
    waiting = b""
    while os.getppid() == parent:
        if not select.select([_STDIN], [], [], _LOOK_SECONDS)[0]:
            continue
        chunk = os.read(_STDIN, 65_536)
        if not chunk:
            return
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            yield msgspec.json.decode(line, type=Order)


if __name__ == "__main__":
    sys.exit(main())
