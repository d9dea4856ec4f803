"""One invocation: what is loaded, what comes again, what is raised; with ports in memory and time that is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lambda_runtime.events import damaged, event, fifo_record, record
from masking import masker, settings
from sofetch.aws_lambda.batch import Invocation, failure, parts
from sofetch.decode import compile_decoder
from sofetch.errors import EventError, SinkRefused, SinkUnavailable, SofetchError, SourceUnavailable
from sofetch.events import BatchDone, Event, Events, Failed, LeftForTime, MessagesDamaged, Outage, Unexpected
from sofetch.pipeline import Steps
from sofetch.record import LoadResult, MaskedRecord, Message, Reason, SealedRejection
from sofetch.settings import BatchSettings, ColumnSettings
from sofetch.testing import FakeClock, MemorySink

COLUMN = ColumnSettings(name="user_id", required=True)
AN_HOUR = 3_600_000
PLENTY: Callable[[], int] = lambda: AN_HOUR  # noqa: E731


class SlowSink(MemorySink):
    """Takes its time, which the clock shows, and raises what is planned, load by load."""

    def __init__(self, clock: FakeClock, *, seconds: float = 0, raises: Sequence[Exception | None] = ()) -> None:
        super().__init__()
        self._clock = clock
        self._seconds = seconds
        self._raises = list(raises)

    def load(self, records: Sequence[MaskedRecord], rejections: Sequence[SealedRejection]) -> list[LoadResult]:
        self._clock.advance(self._seconds)
        if self._raises and (error := self._raises.pop(0)) is not None:
            raise error
        return super().load(records, rejections)


class Shell:
    """An invocation round a sink in memory."""

    def __init__(self, sink: MemorySink | None = None, *, batch: int = 1_000, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.sink = sink or MemorySink()
        self.told: list[Event] = []
        self._batch = BatchSettings(max_messages=batch)

    def invocation(self, remaining_ms: Callable[[], int] = PLENTY) -> Invocation:
        return Invocation(
            steps=Steps(compile_decoder(settings(COLUMN)), masker(COLUMN), self.sink),
            queue="logins",
            batch=self._batch,
            clock=self.clock,
            events=Events(self.told.append),
            remaining_ms=remaining_ms,
        )

    def users(self) -> list[object]:
        return [values[0] for values in self.sink.rows.values()]


def login(at: int) -> dict[str, Any]:
    return record(json.dumps({"user_id": f"u{at}"}), queue="logins", message_id=f"m{at}")


def in_group(group: str, at: int, *, body: str | None = None) -> dict[str, Any]:
    text = json.dumps({"user_id": f"{group}{at}"}) if body is None else body
    return fifo_record(text, queue="logins", group=group, place=at, message_id=f"{group}{at}")


def test_a_sound_batch_is_loaded_in_batches_of_the_configured_size_and_nothing_comes_again() -> None:
    shell = Shell(batch=40)
    invocation = shell.invocation()
    assert invocation.run(event([login(at) for at in range(100)])) == []
    assert shell.users() == [f"u{at}" for at in range(100)]
    assert [one.messages for one in shell.told if isinstance(one, BatchDone)] == [40, 40, 20]
    assert invocation.counts == {"received": 100, "failures": 0, "loaded": 100, "duplicates": 0, "quarantined": 0}


def test_a_message_that_does_not_fit_is_quarantined_and_does_not_come_again() -> None:
    shell = Shell()
    invocation = shell.invocation()
    assert invocation.run(event([login(1), record("nonsense", queue="logins"), login(2)])) == []
    assert (len(shell.sink.rows), len(shell.sink.quarantine), invocation.counts["quarantined"]) == (2, 1, 1)


def test_a_redelivery_is_a_duplicate() -> None:
    shell = Shell()
    shell.invocation().run(event([login(1)]))
    again = shell.invocation()
    assert again.run(event([login(1), login(2)])) == []
    assert (again.counts["loaded"], again.counts["duplicates"], len(shell.sink.rows)) == (1, 1, 2)


def test_a_damaged_message_comes_again_and_is_told_of() -> None:
    shell = Shell()
    assert shell.invocation().run(event([damaged(login(1)), login(2)])) == ["m1"]
    assert [one.count for one in shell.told if isinstance(one, MessagesDamaged)] == [1]
    assert shell.users() == ["u2"]


def test_an_empty_batch_is_done() -> None:
    assert Shell().invocation().run(event([])) == []


def test_a_lost_answer_is_asked_for_again_and_nothing_is_doubled() -> None:
    shell = Shell()
    shell.sink.fail_after_commit()
    invocation = shell.invocation()
    assert invocation.run(event([login(1)])) == []
    assert (invocation.counts["duplicates"], len(shell.sink.rows)) == (1, 1)
    assert [one.attempt for one in shell.told if isinstance(one, Outage)] == [1]


def test_in_an_outage_the_whole_batch_is_raised_so_that_the_mapping_slows_down() -> None:
    shell = Shell()
    shell.sink.fail_before_commit(2)
    invocation = shell.invocation()
    with pytest.raises(SinkUnavailable):
        invocation.run(event([login(1), login(2)]))
    assert (invocation.counts["received"], invocation.counts["failures"]) == (2, 2)


def test_what_is_durable_before_an_outage_does_not_come_again() -> None:
    clock = FakeClock()
    away = SinkUnavailable("away")
    shell = Shell(SlowSink(clock, raises=[None, away, away]), batch=2, clock=clock)
    invocation = shell.invocation()
    assert invocation.run(event([login(at) for at in range(5)])) == ["m2", "m3", "m4"]
    assert (invocation.counts["failures"], invocation.counts["loaded"]) == (3, 2)
    assert [one.attempt for one in shell.told if isinstance(one, Outage)] == [1, 2]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SinkRefused("no table"), Failed),
        (SinkUnavailable("away"), Outage),
        (SourceUnavailable("S3 is away"), Outage),
        (KeyError("198.51.100.77"), Unexpected),
    ],
)
def test_each_failure_has_an_event_that_holds_no_foreign_text(error: Exception, kind: type[Event]) -> None:
    told = failure(error)
    assert isinstance(told, kind)
    assert "198.51.100.77" not in repr(told)


def test_a_refusal_in_the_middle_leaves_what_is_durable_and_is_told() -> None:
    clock = FakeClock()
    shell = Shell(SlowSink(clock, raises=[None, SinkRefused("no table")]), batch=1, clock=clock)
    assert shell.invocation().run(event([login(at) for at in range(3)])) == ["m1", "m2"]
    assert [one.what for one in shell.told if isinstance(one, Failed)] == ["no table"]


def test_when_time_is_nearly_over_the_rest_comes_again() -> None:
    clock = FakeClock()
    shell = Shell(SlowSink(clock, seconds=4), batch=10, clock=clock)
    failed = shell.invocation(lambda: round(16_000 - clock.monotonic() * 1_000)).run(
        event([login(at) for at in range(50)])
    )
    # 16 s: after 4 and 8 there is time for a batch as slow as the slowest and the margin, after 12 there is not.
    assert failed == [f"m{at}" for at in range(30, 50)]
    assert [one.count for one in shell.told if isinstance(one, LeftForTime)] == [20]


def test_no_time_for_anything_is_an_error_that_says_what_to_change() -> None:
    with pytest.raises(SofetchError, match="no time left") as late:
        Shell().invocation(lambda: 10).run(event([login(1)]))
    assert (late.value.code, "timeout" in late.value.hint) == ("no_time", True)


@pytest.mark.parametrize("seconds", [9.5, 18.9])
def test_an_outage_is_not_asked_again_when_there_is_no_time_to_fail_as_late_once_more(seconds: float) -> None:
    clock = FakeClock()
    sink = SlowSink(clock, seconds=9, raises=[SinkUnavailable("away")])
    with pytest.raises(SinkUnavailable):
        Shell(sink, clock=clock).invocation(lambda: round((seconds - clock.monotonic()) * 1_000)).run(event([login(1)]))
    assert sink.loads == 0


def test_what_follows_a_failure_in_its_group_is_not_loaded_in_a_later_batch() -> None:
    shell = Shell(batch=1)

    def forgetful(messages: Sequence[Message]) -> Any:
        return compile_decoder(settings(COLUMN))([one for one in messages if one.id != "a1"])

    invocation = shell.invocation()
    invocation._steps = Steps(forgetful, masker(COLUMN), shell.sink)
    assert invocation.run(event([in_group("a", 1), in_group("b", 2), in_group("a", 3)])) == ["a1", "a3"]
    assert shell.users() == ["b2"]


def test_a_malformed_event_loads_nothing() -> None:
    shell = Shell()
    broken = login(2)
    del broken["messageId"]
    with pytest.raises(EventError):
        shell.invocation().run(event([login(1), broken]))
    assert not shell.sink.rows


def test_a_row_that_the_database_refuses_spares_its_neighbours() -> None:
    shell = Shell()
    shell.sink.refuse("m1", Reason.CHECK_VIOLATION)
    assert shell.invocation().run(event([login(1), login(2)])) == []
    assert (shell.users(), len(shell.sink.quarantine)) == (["u2"], 1)


def test_ten_thousand_records_are_taken() -> None:
    shell = Shell()
    assert shell.invocation().run(event([login(at) for at in range(10_000)])) == []
    assert shell.sink.loads == 10


def test_parts_are_bounded_by_number_and_by_bytes_and_a_large_message_has_its_own() -> None:
    def message(size: int) -> Message:
        return Message(id=str(size), body=b"x" * size, queue="q", sent_ms=1, received_ms=1)

    limits = BatchSettings(max_messages=3, max_batch_bytes=1_024)
    sizes = [1, 2, 3, 4, 1_020, 5, 9_000, 6]
    cut = [[len(message.body) for message in part] for part in parts([message(size) for size in sizes], limits)]
    assert cut == [[1, 2, 3], [4, 1_020], [5], [9_000], [6]]
