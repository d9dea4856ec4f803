"""Events become numbers, and the numbers a text that Prometheus reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from sofetch.breaker import Breakers
from sofetch.calls import Calls
from sofetch.errors import SourceUnavailable
from sofetch.events import (
    BatchDone,
    BreakerChanged,
    Event,
    Events,
    Heartbeat,
    MessagesQuarantined,
    PartitionsSeen,
    ProcessEnded,
    ProcessStarted,
    Stopped,
    ValuesNotOfKind,
    event_types,
)
from sofetch.observe.metrics import METRICS, Metrics, exposition
from sofetch.observe.procfs import ProcessUse, process_use
from sofetch.observe.pulse import PULSE_SECONDS, Pulse
from sofetch.outages import Outages
from sofetch.record import Reason
from sofetch.stopping import Stop
from sofetch.testing import FakeClock

BATCH = BatchDone(
    messages=40, loaded=30, duplicates=4, quarantined=5, retried=1, body_bytes=900, milliseconds=30, oldest_age_ms=2_500
)
BEAT = Heartbeat(
    held_messages=7,
    held_bytes=70,
    receives=10,
    empty_receives=2,
    deletes=6,
    visibility_changes=1,
    requests=18,
)
USE = ProcessUse(resident_bytes=50_000_000, cpu_seconds=1.5, open_files=12, max_files=None, started_seconds=99.25)


class Scraped:
    """A pipeline's metrics, as Prometheus sees them."""

    def __init__(self, *, supervising: bool = False) -> None:
        self.clock = FakeClock()
        self.events = Events()
        self.metrics = Metrics(
            self.events.counters,
            clock=self.clock,
            use={1: USE, 7: USE, 8: USE}.get,
            pid=1,
            supervising=supervising,
        )
        self.supervising = supervising
        if not supervising:
            self.events.listen(self.metrics)

    def tell(self, event: Event, *, process: int = 1) -> None:
        if self.supervising:
            self.metrics.hear(process, event)
        self.events.emit(event)

    def text(self) -> str:
        return exposition(self.metrics.samples()).decode()

    def __getitem__(self, name: str) -> float:
        """The value of a sample, named as in PromQL."""
        wanted, _, labels = name.partition("{")
        asked = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        (value,) = [
            sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == wanted and sample.labels == asked
        ]
        return value


def test_a_batch_raises_what_was_received_and_what_became_of_it() -> None:
    scraped = Scraped()
    for _ in range(2):
        scraped.tell(BATCH)
    scraped.tell(MessagesQuarantined(reason="not_json", field=None, count=5))
    assert scraped["sofetch_messages_received_total"] == 80
    assert scraped["sofetch_rows_loaded_total"] == 60
    assert scraped["sofetch_duplicates_total"] == 8
    assert scraped["sofetch_released_total"] == 2
    assert scraped["sofetch_batches_total"] == 2
    assert scraped["sofetch_body_bytes_total"] == 1_800
    assert scraped['sofetch_quarantined_total{reason="not_json"}'] == 5
    assert scraped['sofetch_quarantined_total{reason="too_long"}'] == 0
    assert scraped["sofetch_oldest_message_age_seconds"] == 2.5


def test_a_histogram_counts_each_batch_in_its_bucket_and_in_all_above() -> None:
    scraped = Scraped()
    scraped.tell(replace(BATCH, milliseconds=50, messages=1_000))
    scraped.tell(replace(BATCH, milliseconds=70_000, messages=1))
    assert scraped['sofetch_batch_seconds_bucket{le="0.025"}'] == 0
    assert scraped['sofetch_batch_seconds_bucket{le="0.05"}'] == 1
    assert scraped['sofetch_batch_seconds_bucket{le="60"}'] == 1
    assert scraped['sofetch_batch_seconds_bucket{le="+Inf"}'] == 2
    assert (scraped["sofetch_batch_seconds_count"], scraped["sofetch_batch_seconds_sum"]) == (2, 70.05)
    assert scraped['sofetch_batch_messages_bucket{le="500"}'] == 1
    assert scraped['sofetch_batch_messages_bucket{le="1000"}'] == 2


