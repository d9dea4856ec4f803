"""A first configuration from sample messages: columns, types and masks, with the reasons beside them.

Owns the way from bodies to the text of a ``sofetch.toml`` that loads and lints clean. No value of a sample is kept past
the moment it is looked at, and none is ever written; names of fields are.
"""

from __future__ import annotations

from collections.abc import Iterable

from sofetch.errors import ConfigError
from sofetch.infer.judge import judge
from sofetch.infer.observe import observe
from sofetch.infer.write import write

__all__ = ["infer_config"]


def infer_config(bodies: Iterable[bytes], *, queue: str, table: str) -> str:
    """The text of a commented configuration that fits the bodies. What is no JSON object is counted and skipped.

    Raises ConfigError if none of them is one.
    """
    samples = observe(bodies)
    if samples.messages == 0:
        raise ConfigError(
            f"none of the {samples.unreadable} sample messages is a JSON object",
            hint="give messages as the producer sends them; SNS and EventBridge wrap them",
        )
    return write(judge(samples), samples, queue=queue, table=table)
