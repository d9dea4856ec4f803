"""Log lines hold event fields and nothing else, whatever a library or a stray exception says."""

from __future__ import annotations

import errno
import io
import json
import logging
import resource
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from sofetch.events import (
    BatchDone,
    Event,
    Events,
    LibraryWarning,
    MessagesQuarantined,
    Outage,
    Unexpected,
    event_types,
)
from sofetch.observe.log import contain_stray_output, log_writer
from sofetch.settings import LogSettings

CANARY = "canary-199.172.111.135"


class Noon:
    def now_ms(self) -> int:
        return 1_700_000_000_123

    def monotonic(self) -> float:
        return 0.0


QUARANTINED = MessagesQuarantined(reason="not_json", field=None, count=2)
BATCH = BatchDone(
    messages=3, loaded=1, duplicates=0, quarantined=2, retried=0, body_bytes=9, milliseconds=4, oldest_age_ms=None
)


def written(settings: LogSettings, *events: Event) -> str:
    stream = io.StringIO()
    write = log_writer(settings, clock=Noon(), stream=stream)
    for event in events:
        write(event)
    return stream.getvalue()


def test_json_lines_carry_time_level_event_and_its_fields() -> None:
    line = json.loads(written(LogSettings(format="json"), QUARANTINED))
    assert line == {
        "time": "2023-11-14T22:13:20.123Z",
        "level": "warning",
        "event": "messages_quarantined",
        "reason": "not_json",
        "field": None,
        "count": 2,
    }


def test_pretty_lines_leave_out_what_is_empty_and_have_no_colour_outside_a_terminal() -> None:
    line = written(LogSettings(format="pretty"), QUARANTINED)
    assert line == "22:13:20 warning messages quarantined  reason=not_json  count=2\n"


def test_lines_below_the_level_are_not_written() -> None:
    assert written(LogSettings(level="error"), QUARANTINED, BATCH) == ""
    assert written(LogSettings(level="debug", format="json"), BATCH) != ""


def test_every_event_is_named_once_and_says_what_it_is() -> None:
    names = [kind.__struct_config__.tag for kind in event_types()]
    assert len(names) == len(set(names)) > 8
    assert all(kind.__doc__ for kind in event_types())


def test_counters_grow_with_the_events() -> None:
    events = Events()
    events.emit(BATCH)
    events.emit(BATCH)
    events.emit(QUARANTINED)
    assert events.counters()["sofetch_messages_received_total", ""] == 2 * BATCH.messages
    assert events.counters()["sofetch_rows_loaded_total", ""] == 2 * BATCH.loaded
    assert events.counters()["sofetch_batches_total", ""] == 2
    assert events.counters()["sofetch_quarantined_total", "not_json"] == 2


@pytest.fixture
def contained() -> Iterator[list[Event]]:
    seen: list[Event] = []
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook, sys.unraisablehook)
    core_limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (core_limits[1], core_limits[1]))  # as far as this machine allows
    handlers = root.handlers[:]
    contain_stray_output(Events(seen.append))
    yield seen
    root.handlers[:] = handlers
    logging.captureWarnings(capture=False)
    resource.setrlimit(resource.RLIMIT_CORE, core_limits)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.mark.usefixtures("contained")
def test_a_crash_leaves_no_core_file() -> None:
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] in {0, 1}  # see test_cores


def test_a_librarys_warning_is_reduced_to_its_name(contained: list[Event], capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("some.library").warning("row was %s", CANARY)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(CANARY, stacklevel=1)
    assert next(event for event in contained if isinstance(event, LibraryWarning)).logger == "some.library"
    assert CANARY not in repr(contained) + "".join(capfd.readouterr())


def test_an_exception_in_a_thread_tells_its_type_and_place_and_not_its_text(
    contained: list[Event], capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError(CANARY)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [type(event) for event in contained] == [Unexpected]
    event = contained[0]
    assert isinstance(event, Unexpected)
    assert event.error == "ValueError"
    assert event.place.startswith("test_log.py:")
    assert CANARY not in repr(contained) + "".join(capfd.readouterr())


def test_an_outage_line_says_what_and_when_again() -> None:
    outage = Outage(
        dependency="database", code="sink_unavailable", what="away", sqlstate="57P01", attempt=1, retry_in_seconds=0.2
    )
    line = json.loads(written(LogSettings(format="json"), outage))
    assert (line["sqlstate"], line["retry_in_seconds"]) == ("57P01", 0.2)


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "no space")


class Left(io.StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_a_line_that_does_not_fit_on_the_disk_stops_nothing() -> None:
    log_writer(LogSettings(), clock=Noon(), stream=Full())(QUARANTINED)


def test_a_reader_that_left_is_told() -> None:
    with pytest.raises(BrokenPipeError):
        log_writer(LogSettings(), clock=Noon(), stream=Left())(QUARANTINED)
