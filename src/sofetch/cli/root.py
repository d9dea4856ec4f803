"""The root command: what there is, found by name and imported only when it is called.

Owns the list of commands. It must not import a command's module before the command is asked for.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

import click

from sofetch.cli.failure import TRACEBACK_ENV, ReaderLeft, report
from sofetch.cli.frame import COLOR_ENV, CONFIG_ENV, shared_options, write_example


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: ``target`` is ``module:attribute``; ``help`` is its line on the root's help page."""

    name: str
    target: str
    help: str


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Try it": (Entry("demo", "sofetch.cli.demo:demo", "Watch it work, with nothing set up."),),
    "Set up": (
        Entry("init", "sofetch.cli.init:init", "Write a commented sofetch.toml."),
        Entry("keys", "sofetch.cli.keys:keys", "Make the keys that the tokens are made with."),
        Entry("check", "sofetch.cli.check:check", "Try everything that the configuration names."),
        Entry("schema", "sofetch.cli.schema:schema", "Print or apply the DDL."),
        Entry("test", "sofetch.cli.test:test", "Run the tests kept beside the configuration."),
    ),
    "Move data": (
        Entry("run", "sofetch.cli.run:run", "Move messages from the queue into the table."),
        Entry("archive", "sofetch.cli.archive:archive", "Show, check and expire the archive of messages."),
        Entry("backfill", "sofetch.cli.backfill:backfill", "Load an archive, or files, into the table."),
        Entry("verify", "sofetch.cli.verify:verify", "Hold what was sent against what is there."),
        Entry("maintain", "sofetch.cli.maintain:maintain", "Make and drop partitions, by a schedule."),
        Entry("rotate", "sofetch.cli.rotate:rotate", "Upgrade stored tokens to the newest key."),
        Entry("dlq", "sofetch.cli.dlq:dlq", "Show a dead-letter queue and send it round again."),
        Entry("send", "sofetch.cli.send:send", "Put lines of JSON on the queue."),
    ),
    "Look": (
        Entry("top", "sofetch.cli.top:top", "Watch running workers: rates, backlog, outages."),
        Entry("peek", "sofetch.cli.peek:peek", "Show what waits in the queue, masked."),
        Entry("show", "sofetch.cli.show:show", "Show the table: rows, counts, duplicates."),
        Entry("quarantine", "sofetch.cli.quarantine:quarantine", "Show, replay and purge what did not fit."),
        Entry("token", "sofetch.cli.token:token", "Print the token of a value, to look it up."),
        Entry("console", "sofetch.cli.console:console", "Show charts, quarantine and duplicates on a web page."),
        Entry("scan", "sofetch.cli.scan:scan", "Find personal data in a file or a queue."),
        Entry("report", "sofetch.cli.report:report", "Report on a table's privacy."),
    ),
    "Govern": (
        Entry("recover", "sofetch.cli.recover:recover", "Show the values behind tokens, audited."),
        Entry("erase", "sofetch.cli.erase:erase", "Erase a person, with a receipt."),
        Entry("audit", "sofetch.cli.audit:audit", "Show and verify who was shown or erased what."),
    ),
    "About": (
        Entry("settings", "sofetch.cli.settings:settings", "List every setting and its environment variable."),
        Entry("completion", "sofetch.cli.completion:completion", "Install the completion of a shell."),
        Entry("version", "sofetch.cli.about:version", "Print the version of sofetch and what it stands on."),
    ),
}

EXAMPLE = """\
sofetch init --preset logins
sofetch keys new -o keyring.json
export SOFETCH_KEYRING_FILE=keyring.json SOFETCH_SINK_DSN=postgresql://localhost/app
sofetch check && sofetch schema --apply
sofetch run --drain
"""


class Root(click.Group):
    """A group that imports its commands late and reports every failure in one way."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the help page."""
        return [entry.name for entries in SECTIONS.values() for entry in entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command of that name."""
        for entries in SECTIONS.values():
            for entry in entries:
                if entry.name == cmd_name:
                    return load(entry)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, in sections, without importing one of them."""
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name, entry.help) for entry in entries], col_max=14)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The first steps, the environment, and the exit codes."""
        write_example(formatter, EXAMPLE)
        with formatter.section("Environment"):
            formatter.write_dl(list((CONFIG_ENV | COLOR_ENV | TRACEBACK_ENV).items()))
        with formatter.section("Exit codes"):
            formatter.write_dl(list(EXIT_CODES.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """As click's, but a reader that left is told apart: click would make it exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderLeft from None

    def main(  # type: ignore[override] # one shape of click's overloads: this one always exits
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command line and exit with its code; nothing but SystemExit leaves this function."""
        given = list(sys.argv[1:] if args is None else args)
        _survive_any_encoding()
        try:
            code = super().main(given, prog_name or "sofetch", standalone_mode=False, **extra)
            sys.stdout.flush()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last place that can say anything
            code = report(error, as_json="--json" in given, colour=_colour(given))
        sys.exit(code if isinstance(code, int) else 0)


def _colour(arguments: Sequence[str]) -> bool | None:
    return False if "--no-color" in arguments or os.environ.get("NO_COLOR") else None


EXIT_CODES = {
    "0": "done",
    "1": "a fault of sofetch",
    "2": "the command or the configuration is wrong",
    "3": "the queue, the database or the archive does not answer or refuses",
    "4": "keys are missing or wrong",
    "5": "it is done, and not all is well: a finding, a broken audit, a token not recovered",
    "130": "interrupted",
}


def load(entry: Entry) -> click.Command:
    """Import one command."""
    module, _, attribute = entry.target.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, click.Command):
        raise TypeError(f"{entry.target} is not a command")
    return found


def _version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        from sofetch.build import version_line

        click.echo(version_line())
        ctx.exit()


def _survive_any_encoding() -> None:
    """A terminal that cannot show ``→`` shows ``?`` instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@click.group("sofetch", cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@shared_options()
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and its build.",
)
def root() -> None:
    """Move events that hold personal data from Amazon SQS into Postgres, pseudonymised on the way.

    Each message ends exactly once in the table or in quarantine; personal fields become tokens that can be counted
    and joined but not read.
    """
