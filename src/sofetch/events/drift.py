"""Messages that are not as the configuration expects them.

Owns what is told of it: the kind and the field, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator

from sofetch.events.base import Event, Level, Measure


class FieldDrifted(Event, frozen=True, kw_only=True):
    """Messages of one batch were not as the configuration expects, in this field. Those that came again count again."""

    kind: str
    field: str
    count: int

    @property
    def level(self) -> Level:
        """Told once by ``new_drift``; a producer that has changed goes on like that."""
        return "debug"

    def measures(self) -> Iterator[Measure]:
        """Such messages by kind: the fields of a producer are without bound."""
        yield "sofetch_drifted_total", self.kind, self.count


class NewDrift(Event, frozen=True, kw_only=True):
    """Messages began to differ from the configuration in this field: the pipeline has not seen that before."""

    kind: str
    field: str

    @property
    def level(self) -> Level:
        """A producer has changed, and somebody should look."""
        return "warning"


class DriftNotKept(Event, frozen=True, kw_only=True):
    """What drifted could not be written to ``sofetch.drift``. The counts are kept, and tried again in a minute."""

    code: str
    what: str

    @property
    def level(self) -> Level:
        """Loading goes on."""
        return "warning"
