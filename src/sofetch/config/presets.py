"""The shipped examples, as TOML text: configurations like any other."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from sofetch.config.report import did_you_mean, shown
from sofetch.errors import ConfigError

PRESETS: Final = ("logins",)


def preset(name: str) -> str:
    """The text of a preset. Raises ConfigError for a name that is not in PRESETS."""
    if name not in PRESETS:
        hint = did_you_mean(name, PRESETS, otherwise=f"presets: {', '.join(PRESETS)}")
        raise ConfigError(f"there is no preset {shown(name)}", hint=hint)
    return files("sofetch").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
