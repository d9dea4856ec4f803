"""``sofetch demo``: the whole way of the data, told in seven steps, with nothing set up before and nothing left after.

Owns the telling. What is done is ``sofetch.cli.staged``'s.
"""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from sofetch.cli.frame import Frame, command
from sofetch.cli.text import count, duration, shorten, shown, table

if TYPE_CHECKING:
    from sofetch.cli.staged import Governed, Result, Stage
    from sofetch.worker import Summary

_INDENT = "   "
_WIDEST = 100
_TOKEN_WIDTH = 32
_COLUMNS_SHOWN = ("user_id", "masked_ip", "masked_device_id", "locale", "app_version")
_REPEATED = ("masked_ip", "masked_device_id")
_ROWS_SHOWN = 5
_REPEATS_SHOWN = 3


@command("demo", example="sofetch demo\nsofetch demo --keep --messages 1000\nsofetch demo --console", config=False)
@click.option("--keep", is_flag=True, help="Keep the servers until Ctrl-C, to look further.")
@click.option(
    "--console", "with_console", is_flag=True, help="Keep it up, with a worker, new messages and the console."
)
@click.option(
    "--messages", type=click.IntRange(20, 10_000), default=100, show_default=True, metavar="N", help="Messages to send."
)
@click.option("--seed", type=int, default=7, show_default=True, metavar="S", help="The same seed, the same messages.")
def demo(frame: Frame, *, keep: bool, with_console: bool, messages: int, seed: int) -> None:
    """Watch messages go from a queue into a masked table.

    Starts a Postgres and an SQS server of its own, sends example logins, loads them, kills a worker on the way to show
    that nothing is lost or doubled, and shows what came of it. Everything is in one throw-away folder, key included,
    and is gone at the end. Your configuration, your queues and your databases are not touched.
    """
    from sofetch.cli import staged

    if with_console:
        from sofetch.cli.console import require_extra

        require_extra()
    began = time.monotonic()
    tell = _Teller(frame)
    tell.title(f"sofetch demo: {messages:,} logins, from a queue to a masked table")
    tell.step("A queue and a database of their own")
    with staged.stage(messages=messages) as stage:
        _tell_servers(tell, stage)
        tell.step(f"{messages:,} messages on the queue")
        staged.fill(stage, seed=seed)
        _tell_messages(tell, stage)
        tell.step("A worker loads them, and is killed half-way")
        committed, left = staged.load_and_be_killed(stage)
        _tell_killed(tell, committed, left)
        tell.step("Another worker takes over")
        summary = staged.load_the_rest(stage)
        result = staged.look(stage)
        _tell_finished(tell, summary, result, committed=committed)
        tell.step("What analysts see")
        _tell_table(tell, result)
        tell.step("The message that did not fit")
        _tell_refused(tell, result)
        tell.step("Who may look back, and who is forgotten")
        governed = staged.recover_and_erase(stage, result)
        _tell_governed(tell, governed)
        seconds = time.monotonic() - began
        if frame.json:
            frame.data(_as_json(stage, committed, summary, result, governed, seconds=seconds))
        _tell_onwards(tell)
        if with_console:
            from sofetch.cli.flowing import hold

            hold(stage, seed=seed)
        elif keep:
            _hold(stage)
    tell.say()
    tell.say(f"Done in {duration(seconds)}. The servers are stopped and their folder is gone.")


