"""``sofetch quarantine export``: entries to a file, sealed as they are.

Owns the form of a line. It must not open a body: no key is needed here.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from sofetch.cli.frame import OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.selected import keys_argument, reason_option, selection
from sofetch.cli.text import count, to_json
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.load.quarantine.entries import SealedEntry


@command(
    "export",
    example="sofetch quarantine export 019ab0c4-5e1c-7c2e-9f8e-2b1d4a6f8c01 -o entry.jsonl\n"
    "sofetch quarantine export --reason not_json -o entries.jsonl",
    environment=(SINK_ENV, OVERRIDE_ENV),
)
@keys_argument
@reason_option
@click.option("--all", "everything", is_flag=True, help="Every entry of this pipeline.")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="New file, mode 0600."
)
def export(frame: Frame, *, keys: tuple[str, ...], reasons: tuple[str, ...], everything: bool, output: Path) -> None:
    """Write quarantined messages to a file, sealed as they are: one JSON object a line, nothing in the clear.

    A body is base64 of nonce, AES-256-GCM ciphertext and tag, bound to the pipeline's name and the entry's key. Only
    the keyring opens it. The entries stay in quarantine. An existing file is not touched.
    """
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine.entries import read_sealed
    from sofetch.load.quarantine.selection import Selection

    chosen = selection(keys, reasons, other=everything, other_name="--all")
    if chosen is None and not everything:
        raise click.UsageError("say what to export: KEYs, --reason, or --all")
    settings = frame.settings()
    found = read_sealed(settings, chosen or Selection(), dsn=resolve_dsn(settings.sink, environ=os.environ))
    with _new_file(output) as file:
        number = 0
        for number, one in enumerate(found, start=1):  # noqa: B007 - the last number is how many
            file.write(_line(one, settings.pipeline_name))
        if not number:
            raise ConfigError("no such entry: nothing was written", hint="`sofetch quarantine list` lists them")
    if frame.json:
        frame.data({"pipeline": settings.pipeline_name, "file": str(output), "entries": number})
    frame.say(f"wrote {count(number, 'entry', 'entries')}, sealed, to {output}")


def _line(one: SealedEntry, pipeline: str) -> bytes:
    entry = {name: getattr(one.entry, name) for name in one.entry.__struct_fields__}
    sealed = base64.b64encode(one.sealed_body).decode()
    return to_json({"pipeline": pipeline, **entry, "sealed_body": sealed}).encode() + b"\n"


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is there when it is whole and synced, and else not at all."""
    place = path.expanduser()
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}", hint="name a file that is not there") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        place.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}", hint="is the disk full?") from None
    except BaseException:
        place.unlink(missing_ok=True)
        raise
