"""Sending in few calls. The client is a stand-in for boto3's that keeps SQS's limits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sofetch.source.sending import Fifo, MessagesRefused, RefusedMessage, send

MIB = 1_048_576


class Client:
    """Takes SendMessageBatch as SQS does, and fails entries as it is told."""

    def __init__(self, *failures: list[dict[str, Any]]) -> None:
        self.calls: list[list[dict[str, str]]] = []
        self._failures = list(failures)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert 1 <= len(Entries) <= 10
        assert sum(len(entry["MessageBody"].encode()) for entry in Entries) <= MIB
        self.calls.append(Entries)
        return {"Failed": self._failures.pop(0)} if self._failures else {}

    @property
    def bodies(self) -> list[str]:
        return [entry["MessageBody"] for call in self.calls for entry in call]


def deliver(client: Client, bodies: list[bytes], *, fifo: Fifo | None = None) -> tuple[int, tuple[RefusedMessage, ...]]:
    report = send(client, "url", bodies, max_message_bytes=MIB, fifo=fifo, on_sent=None)  # type: ignore[arg-type]
    return report.sent, report.refused


@given(st.lists(st.sampled_from([1, 50, 100_000, 500_000, MIB]), max_size=25))
def test_every_body_is_sent_once_in_order_within_the_limits(sizes: list[int]) -> None:
    client = Client()
    bodies = [b"x" * size for size in sizes]
    assert deliver(client, bodies) == (len(bodies), ())
    assert [len(body) for body in client.bodies] == sizes


def test_small_bodies_go_in_tens() -> None:
    client = Client()
    deliver(client, [b"x"] * 25)
    assert [len(call) for call in client.calls] == [10, 10, 5]


def test_a_body_that_cannot_be_sent_is_named_by_number_and_spares_its_neighbours() -> None:
    client = Client()
    sent, refused = deliver(client, [b"one", b"", b"\xff", b"x" * (MIB + 1), b"five"])
    assert client.bodies == ["one", "five"]
    assert sent == 2
    assert refused == (RefusedMessage(2, "empty"), RefusedMessage(3, "not_utf8"), RefusedMessage(4, "too_large"))


def test_entries_that_failed_through_no_fault_of_theirs_are_sent_again() -> None:
    client = Client([{"Id": "1", "SenderFault": False, "Code": "InternalError"}])
    assert deliver(client, [b"a", b"b", b"c"]) == (3, ())
    assert client.bodies == ["a", "b", "c", "b"]


def test_entries_that_the_queue_refuses_are_named() -> None:
    client = Client([{"Id": "1", "SenderFault": True, "Code": "InvalidMessageContents"}])
    assert deliver(client, [b"a", b"b"]) == (1, (RefusedMessage(2, "InvalidMessageContents"),))


def test_the_error_names_numbers_and_codes_only() -> None:
    report = send(Client(), "url", [b"canary\xff"], max_message_bytes=MIB, fifo=None, on_sent=None)  # type: ignore[arg-type]
    error = MessagesRefused(report)
    assert "number 1 (not_utf8)" in str(error)
    assert "canary" not in str(error)


def test_messages_of_a_fifo_queue_carry_group_and_deduplication_id() -> None:
    client = Client()
    deliver(client, [b"a", b"a"], fifo=Fifo(group_id="g", content_dedupe=False))
    first, second = client.calls[0]
    assert first["MessageGroupId"] == "g"
    assert first["MessageDeduplicationId"] != second["MessageDeduplicationId"]


def test_a_queue_that_dedupes_by_content_gets_no_deduplication_id() -> None:
    client = Client()
    deliver(client, [b"a"], fifo=Fifo(group_id="g", content_dedupe=True))
    assert "MessageDeduplicationId" not in client.calls[0][0]
