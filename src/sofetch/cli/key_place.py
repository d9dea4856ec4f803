"""The keyring that a ``sofetch keys`` command is about: which one, what is in it, and writing it back.

Owns the options that choose it. No command here prints a key; see ``--reveal`` in ``sofetch.cli.keys`` for the one
exception.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sofetch.cli.frame import Frame

if TYPE_CHECKING:
    from sofetch.keys.places import Place, Role
    from sofetch.mask.keyring import Keyring
    from sofetch.mask.keyring_text import KeyEntry
    from sofetch.settings import KeysSettings, Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Chosen:
    """One keyring in its place. ``settings`` is None where there is no configuration."""

    place: Place
    keys: KeysSettings
    settings: Settings | None
    serves: frozenset[Role]

    def keyring(self) -> Keyring:
        """The keyring, ready for use."""
        from sofetch.keys.loading import keyring_at

        return keyring_at(self.place, self.keys, environ=os.environ)

    def entries(self) -> list[KeyEntry]:
        """Its entries, wrapped ones as they stand."""
        from sofetch.keys.loading import read_text
        from sofetch.mask.keyring_changes import entries_of

        return entries_of(read_text(self.place, self.keys, environ=os.environ), where=str(self.place))


def place_options(function: F) -> F:
    """``-f`` and ``--reversible``: which keyring is meant."""
    file = click.option(
        "-f",
        "--file",
        "path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The keyring file. Default: what the environment or the configuration names.",
    )
    reversible = click.option("--reversible", is_flag=True, help="The keyring for what can be reversed.")
    return file(reversible(function))


def output_options(function: F) -> F:
    """``-o`` and ``--update``: where the changed keyring goes if it did not come from a file."""
    output = click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the changed keyring to a new file and leave the old one as it is.",
    )
    update = click.option("--update", is_flag=True, help="Make the changed keyring the AWS secret's current version.")
    return output(update(function))


def choose(frame: Frame, *, path: Path | None, reversible: bool) -> Chosen:
    """The keyring that the options, the environment or the configuration name. Raises KeyringError if none does."""
    from sofetch.errors import KeyringError
    from sofetch.keys.places import FilePlace, find_place, require_place

    settings = _settings(frame)
    keys = settings.keys if settings else _keys_of_environment(os.environ)
    other = find_place(keys, environ=os.environ, role="reversible")
    if path is not None:
        place: Place = FilePlace(path.expanduser())
    elif reversible and other is None:
        raise KeyringError("nothing names a keyring for what can be reversed", hint="see [keys] reversible_file")
    else:
        place = other if reversible and other else require_place(keys, environ=os.environ)
    return Chosen(place, keys, settings, _serves(place, other, reversible=reversible))


def save(chosen: Chosen, entries: Sequence[KeyEntry], *, output: Path | None, update: bool) -> str:
    """Write the changed ring: over its file, to a new file, or, if asked, as the secret's new version. Says where."""
    from sofetch.errors import ConfigError
    from sofetch.keys.files import create_keyring_file, replace_keyring_file
    from sofetch.keys.places import FilePlace, SecretPlace
    from sofetch.mask.keyring_text import render_entries

    place = chosen.place
    if output is not None:
        create_keyring_file(output.expanduser(), render_entries(entries))
        return f"{output} (mode 0600)"
    if isinstance(place, FilePlace):
        replace_keyring_file(place.path, render_entries(entries))
        return f"{place.path} (mode 0600)"
    if isinstance(place, SecretPlace) and update:
        from sofetch.keys.aws import store_secret

        store_secret(place.name, render_entries(entries), chosen.keys)
        return f"AWS secret {place.name}"
    hint = "add --update to change the secret, or -o FILE" if isinstance(place, SecretPlace) else "add -o FILE"
    raise ConfigError(f"{place} is not changed unasked", hint=hint)


def require_target(chosen: Chosen, *, output: Path | None, update: bool) -> None:
    """Refuse before anything is made or asked, rather than after, where the changed ring could not be written."""
    from sofetch.errors import ConfigError
    from sofetch.keys.places import FilePlace, SecretPlace

    if (
        output is None
        and not isinstance(chosen.place, FilePlace)
        and not (update and isinstance(chosen.place, SecretPlace))
    ):
        hint = "add --update to change the secret, or -o FILE to write the keyring to a new file"
        hint = hint if isinstance(chosen.place, SecretPlace) else "add -o FILE to write the keyring to a new file"
        raise ConfigError(f"{chosen.place} is not changed unasked", hint=hint)


def _settings(frame: Frame) -> Settings | None:
    if frame.config or os.environ.get("SOFETCH_CONFIG") or Path("sofetch.toml").exists():
        return frame.settings()
    return None


def _keys_of_environment(environ: Mapping[str, str]) -> KeysSettings:
    """[keys] without a configuration: a keyring can be looked after where there is none."""
    import msgspec

    from sofetch.errors import ConfigError
    from sofetch.settings import KeysSettings

    names = KeysSettings.__struct_fields__
    given = {name: environ[variable] for name in names if environ.get(variable := f"SOFETCH_KEYS_{name}".upper())}
    try:
        return msgspec.convert(given, KeysSettings, strict=False)
    except msgspec.ValidationError:
        raise ConfigError("a SOFETCH_KEYS_… variable cannot be used", hint="see `sofetch settings`") from None


def _serves(place: Place, other: Place | None, *, reversible: bool) -> frozenset[Role]:
    if other is None:
        return frozenset({"tokens", "reversible"})
    return frozenset({"reversible"}) if reversible or place == other else frozenset({"tokens"})