def test_only_what_is_durable_is_a_commit() -> None:
    scraped = Scraped()
    scraped.tell(replace(BATCH, loaded=0, duplicates=0, quarantined=0, retried=40))
    assert scraped["sofetch_last_commit_timestamp_seconds"] == 0
    scraped.tell(BATCH)
    assert scraped["sofetch_last_commit_timestamp_seconds"] == scraped.clock.now_ms() / 1_000


def test_until_when_there_are_partitions_is_as_last_looked_up_by_any_worker() -> None:
    scraped = Scraped(supervising=True)
    assert scraped["sofetch_partitions_end_timestamp_seconds"] == 0
    scraped.tell(PartitionsSeen(ends_ms=1_795_824_000_000), process=1)
    scraped.tell(PartitionsSeen(ends_ms=1_795_910_400_000), process=2)
    assert scraped["sofetch_partitions_end_timestamp_seconds"] == 1_795_910_400


def test_what_is_held_and_asked_of_the_queue_is_that_of_the_last_heartbeat() -> None:
    scraped = Scraped()
    scraped.tell(replace(BEAT, receives=1))
    scraped.tell(BEAT)
    assert (scraped["sofetch_held_messages"], scraped["sofetch_held_bytes"]) == (7, 70)
    assert scraped['sofetch_queue_calls_total{call="receive"}'] == 10
    assert scraped['sofetch_queue_calls_total{call="delete"}'] == 6
    assert scraped['sofetch_queue_calls_total{call="change_visibility"}'] == 1
    assert (scraped["sofetch_empty_receives_total"], scraped["sofetch_billed_requests_total"]) == (2, 18)


def test_a_breaker_is_open_until_it_has_closed() -> None:
    scraped = Scraped()
    assert scraped['sofetch_breaker_open{dependency="database"}'] == 0
    scraped.tell(BreakerChanged(dependency="database", state="open", attempts=1))
    scraped.tell(BreakerChanged(dependency="database", state="half_open", attempts=1))
    assert scraped['sofetch_breaker_open{dependency="database"}'] == 1
    assert scraped['sofetch_breaker_open{dependency="queue"}'] == 0
    scraped.tell(BreakerChanged(dependency="database", state="open", attempts=2))
    scraped.tell(BreakerChanged(dependency="database", state="closed", attempts=0))
    assert scraped['sofetch_breaker_open{dependency="database"}'] == 0
    assert scraped['sofetch_outages_total{dependency="database"}'] == 1


def test_several_workers_are_one_set_of_metrics_and_none_falls_when_one_is_replaced() -> None:
    scraped = Scraped(supervising=True)
    for process, pid in ((1, 7), (2, 8)):
        scraped.tell(ProcessStarted(process=process, pid=pid), process=process)
        scraped.tell(BEAT, process=process)
        scraped.tell(BATCH, process=process)
        scraped.tell(BreakerChanged(dependency="database", state="open", attempts=1), process=process)
    assert scraped["sofetch_workers"] == 2
    assert scraped["sofetch_held_messages"] == 14
    assert scraped["sofetch_rows_loaded_total"] == 60
    assert scraped['sofetch_breaker_open{dependency="database"}'] == 2
    assert scraped['sofetch_worker_resident_memory_bytes{process="2"}'] == USE.resident_bytes
    scraped.tell(ProcessEnded(process=1, exit_code=-9, restart_in_seconds=0.2), process=1)
    scraped.tell(ProcessStarted(process=1, pid=9), process=1)
    assert scraped['sofetch_queue_calls_total{call="receive"}'] == 20
    scraped.tell(replace(BEAT, receives=3), process=1)
    assert scraped['sofetch_queue_calls_total{call="receive"}'] == 23
    assert scraped["sofetch_rows_loaded_total"] == 60
    assert scraped['sofetch_breaker_open{dependency="database"}'] == 1
    assert scraped["sofetch_process_restarts_total"] == 1
    assert 'sofetch_worker_resident_memory_bytes{process="1"}' not in scraped.text()


def test_the_closing_count_of_calls_is_the_better_one() -> None:
    scraped = Scraped()
    scraped.tell(BEAT)
    scraped.tell(
        Stopped(
            received=0,
            loaded=0,
            duplicates=0,
            quarantined=0,
            released=0,
            away=None,
            seconds=1.0,
            receives=12,
            deletes=9,
        )
    )
    assert scraped['sofetch_queue_calls_total{call="receive"}'] == 12


