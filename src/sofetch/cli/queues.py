"""The queue as the command line needs it: opened from a configuration, or by its name alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from sofetch.errors import ConfigError
from sofetch.settings import SourceSettings

if TYPE_CHECKING:
    pass

_SOURCE_ENV = {
    "endpoint": "SOFETCH_SOURCE_ENDPOINT",
    "region": "SOFETCH_SOURCE_REGION",
    "protocol": "SOFETCH_SOURCE_PROTOCOL",
}


def source_settings(queue: str) -> SourceSettings:
    """Settings for a queue that no configuration names yet; server and region come from the environment."""
    named = {key: os.environ[variable] for key, variable in _SOURCE_ENV.items() if os.environ.get(variable)}
    try:
        return msgspec.convert({"queue": queue, **named}, SourceSettings)
    except msgspec.ValidationError:
        wrong = ", ".join(_SOURCE_ENV[key] for key in named)
        raise ConfigError(f"the queue's name or one of {wrong} is not usable", hint="see `sofetch settings`") from None
