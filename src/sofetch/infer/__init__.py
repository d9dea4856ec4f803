"""A first configuration from sample messages: columns, types and masks, with the reasons beside them.

Owns the way from bodies, taken out of their envelopes, to the text of a ``sofetch.toml`` that loads and lints clean. No
value of a sample is kept past the moment it is looked at, and none is ever written; names of fields are.
"""

from __future__ import annotations

from collections.abc import Iterable

from sofetch.errors import ConfigError
from sofetch.infer.envelope import unwrap
from sofetch.infer.judge import judge
from sofetch.infer.observe import Samples, observe
from sofetch.infer.write import write
from sofetch.settings import UnwrapLayer

__all__ = ["infer_config"]


def infer_config(bodies: Iterable[bytes], *, queue: str, table: str) -> str:
    """The text of a commented configuration that fits the bodies. What is no JSON object is counted and skipped.

    Raises ConfigError if none of them is one.
    """
    layers, samples = _look(list(bodies))
    if samples.messages == 0:
        raise ConfigError(
            f"none of the {samples.unreadable} sample messages is a JSON object",
            hint="sofetch loads JSON objects; what lies in S3 is to be given as lines of a file, by --from",
        )
    return write(judge(samples), samples, queue=queue, table=table, layers=layers)


def _look(bodies: list[bytes]) -> tuple[list[UnwrapLayer], Samples]:
    """What is in the envelopes, if it is objects; else what is there without opening any."""
    layers, documents = unwrap(bodies)
    samples = observe(documents)
    return (layers, samples) if samples.messages or not layers else ([], observe(bodies))
