"""``sofetch-spark``: the command line of the job, by itself or under spark-submit.

Owns what is asked, what is refused before Spark starts, and the summary. pyspark is imported only to run.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

import click
import msgspec

from sofetch.cli.failure import hide_data_in_tracebacks, hide_words_of_libraries, report
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, VAULT_ENV, Frame, command
from sofetch.errors import ConfigError, ExitCode
from sofetch.spark.plan import BODY, ID, SENT, Format, Plan, Result

if TYPE_CHECKING:
    from sofetch.settings import Settings

DEFAULT_CONNECTIONS = 4

_EXAMPLE = """\
sofetch-spark --input archive/ --input-format envelopes --master 'local[2]'
sofetch-spark --input s3a://bucket/logins/ --input-format parquet --connections 8
SOFETCH_SINK_DEDUPE=content sofetch-spark --input 'logins/*.jsonl.gz' --sent-at 2026-11-01
sofetch-spark --input archive/ --input-format envelopes --to parquet --output lake/
"""


def _time(_context: click.Context, _parameter: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter("write a time as 2026-11-26T19:30:00Z, or a day") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


@command("sofetch-spark", example=_EXAMPLE, environment=(SINK_ENV, KEY_ENV, VAULT_ENV, OVERRIDE_ENV))
@click.option("--input", "inputs", multiple=True, required=True, metavar="PATH", help="File, folder or pattern. Many.")
@click.option(
    "--input-format",
    type=click.Choice(["jsonl", "envelopes", "parquet"]),
    default="jsonl",
    show_default=True,
    help="jsonl: a body a line. envelopes: a line of JSON with id, sent_ms and body. parquet: these as columns. Lines "
    "may be compressed (.gz).",
)
@click.option("--id-column", default=ID, show_default=True, metavar="NAME", help="Parquet: the message ids.")
@click.option("--sent-column", default=SENT, show_default=True, metavar="NAME", help="Parquet: ms or a timestamp.")
@click.option("--body-column", default=BODY, show_default=True, metavar="NAME", help="Parquet: text or bytes.")
@click.option("--no-ids", is_flag=True, help="Parquet: there are only bodies.")
@click.option("--sent-at", callback=_time, metavar="TIME", help="When bodies without ids count as sent (UTC).")
@click.option("--to", type=click.Choice(["postgres", "parquet"]), default="postgres", show_default=True, help="Where.")
@click.option("--output", metavar="PATH", help="Folder for --to parquet; rows/ and quarantine/ are made in it.")
@click.option("--overwrite", is_flag=True, help="Replace what is in --output.")
@click.option(
    "--connections",
    type=click.IntRange(1, 1_000),
    default=DEFAULT_CONNECTIONS,
    show_default=True,
    metavar="N",
    help="Most tasks that load at once, each with a connection (two with a vault).",
)
@click.option("--master", metavar="URL", help="Spark master. Default: what spark-submit or Spark's files say.")
@click.option("--force", is_flag=True, help="Load also what the ledger no longer knows: rows of it may double.")
def spark(
    frame: Frame,
    *,
    inputs: tuple[str, ...],
    input_format: Format,
    id_column: str,
    sent_column: str,
    body_column: str,
    no_ids: bool,
    sent_at: int | None,
    to: str,
    output: str | None,
    overwrite: bool,
    connections: int,
    master: str | None,
    force: bool,
) -> None:
    """Load archived events by Spark, as a worker would have: same masks, same tokens, same ledger.

    What is in the table already is a duplicate and not loaded again, so the job may be killed and run again, and
    workers may run meanwhile. Bodies without ids need `dedupe` by content or fields.

    Keys and connection strings are read by each task from the environment of its executor, never through Spark.

    Exit code 5 if something was passed over because it is older than [sink] ledger_days.
    """
    settings = frame.settings()
    plan = plan_of(settings, input_format, has_ids=not no_ids, sent_ms=sent_at, force=force or to == "parquet")
    if (to == "parquet") != (output is not None):
        raise click.UsageError("--to parquet and --output go together")
    require_spark()
    from sofetch.spark import job
    from sofetch.spark.lake import require_lake

    if to == "parquet":
        require_lake(settings)
    session = job.open_session(master=master)
    try:
        session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(settings.batch.max_messages))
        job.check(session, plan, database=to == "postgres")
        rows = job.read_input(session, inputs, plan, job.Names(id_column, sent_column, body_column))
        if output is None:
            done = job.load(rows, plan, connections=connections)
        else:
            done = job.write(rows, plan, settings, to=output.rstrip("/"), overwrite=overwrite)
    finally:
        session.stop()
    _tell(frame, done)


def plan_of(settings: Settings, input_format: Format, *, has_ids: bool, sent_ms: int | None, force: bool) -> Plan:
    """The plan of a job. ConfigError where rows would have no identity, or a column no time of sending."""
    plan = Plan(
        settings=msgspec.json.encode(settings), input=input_format, has_ids=has_ids, sent_ms=sent_ms, force=force
    )
    if not plan.is_bare:
        return plan
    if settings.sink.dedupe == "message":
        raise ConfigError(
            'the input has no message ids, and [sink] dedupe = "message" goes by them: a task that runs twice would '
            "load its rows twice",
            hint="give ids (--input-format envelopes or parquet), or set SOFETCH_SINK_DEDUPE=content for this job, "
            "where equal bodies are one event",
        )
    timed = [column.name for column in settings.column if column.value in {"sent_time", "sent_date"}]
    if timed and sent_ms is None:
        raise ConfigError(
            f"{', '.join(timed)} is the time of sending, and the input does not say it",
            hint="say when its bodies were sent: --sent-at 2026-11-26",
        )
    return plan


def require_spark() -> None:
    """ConfigError where the extra is not installed."""
    missing = [name for name in ("pyspark", "pyarrow", "pandas") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{' and '.join(missing)} not installed", hint="pip install 'sofetch[spark]', here and on the executors"
        )


def _tell(frame: Frame, done: Result) -> None:
    if frame.json:
        frame.data({name: value for name, value in msgspec.to_builtins(done).items() if name != "failure"})
    else:
        for name in ("read", "loaded", "duplicates", "quarantined", "too_old"):
            frame.say(f"{name.replace('_', ' '):<12} {getattr(done, name):>12,}")
        for reason, number in sorted(done.reasons.items()):
            frame.note(f"  quarantined as {reason}: {number:,}")
    if done.too_old:
        frame.warn(f"{done.too_old:,} messages are older than the ledger knows and were passed over; see --force")
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def main() -> NoReturn:
    """Run the command and exit: the ``sofetch-spark`` script, and what spark-submit is given."""
    hide_data_in_tracebacks()
    hide_words_of_libraries()
    frame = Frame()
    try:
        code = spark.main(sys.argv[1:], "sofetch-spark", standalone_mode=False, obj=frame) or ExitCode.OK
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the last place that can say anything
        code = report(error, as_json=frame.json)
    sys.exit(int(code))
