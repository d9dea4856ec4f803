"""What may hold a personal value, a key or a password shows nothing of itself, whoever asks it to."""

from __future__ import annotations

import copy
import importlib
import pickle
import pkgutil
from collections.abc import Iterator

import msgspec
import pytest
from rich.pretty import pretty_repr

import sofetch
from sofetch.cli.lines import Line
from sofetch.load.dsn import _Places
from sofetch.mask.column import MaskedColumn, _SortedOut
from sofetch.mask.keyring_text import KeyEntry
from sofetch.record import Message, ObjectRef, Private, Record

CANARY = "kanarie-6201"
MESSAGE = Message(id="m", body=CANARY.encode(), queue="q", sent_ms=1, received_ms=2, attributes={"a": CANARY})
HOLDERS = [
    MESSAGE,
    Record(MESSAGE, (CANARY,)),
    ObjectRef("bucket", CANARY),
    MaskedColumn([CANARY], {}, 0),
    _SortedOut({}, {CANARY: CANARY.encode()}, {}, {}),
    KeyEntry("k1", "primary", CANARY.encode()),
    _Places("sink", "SOFETCH_SINK_DSN", CANARY, None),
    Line(1, CANARY.encode(), None),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_it_is_seen_in_no_text_that_is_made_of_it(holder: object) -> None:
    """Rich prefers a method of its own to ``repr``, also in the tracebacks with local variables that it writes."""
    for text in (
        repr(holder),
        str(holder),
        f"{holder}",
        repr([holder]),
        pretty_repr(holder),
        pretty_repr([holder]),
    ):
        assert CANARY not in text


def test_what_is_private_is_neither_pickled_nor_copied_whole() -> None:
    for holder in (one for one in HOLDERS if isinstance(one, Private)):
        for of in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="never pickled") as raised:
                of(holder)
            assert CANARY not in str(raised.value)


def test_no_struct_hides_itself_from_repr_alone() -> None:
    """A Struct has a ``__rich_repr__`` that shows every field."""
    one_eyed = [
        kind
        for kind in _structs()
        if kind.__repr__ is not msgspec.Struct.__repr__ and kind.__rich_repr__ is msgspec.Struct.__rich_repr__
    ]
    assert one_eyed == []


def _structs() -> Iterator[type[msgspec.Struct]]:
    for module in pkgutil.walk_packages(sofetch.__path__, "sofetch."):
        if module.name not in {"sofetch.__main__", "sofetch.spark.job", "sofetch.spark.arrow"}:
            importlib.import_module(module.name)
    waiting: list[type[msgspec.Struct]] = [msgspec.Struct]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("sofetch."):
            yield kind
