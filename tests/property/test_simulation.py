"""Simulated workers on one queue, in every order: nothing lost, nothing doubled, order kept, and the queue drains.

``simulated.world`` says what may happen and what must hold. Hypothesis looks for the shortest way to break it; the
worlds of consecutive seeds go further. ``make simulate`` runs more of them: SIMULATION_STEPS says how many
steps, SIMULATION_SEED where to begin.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from simulated.world import Choose, World

STEPS = int(os.environ.get("SIMULATION_STEPS", "30000"))
FIRST_SEED = int(os.environ.get("SIMULATION_SEED", "1"))
STEPS_A_WORLD = 400


def chooser(roll: int) -> Choose:
    """Choices taken from one number, one after the other; the plainest ones when it is used up."""

    def choose(below: int) -> int:
        nonlocal roll
        roll, choice = divmod(roll, below)
        return choice

    return choose


ROLLS = st.integers(0, 2**40 - 1)


class Simulation(RuleBasedStateMachine):
    world: World | None = None

    @initialize(roll=ROLLS)
    def begin(self, roll: int) -> None:
        self.world = World(chooser(roll))

    @rule(roll=ROLLS)
    def step(self, roll: int) -> None:
        assert self.world is not None
        self.world.step(chooser(roll))

    def teardown(self) -> None:
        if self.world is not None:
            try:
                self.world.settle_down()
            finally:
                self.world.end()


TestSimulation = Simulation.TestCase
TestSimulation.settings = settings(max_examples=100, stateful_step_count=60)


def live(seed: int, steps: int) -> World:
    """The whole life of the world of a seed."""
    choose = random.Random(seed).randrange
    world = World(choose)
    try:
        for _ in range(steps):
            world.step(choose)
        world.settle_down()
    finally:
        world.end()
    return world


@pytest.mark.slow
def test_in_no_seeded_world_is_anything_lost_doubled_or_out_of_order() -> None:
    broken: dict[int, str] = {}
    worlds = max(1, STEPS // STEPS_A_WORLD)
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        try:
            live(seed, STEPS_A_WORLD)
        except AssertionError as error:
            broken[seed] = str(error).splitlines()[0]
    assert not broken, f"{len(broken)} of {worlds} worlds broke, the first with seed {min(broken)}: {broken}"


def test_the_world_of_a_seed_is_the_same_every_time() -> None:
    first, second = live(7, 200), live(7, 200)
    assert first.clock.monotonic() == second.clock.monotonic()
    assert first.queue.calls == second.queue.calls
    assert list(first.store.sink.rows) == list(second.store.sink.rows)
