"""``sofetch quarantine replay``: what was refused, tried again after a fix.

Owns what is asked and told; how a replay stays exactly once is ``sofetch.replay``'s and the sink's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, VAULT_ENV, Frame, command
from sofetch.cli.selected import keys_argument, reason_option, selection
from sofetch.cli.text import count, shown
from sofetch.errors import ExitCode

if TYPE_CHECKING:
    from sofetch.replay import Replayed

_EXAMPLE = """\
sofetch quarantine replay --reason too_long --dry-run
sofetch quarantine replay --reason too_long
sofetch quarantine replay --all --limit 10000
"""


@command("replay", example=_EXAMPLE, environment=(SINK_ENV, KEY_ENV, VAULT_ENV, OVERRIDE_ENV))
@keys_argument
@reason_option
@click.option("--all", "everything", is_flag=True, help="Every entry of this pipeline.")
@click.option("--dry-run", is_flag=True, help="Try it and undo it: say what would load, change nothing.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Try at most so many. Default: all selected.")
def replay(
    frame: Frame, *, keys: tuple[str, ...], reasons: tuple[str, ...], everything: bool, dry_run: bool, limit: int | None
) -> None:
    """Load quarantined messages, after the configuration or the table was mended.

    Their bodies are opened with the keyring and go through the same decoding, masking and loading, under the key of
    their first delivery: the row goes in and the entry goes out in one transaction, so that nothing is loaded twice.
    Workers and other replays may run meanwhile. What still does not fit stays, with one attempt more and the reason of
    now. It can be stopped and run again at any time.

    Sent time and message id are those of the first delivery. Message attributes and groups are not kept, unless they
    came in an envelope: where a column takes its value from one, replay refuses. `receive_time` is the time of the
    first refusal. Exit code 5 if something still does not fit, 4 if a body does not open with this keyring.
    """
    from sofetch import replay as replaying
    from sofetch.load.quarantine.selection import Selection

    chosen = selection(keys, reasons, other=everything, other_name="--all")
    if chosen is None and not everything:
        raise click.UsageError("say what to replay: KEYs, --reason, or --all")
    done = replaying.replay(
        frame.settings(),
        chosen or Selection(),
        environ=os.environ,
        dry_run=dry_run,
        limit=limit,
        told=_told(frame),
    )
    if frame.json:
        frame.data(_as_json(done))
    for line in _in_words(done):
        frame.say(line)
    if done.unopened:
        raise SystemExit(ExitCode.KEYS)
    if done.refused:
        raise SystemExit(ExitCode.FINDINGS)


def _told(frame: Frame) -> Callable[[int], None] | None:
    """A note after each commit, for someone who waits at a terminal."""
    if not sys.stderr.isatty():
        return None
    return lambda tried: frame.note(f"{count(tried, 'entry', 'entries')} tried")


def _as_json(done: Replayed) -> dict[str, object]:
    refused = [{"reason": fault.reason, "field": fault.field, "count": n} for fault, n in done.refused.items()]
    return {
        "dry_run": done.dry_run,
        "loaded": done.loaded,
        "duplicates": done.duplicates,
        "refused": refused,
        "unopened": dict(done.unopened),
        "remaining": done.remaining,
    }


def _in_words(done: Replayed) -> Iterator[str]:
    if done.dry_run:
        yield click.style("Dry run: nothing was changed", bold=True)
    if not (done.loaded or done.duplicates or done.refused or done.unopened or done.remaining):
        yield "no such entry in quarantine: nothing to load"
        return
    would = "would load" if done.dry_run else "loaded"
    yield f"{would} {count(done.loaded, 'message')}"
    if done.duplicates:
        yield f"{count(done.duplicates, 'message')} the same as a row by `dedupe`: out of the quarantine, no second row"
    for fault, number in sorted(done.refused.items(), key=lambda pair: -pair[1]):
        where = f" in {shown(fault.field)}" if fault.field else ""
        yield f"{count(number, 'message')} still {'does' if number == 1 else 'do'} not fit: {fault.reason}{where}"
    for kid, number in done.unopened.items():
        yield f"{count(number, 'body', 'bodies')} sealed with key {shown(kid)} did not open with this keyring"
    if not done.dry_run:
        yield f"{count(done.remaining, 'entry', 'entries')} of this selection left in quarantine"