class _Teller:
    """Lines for people; silent with --json."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._width = min(_WIDEST, shutil.get_terminal_size((80, 24)).columns) - len(_INDENT)
        self._steps = 0

    def title(self, text: str) -> None:
        """The first line."""
        self._frame.say(click.style(text, bold=True))

    def step(self, title: str) -> None:
        """The next numbered heading."""
        self._steps += 1
        self.heading(title, mark=str(self._steps))

    def heading(self, title: str, *, mark: str) -> None:
        """A heading after an empty line."""
        self._frame.say()
        self._frame.say(f"{click.style(mark, fg='cyan', bold=True)}  {click.style(title, bold=True)}")

    def say(self, text: str = "") -> None:
        """A paragraph, wrapped."""
        wrapped = textwrap.wrap(text, self._width, break_on_hyphens=False, break_long_words=False)
        self.lines(wrapped or [""])

    def lines(self, lines: Iterable[str]) -> None:
        """Lines as they are."""
        for line in lines:
            self._frame.say(f"{_INDENT}{line}".rstrip())

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table after an empty line."""
        lines = table(header, rows, width=self._width)
        self.lines(["", *(click.style(line, dim=True) if line.startswith("─") else line for line in lines)])


def _tell_servers(tell: _Teller, stage: Stage) -> None:
    tell.say(
        f"An SQS server and Postgres run in {stage.folder} until the end of the demo. A new key lies beside them, "
        "for this demo alone: in production nothing invents a key, and without one nothing starts."
    )


def _tell_messages(tell: _Teller, stage: Stage) -> None:
    from sofetch.cli.staged import EXAMPLES

    tell.say(
        f"{EXAMPLES - 1} example logins, {stage.messages - EXAMPLES:,} made-up ones, and one message of another kind "
        f"wait on {stage.settings.source.queue}. All of it is example data, so it may be shown here."
    )


def _tell_killed(tell: _Teller, committed: int, left: int) -> None:
    tell.say(
        f"It committed {count(committed, 'message')} and was killed (kill -9) before it deleted one from the queue. "
        f"The queue still holds all {left:,}, and will deliver them again."
    )


def _tell_finished(tell: _Teller, summary: Summary, result: Result, *, committed: int) -> None:
    new = result.rows + result.quarantined - committed
    tell.say(f"It received {count(summary.received, 'message')}:")
    _tell_numbers(tell, (summary.received - new, "known from the first worker: not stored twice"), (new, "new: stored"))
    tell.say("In the end:")
    _tell_numbers(
        tell,
        (result.rows, "rows in the table"),
        (result.quarantined, "in quarantine"),
        (result.left_in_queue, "left in the queue"),
    )


def _tell_numbers(tell: _Teller, *numbers: tuple[int, str]) -> None:
    tell.lines(f"{number:>7,}  {what}" for number, what in numbers)


def _tell_table(tell: _Teller, result: Result) -> None:
    tell.say("The first example login, as it was sent and as it is stored:")
    stored = ((name, sent, shorten(shown(value), _TOKEN_WIDTH)) for name, sent, value in result.example)
    tell.table(["column", "in the message", "in the table"], stored)
    tell.say()
    tell.say(f"{count(result.rows, 'row')} like it; the first of them:")
    at = [result.table.columns.index(name) for name in _COLUMNS_SHOWN]
    tell.table(_COLUMNS_SHOWN, ([row[index] for index in at] for row in result.table.rows[:_ROWS_SHOWN]))
    tell.say()
    _tell_repeated(tell, result)


def _tell_repeated(tell: _Teller, result: Result) -> None:
    addresses, devices = (result.repeated[name] for name in _REPEATED)
    tell.say(
        f"Equal values have equal tokens, so repeats are found, counted and joined, and nobody reads a value. "
        f"{count(len(addresses), 'address', 'addresses')} and {count(len(devices), 'device')} came more than once:"
    )
    pairs = list(zip(addresses, devices, strict=False))[:_REPEATS_SHOWN]
    tell.table(
        [_REPEATED[0], "logins", _REPEATED[1], "logins"],
        ([address.value, address.rows, device.value, device.rows] for address, device in pairs),
    )


def _tell_refused(tell: _Teller, result: Result) -> None:
    tell.say("It is in quarantine, and spared its neighbours. Its body is encrypted; the reason is not:")
    tell.table(
        ["reason", "field", "deliveries", "sealed bytes"],
        [[one.reason, one.field, one.attempts, one.sealed_bytes] for one in result.refused],
    )


