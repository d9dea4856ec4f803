"""The configuration: ``sofetch.toml`` and the environment, checked and typed.

Owns reading and judging what the user wrote; what can be set is ``sofetch.settings``. Everything that is wrong is said
at once, each with its file and line or its variable, and no message repeats a value. Talks to no queue and no database.
"""

from __future__ import annotations

from sofetch.config.load import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    Configured,
    lint_config,
    lint_text,
    load_config,
    load_pipelines,
    load_text,
)
from sofetch.config.presets import PRESETS, preset
from sofetch.config.schema import SettingDoc, describe_settings, json_schema

__all__ = [
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "PRESETS",
    "Configured",
    "SettingDoc",
    "describe_settings",
    "json_schema",
    "lint_config",
    "lint_text",
    "load_config",
    "load_pipelines",
    "load_text",
    "preset",
]
