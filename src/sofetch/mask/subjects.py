"""Whom a vaulted value is about: a token of the subject, so that the vault holds no name.

Owns the subject's form: an h1 token of the domain ``vault-subject``, always under the first key of the token chain, so
that a rotation by chaining leaves the vault's subjects as they are. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sofetch.columns import VAULT_SUBJECT_DOMAIN, kind_of, vault_subject
from sofetch.errors import ConfigError
from sofetch.mask.canonical import BLANK, canonical_of, canonical_text
from sofetch.mask.keyring import Key, Keyring
from sofetch.mask.primitives import TAG_BYTES, keyed_hash
from sofetch.mask.schemes import H1, token_key
from sofetch.record import Value
from sofetch.settings import ColumnSettings, Kind, Settings

Form = Callable[[Value], bytes | None]
"""A subject's canonical form; None for what names nobody: missing, blank, a sentinel."""


def subject_form(settings: Settings) -> Form:
    """How the configured subject column's values are made canonical. Raises ConfigError where there is none."""
    column = vault_subject(settings)
    if column is None:
        raise ConfigError("[vault] subject names no column", hint="name the column that says whom a row is about")
    return form_of(column)


def form_of(column: ColumnSettings) -> Form:
    """How a subject is made canonical that this column's values name."""
    canonical = canonical_of(_kind(column))

    def form(value: Value) -> bytes | None:
        value = str(value) if isinstance(value, UUID) else value
        found = None if value is None else canonical(value) or canonical_text(value)
        return None if found in nothing else found

    nothing: set[bytes | None] = {BLANK}
    nothing.update(form(text) for text in column.sentinels)
    return form


def subject_tokens(settings: Settings, keyring: Keyring, subject: str) -> list[str]:
    """Every token that the vault may know a subject by: one for each usable key, the chain's first before the others.

    One is what the vault holds; another only where a chain was given up for a new one. Empty for what names nobody.
    """
    form = subject_form(settings)(subject)
    first = keyring.token_chain[0]
    keys = [first, *(key for key in keyring.keys if key is not first and key.status != "destroyed")]
    return [] if form is None else [first_token(key, VAULT_SUBJECT_DOMAIN)(form) for key in keys]


def first_token(key: Key, domain: str) -> Callable[[bytes], str]:
    """From a canonical form to its h1 token under one key, unchained."""
    digest, prefix = keyed_hash(token_key(key, domain)), f"{H1}.{key.kid}."
    return lambda form: prefix + digest(form)[:TAG_BYTES].hex()


def _kind(column: ColumnSettings) -> Kind:
    if column.mask is not None:
        return kind_of(column)
    return "uuid" if column.type == "uuid" else "string"
