"""Write modes beside a model of each: which row stays, whatever the order, redeliveries, batches and workers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from loading import names_of, open_sink, query
from sofetch.load.postgres import PostgresSink
from writing import Sent, found, profiles

Rows = dict[str, tuple[int, str | None]]
TwoSinks = tuple[str, PostgresSink, PostgresSink]
Batches = list[list[Sent]]
tried = hypothesis_settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

MESSAGES = st.lists(
    st.builds(
        lambda user, ms, state: (user, ms, state),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 3),
        st.sampled_from([None, "", "x", "y", "Z", "ä"]),
    ),
    max_size=12,
).map(lambda found: [Sent(number, *one) for number, one in enumerate(found)])


def newest_of(messages: Sequence[Sent]) -> Rows:
    """Of each user the newest; of those of one millisecond the one whose row is the greater text, byte by byte."""
    newest: dict[str, Sent] = {}
    for one in messages:
        there = newest.get(one.user)
        if there is None or (one.ms, text_of(one.state)) > (there.ms, text_of(there.state)):
            newest[one.user] = one
    return {user: (one.ms, one.state) for user, one in newest.items()}


def text_of(state: str | None) -> bytes:
    """How Postgres writes a row's last cell."""
    return b")" if state is None else b'"")' if state == "" else state.encode() + b")"


def delivered(messages: Sequence[Sent], chance: random.Random) -> Batches:
    """The messages in batches, each up to three times, in any order."""
    deliveries = [one for one in messages for _ in range(chance.randint(1, 3))]
    chance.shuffle(deliveries)
    batches = []
    while deliveries:
        size = chance.randint(1, 6)
        batches.append(deliveries[:size])
        del deliveries[:size]
    return batches


def load(sink: PostgresSink, batches: Iterable[Sequence[Sent]]) -> list[str]:
    """What each delivery came to."""
    return [name for batch in batches for name in names_of(sink.load([one.record() for one in batch], []))]


def load_beside(sinks: Sequence[PostgresSink], batches: Batches) -> list[str]:
    """The same by two workers at once."""
    middle = len(batches) // 2
    with ThreadPoolExecutor(2) as pool:
        return [name for names in pool.map(load, sinks, [batches[:middle], batches[middle:]]) for name in names]


@tried
@given(messages=MESSAGES, seed=st.integers(0, 10_000))
def test_the_newest_of_each_key_is_there_in_whatever_order_batches_and_workers_it_came(
    upserting: TwoSinks, messages: list[Sent], seed: int
) -> None:
    dsn, *sinks = upserting
    query(dsn, "TRUNCATE profiles, sofetch.ledger")
    names = load_beside(sinks, delivered(messages, random.Random(seed)))
    assert found(dsn) == newest_of(messages)
    assert set(names) <= {"Loaded", "Duplicate"}
    assert query(dsn, "SELECT count(*) FROM sofetch.ledger") == [(len(messages),)]


@tried
@given(messages=MESSAGES, seed=st.integers(0, 10_000))
def test_the_first_of_each_key_that_is_committed_stays_and_every_message_is_in_the_ledger(
    ignoring: TwoSinks, messages: list[Sent], seed: int
) -> None:
    """One worker alone gives exactly the model's rows. Of two the first is whichever was, and one of those sent."""
    dsn, *sinks = ignoring
    query(dsn, "TRUNCATE profiles, sofetch.ledger")
    chance = random.Random(seed)
    batches = delivered(messages, chance)
    alone = chance.randint(0, len(batches))
    names = load(sinks[0], batches[:alone])
    stand = first_of(batches[:alone])
    assert found(dsn) == stand
    names += load_beside(sinks, batches[alone:])
    rows = found(dsn)
    assert rows == {**rows, **stand}
    assert rows.keys() == {one.user for one in messages}
    assert {(user, *row) for user, row in rows.items()} <= {(one.user, one.ms, one.state) for one in messages}
    assert (names.count("Loaded"), names.count("Duplicate")) == (len(rows), len(names) - len(rows))
    assert query(dsn, "SELECT count(*) FROM sofetch.ledger") == [(len(messages),)]


def first_of(batches: Batches) -> Rows:
    """Of each user the message of the first batch that has one; there, the earliest sent."""
    rows: Rows = {}
    for batch in batches:
        for one in sorted(batch, key=lambda sent: (sent.ms, sent.number)):
            rows.setdefault(one.user, (one.ms, one.state))
    return rows


@pytest.fixture
def upserting(database: str) -> Iterator[TwoSinks]:
    yield from two_sinks("upsert", database)


@pytest.fixture
def ignoring(database: str) -> Iterator[TwoSinks]:
    yield from two_sinks("insert_ignore", database)


def two_sinks(write: str, database: str) -> Iterator[TwoSinks]:
    with open_sink(profiles(write), database) as one, open_sink(profiles(write), database) as two:
        yield database, one, two
