"""The vocabulary of events as a whole: complete, in one order, and all of it to be had from one place."""

from __future__ import annotations

import re
from pathlib import Path

from sofetch import events
from sofetch.events import Event, event_types

REFERENCE = Path(__file__).parents[2] / "docs" / "events.md"


def test_every_event_that_the_program_defines_is_among_the_types_once() -> None:
    defined = [kind for kind in Event.__subclasses__() if kind.__module__.startswith("sofetch.")]
    assert sorted(kind.__name__ for kind in event_types()) == sorted(kind.__name__ for kind in defined)


def test_every_event_can_be_imported_from_the_package() -> None:
    assert [kind for kind in event_types() if getattr(events, kind.__name__, None) is not kind] == []
    assert {kind.__name__ for kind in event_types()} <= set(events.__all__)


def test_the_reference_tells_the_events_in_the_order_of_the_types() -> None:
    told = re.findall(r"^### `(\w+)`$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [kind.__struct_config__.tag for kind in event_types()]
