"""Which place a keyring comes from: a variable, a file, or a secret of AWS Secrets Manager.

Owns the order in which places are asked for, once for the tokens' keyring and once for the reversible one. It reads
nothing but names: no file, no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sofetch.errors import KeyringError, told_path
from sofetch.settings import KeysSettings

Role = Literal["tokens", "reversible"]

KEYRING_VARIABLE: Final = "SOFETCH_KEYRING"
FILE_VARIABLE: Final = "SOFETCH_KEYRING_FILE"
REVERSIBLE_VARIABLE: Final = "SOFETCH_REVERSIBLE_KEYRING"
REVERSIBLE_FILE_VARIABLE: Final = "SOFETCH_REVERSIBLE_KEYRING_FILE"

NO_KEY_HINT: Final = (
    f"make one with `sofetch keys new -o FILE` and name it in {FILE_VARIABLE} or in [keys] file, "
    f"put its JSON in {KEYRING_VARIABLE}, or name an AWS secret in [keys] secret"
)

NO_FILE_HINT: Final = (
    "is the path right, and may this user read it? Where there are tokens already, nothing but the keyring that "
    "made them will do: take it from its backup. For a first start make one with `sofetch keys new -o FILE`"
)


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that holds the JSON."""

    name: str

    def __str__(self) -> str:
        return f"the keyring in {self.name}"


@dataclass(frozen=True, slots=True)
class FilePlace:
    """A file, mode 0600."""

    path: Path

    def __str__(self) -> str:
        return f"keyring file {told_path(self.path)}"


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """A secret of AWS Secrets Manager, by name or ARN."""

    name: str

    def __str__(self) -> str:
        return f"the keyring in AWS secret {self.name}"


Place = Variable | FilePlace | SecretPlace
"""``str`` of one names it in an error."""


def find_place(keys: KeysSettings, *, environ: Mapping[str, str], role: Role = "tokens") -> Place | None:
    """Where the keyring of that role is, or None if nothing names one. The environment wins over the configuration.

    Raises KeyringError where two are named and which counts would be a guess.
    """
    if role == "tokens":
        named = _in_environment(environ, KEYRING_VARIABLE, FILE_VARIABLE)
        return named or _configured(keys.file, keys.secret, "file", "secret")
    named = _in_environment(environ, REVERSIBLE_VARIABLE, REVERSIBLE_FILE_VARIABLE)
    return named or _configured(keys.reversible_file, keys.reversible_secret, "reversible_file", "reversible_secret")


def require_place(keys: KeysSettings, *, environ: Mapping[str, str]) -> Place:
    """Where the tokens' keyring is. Raises KeyringError if nothing names one."""
    place = find_place(keys, environ=environ)
    if place is None:
        raise KeyringError("there is no key: nothing names a keyring", hint=NO_KEY_HINT)
    return place


def _in_environment(environ: Mapping[str, str], variable: str, file_variable: str) -> Place | None:
    path = environ.get(file_variable)
    if environ.get(variable):
        if path:
            raise KeyringError(f"both {variable} and {file_variable} are set", hint="unset one of them")
        return Variable(variable)
    return FilePlace(Path(path).expanduser()) if path else None


def _configured(file: str | None, secret: str | None, file_key: str, secret_key: str) -> Place | None:
    if file and secret:
        raise KeyringError(f"[keys] has both `{file_key}` and `{secret_key}`", hint="drop one of the two")
    if secret:
        return SecretPlace(secret)
    return FilePlace(Path(file).expanduser()) if file else None
