"""Writing an archive: durable before it counts, the turn of the hour, manifests, and a place that is away or full."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from archiving import KEY, NOON_MS, MemoryPlace, message, writer
from sofetch.archive.checking import check_hour
from sofetch.archive.folder import Folder
from sofetch.archive.manifest import Manifest
from sofetch.archive.place import Hour, Place, file_name, hour_of, pipeline_prefix, writer_of
from sofetch.archive.reading import hours, make_manifest, read_manifest, read_messages
from sofetch.errors import ArchiveRefused, ArchiveUnavailable
from sofetch.events import ArchiveUnfinished, HourArchived
from sofetch.testing import FakeClock

PIPELINE = "user_logins"


def manifests(place: Place) -> list[Manifest]:
    return [read_manifest(place, one.name) for hour in hours(place, PIPELINE) for one in hour.manifests]


def archived(place: Place) -> list[str]:
    """The ids in all files, in order."""
    files = [file.name for hour in hours(place, PIPELINE) for file in hour.files]
    return [one.id for name in files for batch in read_messages(place, name, [KEY]) for one in batch]


def findings(place: Place) -> list[tuple[str, str]]:
    return [(one.severity, one.what) for hour in hours(place, PIPELINE) for one in check_hour(place, hour, keys=[KEY])]


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Folder(str(tmp_path / "archive")) if request.param == "folder" else MemoryPlace()


def test_a_manifest_counts_what_was_archived_by_the_hour_of_sending(place: Place) -> None:
    archive, told = writer(place)
    archive.keep([message(1), message(2, sent_ms=NOON_MS - 3_600_000, receive_count=2)])
    archive.keep([message(3, sent_ms=None)])
    archive.close()
    [made] = manifests(place)
    assert (made.hour, made.messages, made.redelivered, made.made_by) == ("2026-11-26T12", 3, 1, "worker")
    assert made.sent_hours == {"2026-11-26T11": 2, "unknown": 1}
    assert (made.first_sent_ms, made.last_sent_ms) == (NOON_MS - 3_600_000, NOON_MS - 7_000)
    assert findings(place) == []
    [event] = told
    assert isinstance(event, HourArchived)
    assert (event.hour, event.messages) == ("2026-11-26T12", 3)


def test_the_turn_of_the_hour_closes_it_with_a_batch_or_without(place: Place) -> None:
    clock = FakeClock(now_ms=NOON_MS)
    archive, _ = writer(place, clock)
    archive.keep([message(1)])
    archive.rest()
    assert manifests(place) == []
    clock.advance(3_600)
    archive.keep([message(2)])
    clock.advance(3_600)
    archive.rest()
    archive.close()
    assert [(made.hour, made.messages) for made in manifests(place)] == [("2026-11-26T12", 1), ("2026-11-26T13", 1)]


def test_what_a_killed_worker_left_without_a_manifest_gets_the_one_it_would_have_written(place: Place) -> None:
    archive, _ = writer(place)
    archive.keep([message(1), message(2)])
    [hour] = hours(place, PIPELINE)
    [one] = hour.without_manifest
    made = make_manifest(place, hour, one)
    assert made is not None
    assert (made.made_by, made.messages, made.files[0].ended) == ("command", 2, place.appends is False)
    assert findings(place) == []
    archive.close()
    assert [again.made_by for again in manifests(place)] == ["worker"]


def test_a_file_that_is_gone_shortened_or_altered_is_found_by_its_manifest_without_a_key(tmp_path: Path) -> None:
    place = Folder(str(tmp_path))
    archive, _ = writer(place)
    archive.keep([message(1)])
    archive.close()
    [file] = tmp_path.rglob("*.sfa")
    content = file.read_bytes()
    for wrong in (content[:-40], content[:200] + b"?" + content[201:]):
        file.write_bytes(wrong)
        [hour] = hours(place, PIPELINE)
        assert [one.severity for one in check_hour(place, hour, keys=[])] == ["error"]
    file.unlink()
    assert [severity for severity, what in findings(place) if "not there" in what] == ["error"]


def test_a_full_disk_keeps_what_was_whole_and_the_next_try_begins_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Folder(str(tmp_path))
    archive, _ = writer(place)
    archive.keep([message(1)])
    write, full = os.write, True

    def filling(descriptor: int, data: Any) -> int:
        if full:
            write(descriptor, bytes(data)[:20])
            raise OSError(errno.ENOSPC, "full")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", filling)
    for _ in range(3):
        with pytest.raises(ArchiveUnavailable, match="No space left"):
            archive.keep([message(2)])
    full = False
    archive.keep([message(2)])
    archive.close()
    assert archived(place) == [message(1).id, message(2).id]
    assert findings(place) == []
    assert len([*tmp_path.rglob("*.sfa")]) == 2  # the tries that came to nothing left nothing


def test_a_lost_answer_leaves_a_message_twice_and_never_not_at_all() -> None:
    place = MemoryPlace()
    archive, told = writer(place)
    place.fail = 1
    with pytest.raises(ArchiveUnavailable):
        archive.keep([message(1)])
    archive.keep([message(1)])
    assert archived(place) == [message(1).id]
    place.fail = 1
    archive.close()
    assert [type(event) for event in told] == [ArchiveUnfinished]
    assert [severity for severity, _ in findings(place)] == ["warning"]


def test_an_hour_that_cannot_be_closed_is_tried_again_and_nothing_is_archived_before_it_is() -> None:
    place, clock = MemoryPlace(), FakeClock(now_ms=NOON_MS)
    archive, told = writer(place, clock)
    archive.keep([message(1)])
    clock.advance(3_600)
    place.fail = 3
    archive.rest()
    archive.rest()
    with pytest.raises(ArchiveUnavailable):
        archive.keep([message(2)])
    archive.keep([message(2)])
    archive.close()
    assert [made.messages for made in manifests(place)] == [1, 1]
    assert [type(event) for event in told] == [ArchiveUnfinished, HourArchived, HourArchived]


def test_a_folder_that_may_not_be_written_to_is_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArchiveRefused):
        Folder(str(tmp_path / "file" / "archive")).prepare()
    assert Folder(str(tmp_path / "file")).check().severity == "error"
    place = Folder(str(tmp_path / "a" / "b"))
    assert place.check().severity == "ok"
    place.prepare()
    assert [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "a", tmp_path / "a" / "b")] == ["0o700"] * 2


@pytest.mark.parametrize(("free_bytes", "severity"), [(64 * 2**20, "ok"), (2**20, "warning"), (40_000, "error")])
def test_the_check_of_a_folder_says_when_its_disk_is_nearly_or_wholly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int, severity: str
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    found = Folder(str(tmp_path)).check()
    assert found.severity == severity
    assert severity == "ok" or "archive expire" in found.hint


def test_nobody_but_the_worker_reads_its_files_and_removed_hours_leave_no_folder(tmp_path: Path) -> None:
    place = Folder(str(tmp_path))
    archive, _ = writer(place)
    archive.keep([message(1)])
    archive.close()
    assert {oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*") if path.is_file()} == {"0o600"}
    place.remove([one.name for one in place.names("")])
    assert [*tmp_path.iterdir()] == []


def test_names_that_are_no_file_of_an_hour_are_passed_over() -> None:
    odd = Hour("2026-11-26T19", "public.Ü/x ?")
    assert hour_of(f"{odd.prefix}a-000000.sfa") == (odd, "a-000000.sfa")
    assert pipeline_prefix("a/b") == "pipeline=a%2Fb/"
    assert [hour_of(name) for name in ("x", "pipeline=a/date=x/hour=1/y", ".sofetch")] == [None] * 3


def test_a_writer_is_known_by_its_files_and_its_manifest_though_its_name_be_all_digits() -> None:
    one = "20261126T191502Z-12345678"
    assert {writer_of(f"x/{name}") for name in (file_name(one, 0), file_name(one, 1_234_567), f"{one}.json")} == {one}


def test_a_manifest_is_json_that_anybody_reads(tmp_path: Path) -> None:
    place = Folder(str(tmp_path))
    archive, _ = writer(place)
    archive.keep([message(1)])
    archive.close()
    [file] = tmp_path.rglob("*.json")
    assert json.loads(file.read_text())["format"] == "sofetch-archive/1"


def test_what_is_kept_is_on_the_disk_before_it_is_answered_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Folder(str(tmp_path))
    archive, _ = writer(place)
    calls: list[str] = []
    write, sync = os.write, os.fsync

    def writing(descriptor: int, data: Any) -> int:
        calls.append("write")
        return write(descriptor, data)

    def syncing(descriptor: int) -> None:
        calls.append("file" if stat.S_ISREG(os.fstat(descriptor).st_mode) else "folder")
        sync(descriptor)

    monkeypatch.setattr(os, "write", writing)
    monkeypatch.setattr(os, "fsync", syncing)
    archive.keep([message(1)])
    assert calls == ["folder"] * 4 + ["write", "file"]  # the pipeline's, the day's, the hour's, and the file's own name
    calls.clear()
    archive.keep([message(2)])
    assert calls == ["write", "file"]


class _Stepped(FakeClock):
    """A clock that somebody sets, back too."""

    def __init__(self) -> None:
        super().__init__(now_ms=NOON_MS)
        self.off_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.off_ms


def test_a_clock_that_goes_back_over_the_hour_overwrites_nothing_and_stops_nothing(place: Place) -> None:
    """By a second of NTP's, or by two days that somebody mistook: what is archived stays, and all of it is listed."""
    clock = _Stepped()
    archive, _ = writer(place, clock)
    numbers = iter(range(1, 100))
    for off_ms in (0, 3_600_000, 0, 3_600_000, -7_200_000, 0):
        clock.off_ms = off_ms
        archive.keep([message(next(numbers))])
        archive.keep([message(next(numbers))])
    archive.close()
    assert sorted(archived(place)) == sorted(message(number).id for number in range(1, 13))
    assert sum(made.messages for made in manifests(place)) == 12
    assert findings(place) == []
