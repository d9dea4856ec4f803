"""Messages, configuration and table beside one another: where they differ, and what brings them together.

Owns the comparison behind ``sofetch schema diff``. Pure: messages and the table are read elsewhere and given. No value
of a message is in what it gives back, nor the name of a field that is not a plain word.
"""

from __future__ import annotations

from sofetch.reconcile.compare import Comparison, Line, compare
from sofetch.reconcile.difference import Difference
from sofetch.reconcile.sample import Sample, look_at

__all__ = ["Comparison", "Difference", "Line", "Sample", "compare", "look_at"]
