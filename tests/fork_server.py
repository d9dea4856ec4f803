"""The process behind ``forked.py``: imports the program once, then forks a child for each command it is asked for.

Owns what a child is made of. Nothing is done here before the fork but importing, and reading from the code and what is
installed which settings there are, and what SQS is: no thread, no client, no setting read. The child is what
``python -m`` makes of a new process, but that the modules are there already and are not taken apart at its end, that
sets have the same order in all children of one server, and that its parent, and the command line that ``ps`` shows,
are this server's.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

MOST_BYTES = 1 << 17
"""Of a command with its arguments and environment; one packet."""


@dataclass(frozen=True)
class Command:
    """What ``python -m`` is to run, and where."""

    module: str
    arguments: list[str]
    folder: str
    environ: dict[str, str]


class Server:
    """Forks children, tells how they ended, and ends them when whoever asked no longer listens."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.PollSelector()
        self._selector.register(control, selectors.EVENT_READ, self._fork)
        self._reports: dict[int, socket.socket] = {}
        self._command: Command | None = None
        self._over = False

    def serve(self) -> Command | None:
        """The command, in each child. In the server, at its end, nothing."""
        while not self._over:
            for key, _ in self._selector.select():
                key.data()
                if self._over:
                    break
        return self._command

    def _fork(self) -> None:
        told, descriptors, _, _ = socket.recv_fds(self._control, MOST_BYTES, 4)
        if not told:
            self._end()
            return
        report = socket.socket(fileno=descriptors.pop())
        child = os.fork()
        if child:
            self._watch(child, report)
        else:
            report.close()
            self._close()
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
            self._command, self._over = Command(**json.loads(told)), True
        for descriptor in descriptors:
            os.close(descriptor)

    def _watch(self, child: int, report: socket.socket) -> None:
        ended = os.pidfd_open(child)
        self._reports[child] = report
        self._selector.register(ended, selectors.EVENT_READ, partial(self._tell, child, ended))
        self._selector.register(report, selectors.EVENT_READ, partial(self._give_up, child))

    def _tell(self, child: int, ended: int) -> None:
        self._selector.unregister(ended)
        os.close(ended)
        _, status = os.waitpid(child, 0)
        with self._reports.pop(child) as report:
            if report in self._selector.get_map():
                self._selector.unregister(report)
            with suppress(BrokenPipeError):  # nobody waits for it any more
                report.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    def _give_up(self, child: int) -> None:
        if child in self._reports:  # else it was told in this very round
            self._selector.unregister(self._reports[child])
            os.kill(child, signal.SIGKILL)

    def _end(self) -> None:
        for child in self._reports:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        self._close()
        self._over = True

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)
        for report in self._reports.values():
            report.close()
        self._selector.close()


def import_program() -> None:
    """Everything that a command would import, the testing kit and the servers' own programs left out."""
    import aws_models
    import sofetch.config

    for module in pkgutil.walk_packages(sofetch.__path__, "sofetch."):
        if not module.name.endswith(".__main__") and not module.name.startswith("sofetch.testing"):
            importlib.import_module(module.name)
    importlib.import_module("boto3")
    aws_models.parse_for_queues()
    sofetch.config.lint_text(sofetch.config.preset("logins"))  # derives the tables of settings: 40 ms, once for all
    gc.collect()
    gc.freeze()  # a collection in a child would write to every page and so copy it


def become(command: Command) -> None:
    """Run a module as ``python -m`` does in a new process with that folder and environment."""
    os.chdir(command.folder)
    os.environ.update(command.environ)  # the server has but a part of it, and what Python sets itself in the C locale
    _open_streams()
    sys.argv = [command.module, *command.arguments]
    sys.path[0] = command.folder
    try:
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
        if type(code) is not int:
            raise
    else:
        code = 0
    _leave(code)


def _leave(code: int) -> None:
    """All that Python does at its end but taking the modules apart.

    That writes to nearly every page there is, and so copies it: 60 of the 85 ms of CPU that ``sofetch version`` took.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # the stubs leave it out
    atexit._run_exitfuncs()
    gc.collect()  # what was dropped and is not closed says so, where warnings are errors
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


def _open_streams() -> None:
    """As Python does at its start; what it made of the server's streams does not fit these."""
    old_in, old_out, old_err = sys.stdin, sys.stdout, sys.stderr
    for name, file in (
        ("stdin", os.fdopen(0, encoding=old_in.encoding, errors=old_in.errors, closefd=False)),
        ("stdout", os.fdopen(1, "w", encoding=old_out.encoding, errors=old_out.errors, closefd=False)),
        ("stderr", os.fdopen(2, "w", 1, encoding=old_err.encoding, errors=old_err.errors, closefd=False)),
    ):
        setattr(sys, name, file)
        setattr(sys, f"__{name}__", file)


if __name__ == "__main__":
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; their end is this server's
    import_program()
    control = socket.socket(fileno=int(sys.argv[1]))
    with suppress(BrokenPipeError):  # nobody asks any more
        control.send(b"ready")
    asked = Server(control).serve()
    if asked is not None:
        signal.signal(signal.SIGINT, on_interrupt)
        become(asked)
