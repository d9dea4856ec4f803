"""The circuit breaker against a model of it, in every order Hypothesis can think of."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sofetch.backoff import FIRST_SECONDS, LONGEST_SECONDS
from sofetch.breaker import Breaker, State
from sofetch.errors import SinkUnavailable


class BreakerRules(RuleBasedStateMachine):
    """One caller: asks for leave, and then says how its call ended, or never does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.jitter = 0.5
        self.breaker = Breaker(now=self.now, jitter=lambda: self.jitter)
        self.calling = False
        self.failures = 0
        self.away_since: float | None = None
        self.not_before = 0.0

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.3, 1.0, 16.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(jitter=st.floats(0, 1))
    def change_jitter(self, jitter: float) -> None:
        self.jitter = jitter

    @precondition(lambda self: not self.calling)
    @rule()
    def ask(self) -> None:
        admitted = self.breaker.admit(now=self.now)
        assert admitted == (self.away_since is None or self.now >= self.not_before)
        self.calling = admitted

    @precondition(lambda self: self.calling and self.away_since is not None)
    @rule()
    def ask_for_a_second_probe(self) -> None:
        assert not self.breaker.admit(now=self.now)

    @precondition(lambda self: self.calling)
    @rule(sqlstate=st.sampled_from([None, "25006", "53100"]))
    def fail(self, sqlstate: str | None) -> None:
        pause = self.breaker.failed(SinkUnavailable("away", sqlstate=sqlstate), now=self.now)
        self.failures += 1
        ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (self.failures - 1))
        assert ceiling / 2 <= pause <= ceiling
        self.away_since = self.now if self.away_since is None else self.away_since
        self.not_before = self.now + pause
        self.calling = False
        assert self.breaker.standing.sqlstate == sqlstate

    @precondition(lambda self: self.calling)
    @rule()
    def succeed(self) -> None:
        before = self.breaker.succeeded(now=self.now)
        assert before.away == (self.away_since is not None)
        assert before.attempts == self.failures
        self.failures, self.away_since, self.calling = 0, None, False

    @precondition(lambda self: self.calling)
    @rule()
    def end_in_no_known_way(self) -> None:
        self.breaker.left_open()
        self.calling = False

    @invariant()
    def it_stands_as_the_calls_ended(self) -> None:
        standing = self.breaker.standing
        assert standing.away == (self.away_since is not None)
        assert standing.attempts == self.failures
        assert (standing.code is None) == (self.away_since is None)
        if self.away_since is not None:
            assert standing.since == self.away_since
            assert standing.state is (State.HALF_OPEN if self.calling else State.OPEN)

    @invariant()
    def the_pause_that_is_told_is_the_one_that_is_kept(self) -> None:
        pause = self.breaker.pause_seconds(now=self.now)
        waits = self.away_since is not None and not self.calling
        assert pause == (max(0.0, self.not_before - self.now) if waits else 0.0)


TestBreakerRules = BreakerRules.TestCase
TestBreakerRules.settings = settings(max_examples=100, stateful_step_count=40)
