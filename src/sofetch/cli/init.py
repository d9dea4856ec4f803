"""``sofetch init``: the first sofetch.toml. What it says is ``sofetch.config``'s and ``sofetch.infer``'s."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
from pathlib import Path

import click

from sofetch.cli.frame import QUEUE_ENV, Frame, command
from sofetch.cli.lines import open_lines
from sofetch.errors import ConfigError

_SAMPLE_MESSAGES = 2_000
_SAMPLE_WAITING = 100
_STDOUT = "-"
_DEFAULT_TABLE = "events"


@command(
    "init",
    example="sofetch init --preset logins\nsofetch init --from events.jsonl --queue events --table events\n"
    "sofetch init --from-queue --queue events --table events",
    environment=(QUEUE_ENV,),
    config=False,
)
@click.option("--preset", metavar="NAME", help="Start from a shipped example: logins (the default).")
@click.option("--from", "sample", metavar="FILE|-", help="Infer columns and masks from JSONL messages.")
@click.option("--from-queue", is_flag=True, help="Infer them from messages that wait in --queue; none is taken.")
@click.option("-o", "--output", default="sofetch.toml", show_default=True, metavar="FILE|-", help="Where to write.")
@click.option("--queue", metavar="NAME|URL", help="Queue to name in the configuration.")
@click.option("--table", metavar="NAME", help="Table to name in the configuration.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def init(
    frame: Frame,
    *,
    preset: str | None,
    sample: str | None,
    from_queue: bool,
    output: str,
    queue: str | None,
    table: str | None,
    force: bool,
) -> None:
    """Write a commented sofetch.toml: from a preset, or from messages in a file or a queue.

    From messages, columns and types are inferred, and likely personal fields are recognised by name and form and given
    a mask. Read the result before you run it: a field that holds personal data and is not masked goes in as it is.

    Of a file the first 2,000 messages are looked at, of a queue 100 that wait. A look at a message of the queue raises
    its receive count by one: where there is a redrive policy, it brings it nearer to the dead-letter queue.
    """
    if sum((preset is not None, sample is not None, from_queue)) > 1:
        raise click.UsageError("choose one of --preset, --from and --from-queue")
    _refuse_existing(output, force=force)
    if sample is not None:
        text = _from_file(frame, sample, queue=queue, table=table)
    elif from_queue:
        text = _from_queue(queue, table=table)
    else:
        text = _from_preset(preset or "logins", queue=queue, table=table)
    _write(frame, output, text, tests=_tests_from(sample, from_queue=from_queue))


def _tests_from(sample: str | None, *, from_queue: bool) -> str:
    """How first tests of the configuration are written from the same messages, where they can be had again."""
    if sample is None or sample == _STDOUT:
        return "--from-queue" if from_queue else ""
    return f"--from {shlex.quote(sample)}"


def _from_preset(name: str, *, queue: str | None, table: str | None) -> str:
    from sofetch.config import PRESETS, preset

    if name not in PRESETS:
        raise ConfigError(f"there is no preset `{name}`", hint=f"presets: {', '.join(PRESETS)}")
    text = preset(name)
    for key, value in (("queue", queue), ("table", table)):
        if value is not None:
            text = _replace(text, key, value)
    return text


def _replace(text: str, key: str, value: str) -> str:
    line = f"{key} = {json.dumps(value)}"
    return re.sub(rf"^{key} = .*$", lambda _match: line, text, count=1, flags=re.MULTILINE)


def _from_file(frame: Frame, path: str, *, queue: str | None, table: str | None) -> str:
    with open_lines(path) as lines:
        sound = (line.body for line in lines if line.problem is None)
        bodies = list(itertools.islice(sound, _SAMPLE_MESSAGES))
        more = next(sound, None) is not None
    if more:
        frame.warn(f"only the first {_SAMPLE_MESSAGES:,} messages were looked at; `sofetch scan FILE` looks at all")
    if not bodies:
        raise ConfigError(f"{path} holds no message", hint="give at least one line of JSON")
    return _infer(bodies, queue=queue or "my-queue", table=table or _DEFAULT_TABLE)


def _from_queue(queue: str | None, *, table: str | None) -> str:
    named = queue or os.environ.get("SOFETCH_SOURCE_QUEUE")
    if not named:
        raise click.UsageError("--from-queue needs --queue")
    bodies = _waiting(named)
    if not bodies:
        raise ConfigError(f"no message waits in {named}", hint="send some, or use --from FILE")
    return _infer(bodies, queue=named, table=table or _DEFAULT_TABLE)


def _waiting(queue: str) -> list[bytes]:
    from sofetch.cli.queues import source_settings
    from sofetch.source.control import QueueControl

    with QueueControl.open(source_settings(queue)) as control:
        return [message.body for message in control.peek(_SAMPLE_WAITING)]


def _infer(bodies: list[bytes], *, queue: str, table: str) -> str:
    from sofetch.infer import infer_config

    return infer_config(bodies, queue=queue, table=table)


def _refuse_existing(output: str, *, force: bool) -> None:
    if output != _STDOUT and not force and Path(output).exists():
        raise ConfigError(f"{output} exists already", hint="--force replaces it, -o names another file")


def _write(frame: Frame, output: str, text: str, *, tests: str) -> None:
    if output == _STDOUT:
        click.echo(text, nl=not text.endswith("\n"))
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}", hint="-o names another file") from None
    if frame.json:
        frame.data({"file": str(Path(output).resolve())})
        return
    frame.say(f"wrote {output}")
    frame.note(_next_steps(output, tests))


def _next_steps(output: str, tests: str) -> str:
    chosen = "" if output == "sofetch.toml" else f" -c {output}"
    return "\n".join(
        (
            "",
            "Next:",
            f"  1. read {output}: is every personal field masked?",
            "  2. sofetch keys new -o keyring.json && export SOFETCH_KEYRING_FILE=$PWD/keyring.json",
            "  3. export SOFETCH_SINK_DSN=postgresql://user:password@host/database",
            f"  4. sofetch check{chosen}",
            f"  5. sofetch schema --apply{chosen}",
            f"  6. sofetch run{chosen}",
            *([f"Tests of it, with every value made up: sofetch test --write {tests}{chosen}"] if tests else []),
        )
    )