def _tell_governed(tell: _Teller, governed: Governed) -> None:
    row, receipt = governed.shown, governed.receipt
    tell.say(
        "Device numbers are also in a vault, sealed to a recovery key that no worker holds. Ana has that key, and a "
        "case. The audit says so first; then she sees the one number she asked for:"
    )
    tell.table(
        ["audit", "who", "what", "ticket", "purpose"], [[row.seq, row.actor, row.action, row.ticket, row.purpose]]
    )
    tell.table(["token", "value"], [[governed.token, ", ".join(governed.before.values)]])
    tell.say()
    tell.say("The user whose device it is asks to be forgotten. An erasure, and its receipt:")
    vault = receipt.vault or {}
    _tell_numbers(
        tell,
        (vault.get("keys", 0), "of the keys in the vault, destroyed"),
        (vault.get("values", 0), "of the values in the vault, closed to every key"),
        (sum(receipt.tables.values()), "of the rows, deleted"),
    )
    _tell_forgotten(tell, governed)


def _tell_forgotten(tell: _Teller, governed: Governed) -> None:
    from sofetch.governance.recovery import MEANING

    told = MEANING[governed.after.outcome].partition(",")[0]
    state = "each as it was written" if not governed.audit.faults else "not as they were written"
    tell.say(
        f"Ana asks again, with the same key: {told}. The audit has {count(governed.audit.rows, 'row')} now, {state}: "
        "each is sealed and names the one before it, so that a change shows."
    )


def _tell_onwards(tell: _Teller) -> None:
    tell.heading("Look further, and point it at yours", mark="→")
    steps = (
        ("sofetch demo --keep", "keeps it up, with a psql line"),
        ("sofetch demo --console", "keeps it up, on a web page"),
        ("sofetch init --from-queue --queue Q --table T", "writes sofetch.toml"),
        ("sofetch keys new -o keyring.json", "makes your key"),
        ("sofetch check", "tries all that is named"),
        ("sofetch run", "moves what comes"),
    )
    width = max(len(line) for line, _ in steps)
    tell.lines(f"{line:<{width}}  {what}" for line, what in steps)


def _hold(stage: Stage) -> None:
    """Keep the servers up until Ctrl-C or SIGTERM. Said on stderr, so that it is seen with --json too."""
    from sofetch.stopping import Stop, stop_on_signals

    stop = Stop()
    with stop_on_signals(stop):
        for line in (
            "",
            "The servers are up until Ctrl-C. In another terminal:",
            f"  {stage.servers.psql_command}",
            f"  . {stage.env_file}",
            "  sofetch show --by masked_device_id",
            "  sofetch quarantine list",
            "For messages and a table of your own, in an empty database:",
            f"  . {stage.own_file}",
        ):
            click.echo(f"{_INDENT}{line}".rstrip(), err=True)
        while not stop.asked:
            stop.wait(3600)


def _as_json(
    stage: Stage, committed: int, summary: Summary, result: Result, governed: Governed, *, seconds: float
) -> dict[str, object]:
    return {
        "sent": stage.messages,
        "committed_before_kill": committed,
        "received_by_second_worker": summary.received,
        "loaded": result.rows,
        "quarantined": result.quarantined,
        "left_in_queue": result.left_in_queue,
        "columns": result.table.columns,
        "rows": result.table.rows,
        "repeated": {name: [msgspec.to_builtins(one) for one in found] for name, found in result.repeated.items()},
        "quarantine": [msgspec.to_builtins(one) for one in result.refused],
        "recovered": {"audit_seq": governed.shown.seq, "outcomes": [governed.before.outcome, governed.after.outcome]},
        "erased": msgspec.to_builtins(governed.receipt),
        "audit": {"rows": governed.audit.rows, "intact": not governed.audit.faults},
        "psql": stage.servers.psql_command,
        "seconds": round(seconds, 3),
    }
