"""Whether an hour of the archive is sound: its files held against its manifests, and opened where there are keys.

Owns the verdicts. A file that a crash cut off is sound to its last whole frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sofetch.archive.manifest import ArchivedFile
from sofetch.archive.place import Listed, Place, writer_of
from sofetch.archive.reading import HourFiles, Looked, look_at_file, read_manifest
from sofetch.archive.sealing import ArchiveKey
from sofetch.errors import ArchiveDamaged
from sofetch.findings import Finding

_COPY = "look for a copy of the file"
_MAKE = "`sofetch archive manifest` makes it once the hour is over"


def check_hour(place: Place, hour: HourFiles, *, keys: Sequence[ArchiveKey]) -> Iterator[Finding]:
    """What is not as it should be, file by file. Raises KeyringError where none of the keys is a file's."""
    listed: dict[str, ArchivedFile] = {}
    for manifest in hour.manifests:
        try:
            listed |= {file.name: file for file in read_manifest(place, manifest.name).files}
        except ArchiveDamaged as error:
            yield _said("error", manifest.name, error.what, "make it again: delete it, and `sofetch archive manifest`")
    there = {one.name.rpartition("/")[2] for one in hour.files}
    for name in sorted(listed.keys() - there):
        yield _said("error", hour.hour.prefix + name, "the manifest has it, and it is not there", _COPY)
    for writer in hour.without_manifest:
        yield _said(
            "warning", f"{hour.hour.prefix}{writer}", "there is no manifest: what is there is all there is", _MAKE
        )
    without = set(hour.without_manifest)
    for one in hour.files:
        yield from _check_file(place, one, listed, known=writer_of(one.name) not in without, keys=keys)


def _check_file(
    place: Place, one: Listed, listed: dict[str, ArchivedFile], *, known: bool, keys: Sequence[ArchiveKey]
) -> Iterator[Finding]:
    looked = look_at_file(place, one, keys=keys)
    expected = listed.get(looked.file.name)
    problem = looked.damage or _differs(looked, expected)
    if problem is not None:
        yield _said("error", one.name, problem, _COPY)
    elif looked.cut_off and expected is None:
        what = f"a crash cut it off; its {looked.file.messages:,} messages are whole, what was cut off came again"
        yield _said("warning", one.name, what, "there is nothing to do")
    elif known and expected is None:
        what = "its writer's manifest does not have it: the answer to its writing was lost, and it was written again"
        yield _said("warning", one.name, what, "there is nothing to do: its messages are in another file too")


def _differs(looked: Looked, expected: ArchivedFile | None) -> str | None:
    if expected is None or looked.file == expected:
        return None
    if looked.file.bytes != expected.bytes:
        return f"it has {looked.file.bytes:,} bytes, and the manifest says {expected.bytes:,}"
    return "it is not what the manifest's SHA-256 is of"


def _said(severity: str, where: str, what: str, hint: str) -> Finding:
    code = "archive_damaged" if severity == "error" else "archive_incomplete"
    return Finding(severity="error" if severity == "error" else "warning", code=code, where=where, what=what, hint=hint)
