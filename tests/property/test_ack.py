"""Deciding what is deleted: nothing that is not durable, and everything in exactly one list."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sofetch.ack import decide
from sofetch.record import Duplicate, Loaded, Outcome, Reason, Rejected, Retry

ids = st.text(st.characters(codec="ascii"), max_size=8)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Loaded, ids),
    st.builds(Duplicate, ids),
    st.builds(Rejected, ids, st.sampled_from(Reason), st.none() | ids),
    st.builds(Retry, ids),
)
batches = st.lists(outcomes, unique_by=lambda outcome: outcome.message_id)


@given(batches)
def test_nothing_is_deleted_that_is_not_durable(batch: list[Outcome]) -> None:
    durable = {one.message_id for one in batch if isinstance(one, Loaded | Duplicate | Rejected)}
    assert set(decide(batch).delete) <= durable


@given(batches)
def test_every_outcome_is_in_exactly_one_list(batch: list[Outcome]) -> None:
    acknowledgement = decide(batch)
    listed = Counter(acknowledgement.delete + acknowledgement.release)
    assert listed == Counter(one.message_id for one in batch)


@given(batches, st.integers(0, 43_200))
def test_what_is_to_be_retried_is_released_after_the_time_given(batch: list[Outcome], seconds: int) -> None:
    acknowledgement = decide(batch, release_after_seconds=seconds)
    assert set(acknowledgement.release) == {one.message_id for one in batch if isinstance(one, Retry)}
    assert acknowledgement.release_after_seconds == seconds