def test_what_the_system_does_not_tell_is_left_out() -> None:
    scraped = Scraped()
    assert scraped["process_resident_memory_bytes"] == USE.resident_bytes
    assert scraped["process_start_time_seconds"] == 99.25
    assert "process_max_fds" not in scraped.text()
    blind = Metrics(Events().counters, clock=FakeClock(), use=lambda _pid: None, pid=1)
    assert "process_" not in exposition(blind.samples()).decode().replace("sofetch_process_restarts", "")


@pytest.mark.parametrize("column", ['a"b', "a\\", "a\\nb", "a\nb"])
def test_a_label_is_one_label_whatever_is_in_it(column: str) -> None:
    scraped = Scraped()
    scraped.tell(ValuesNotOfKind(column=column, count=1))
    families = {family.name: family for family in text_string_to_metric_families(scraped.text())}
    assert families["sofetch_not_of_kind"].samples[0].labels == {"column": column}


def _raised() -> Iterator[tuple[str, str]]:
    """Names and labels of what the events raise: each kind of event as it would be at its first outage or restart."""
    for kind in event_types():
        fields: dict[str, Any] = dict.fromkeys(kind.__struct_fields__, 1) | {"state": "open", "dependency": "queue"}
        event = kind(**{name: value for name, value in fields.items() if name in kind.__struct_fields__})
        yield from ((name, label) for name, label, _ in event.measures())


def test_every_counter_of_the_events_is_in_the_vocabulary_and_has_a_label_if_it_says_one() -> None:
    by_name = {metric.name: metric for metric in METRICS}
    assert len(by_name) == len(METRICS)
    for name, label in _raised():
        assert by_name[name].kind == "counter"
        assert (by_name[name].label is not None) == (label != ""), name


def test_names_are_those_of_the_field() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"(sofetch|process)_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.about.endswith(".")


def test_everything_of_the_vocabulary_can_be_seen_and_nothing_else() -> None:
    scraped = Scraped()
    scraped.tell(BATCH)
    scraped.tell(ValuesNotOfKind(column="ip", count=1))
    full = Metrics(
        scraped.events.counters, clock=FakeClock(), use=lambda _pid: replace(USE, max_files=1_024), pid=os.getpid()
    )
    full(BEAT)
    assert re.findall(r"^# TYPE (\w+)", exposition(full.samples()).decode(), re.MULTILINE) == [
        metric.name for metric in METRICS
    ]


def test_reasons_are_shown_before_the_first_so_that_a_rate_sees_it() -> None:
    text = Scraped().text()
    assert all(f'sofetch_quarantined_total{{reason="{reason.value}"}} 0' in text for reason in Reason)


class Held:
    held, held_bytes, oldest_sent_ms = 3, 30, None


def pulse(clock: FakeClock, told: list[Event]) -> Pulse:
    return Pulse(look=Held, calls=lambda: Calls(receives=4, requests=4), clock=clock, events=Events(told.append))


def test_the_pulse_is_told_at_the_first_turn_and_then_every_few_seconds() -> None:
    clock, told = FakeClock(), list[Event]()
    beat = pulse(clock, told)
    beat()
    beat()
    assert told == [
        Heartbeat(
            held_messages=3,
            held_bytes=30,
            receives=4,
            empty_receives=0,
            deletes=0,
            visibility_changes=0,
            requests=4,
        )
    ]
    clock.advance(PULSE_SECONDS)
    beat()
    assert len(told) == 2


def test_the_pulse_goes_on_in_an_outage() -> None:
    clock, told, tries = FakeClock(), list[Event](), 0

    class Waiting(Stop):
        def wait(self, seconds: float) -> bool:
            clock.advance(seconds + PULSE_SECONDS)
            return tries == 3

    def work() -> None:
        nonlocal tries
        tries += 1
        raise SourceUnavailable("away")

    Outages(
        Breakers(now=clock.monotonic()),
        clock=clock,
        events=Events(),
        stop=Waiting(),
        patience_seconds=None,
        turn=pulse(clock, told),
    ).outlast("queue", work)
    assert len(told) == tries == 3


def test_a_process_that_runs_is_measured_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    use = process_use(os.getpid())
    if use is None:
        pytest.skip("no /proc here")
    assert use.resident_bytes > 1_000_000
    assert use.open_files > 2
    assert use.started_seconds > 1_500_000_000
    assert process_use(os.getpid(), proc=tmp_path) is None
