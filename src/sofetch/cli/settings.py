"""``sofetch settings``: everything that can be configured, from the same types that the configuration is read with."""

from __future__ import annotations

import shutil
import textwrap
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import Frame, command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sofetch.config import SettingDoc


@command("settings", example="sofetch settings\nsofetch settings --json-schema > sofetch.schema.json", config=False)
@click.option("--json-schema", is_flag=True, help="Print the JSON Schema of sofetch.toml, for editors.")
def settings(frame: Frame, *, json_schema: bool) -> None:
    """List every setting: its key, type, default, environment variable and meaning.

    An environment variable overrides the file. Secrets come from the environment or a file, never from sofetch.toml.
    """
    from sofetch import config

    if json_schema:
        frame.data(config.json_schema())
        return
    known = config.describe_settings()
    if frame.json:
        import msgspec

        frame.data([msgspec.to_builtins(setting) for setting in known])
        return
    _print(frame, known)


def _print(frame: Frame, known: Iterable[SettingDoc]) -> None:
    for section, settings_of_section in groupby(known, key=attrgetter("section")):
        frame.say(click.style(section, bold=True))
        for setting in settings_of_section:
            _print_setting(frame, setting)
        frame.say()


def _print_setting(frame: Frame, setting: SettingDoc) -> None:
    head = f"{setting.key} = {setting.default}" if setting.default else setting.key
    kind = f"{setting.type}, required" if setting.required else setting.type
    frame.say(f"  {head}   {click.style(kind, dim=True)}")
    width = min(shutil.get_terminal_size().columns, 100)
    for line in textwrap.wrap(setting.description, width - 6):
        frame.say(f"      {line}")
    frame.say(f"      {click.style(setting.env, dim=True)}")
