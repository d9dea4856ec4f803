"""From a place to a keyring: read, unwrapped where AWS KMS wrapped it, parsed.

Owns that no frame of a traceback keeps the text: what is read goes straight into the parser, which drops it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from sofetch.keys.files import read_keyring_file
from sofetch.keys.places import FilePlace, Place, SecretPlace, Variable, find_place, require_place
from sofetch.mask.keyring import Keyring, Keyrings, Unwrap, parse_keyring
from sofetch.mask.keyring_text import Wrapped
from sofetch.settings import KeysSettings


def load_keyring(keys: KeysSettings, *, environ: Mapping[str, str]) -> Keyring:
    """The tokens' keyring: of SOFETCH_KEYRING (its JSON), SOFETCH_KEYRING_FILE, ``[keys] file`` or ``[keys] secret``.

    Raises KeyringError: none named, two named, not to be had, or not fit for use.
    """
    return keyring_at(require_place(keys, environ=environ), keys, environ=environ)


def load_keyrings(keys: KeysSettings, *, environ: Mapping[str, str]) -> Keyrings:
    """Both keyrings: where none is named for what can be reversed, the tokens' one serves for it too.

    Raises KeyringError as ``load_keyring``, and for a kid or a key that is in both.
    """
    tokens = load_keyring(keys, environ=environ)
    place = find_place(keys, environ=environ, role="reversible")
    return Keyrings(tokens, keyring_at(place, keys, environ=environ) if place else None)


def keyring_at(place: Place, keys: KeysSettings, *, environ: Mapping[str, str]) -> Keyring:
    """The keyring in one place. Raises KeyringError."""
    return parse_keyring(read_text(place, keys, environ=environ), where=str(place), unwrap=unwrap_with(keys))


def read_text(place: Place, keys: KeysSettings, *, environ: Mapping[str, str]) -> str:
    """The JSON text in a place. Hand it on at once: who keeps it in a variable keeps it in a traceback."""
    match place:
        case Variable():
            return environ[place.name]
        case FilePlace():
            return read_keyring_file(place.path)
        case SecretPlace():
            from sofetch.keys.aws import fetch_secret

            return fetch_secret(place.name, keys)
        case _:
            assert_never(place)


def unwrap_with(keys: KeysSettings) -> Unwrap:
    """Opens wrapped keys by AWS KMS. The SDK is loaded and KMS asked only if there is one."""

    def unwrap(kid: str, wrapped: Wrapped) -> bytes:
        from sofetch.keys.aws import unwrap_key

        return unwrap_key(kid, wrapped, keys)

    return unwrap
