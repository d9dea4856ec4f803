"""One person, as tables, quarantined bodies and the vault may name them.

Owns under which names a subject can stand in a column, and whether a body is about them; where a text mentions somebody
is ``mention``'s. Pure; what it holds is personal data and shows nothing of itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Final

from sofetch.columns import ADDRESS_MASKS, JOINABLE_MASKS, kind_of, token_domain
from sofetch.errors import ConfigError
from sofetch.governance.audit import AuditKeys
from sofetch.governance.mention import mention_finder, plain_spellings, readings
from sofetch.mask.canonical import BLANK, canonical_of, canonical_text
from sofetch.mask.fpe import canonical_text_of, encrypt_column
from sofetch.mask.keyring import Key, Keyring, Keyrings
from sofetch.mask.primitives import TAG_BYTES, keyed_hash
from sofetch.mask.reversible import AddressMask, encrypt_addresses, seal_column
from sofetch.mask.schemes import H1, token_key
from sofetch.mask.subjects import subject_tokens
from sofetch.paths import Path, parse_path
from sofetch.record import Private, Value
from sofetch.settings import ColumnSettings, Kind, Settings

FINDABLE_MASKS: Final = frozenset({None, *JOINABLE_MASKS})
"""Masks that give one subject one value, so that its rows can be found by it."""


class Subject(Private, frozen=True):
    """Whom an erasure is about: what a column may hold for them, and what the vault may know them by."""

    fingerprint: str
    spellings: tuple[str, ...]
    vault_tokens: tuple[str, ...]


def subject_column(settings: Settings) -> ColumnSettings:
    """The column that the subject's rows are found by. Raises ConfigError if none is named or it cannot serve."""
    name = settings.erasure.subject or settings.vault.subject
    hint = "name the column that says whom a row is about: [erasure] subject"
    if name is None:
        raise ConfigError("nothing says whom a row is about", hint=hint)
    named = next((column for column in settings.column if column.name == name), None)
    if named is None:
        raise ConfigError(f"[erasure] subject: there is no column {name}", hint=hint)
    found = next((column for column in _of_same_source(settings, named) if column.mask in FINDABLE_MASKS), None)
    if found is None:
        raise ConfigError(f"column {name} is masked so that nobody's rows can be found by it", hint=hint)
    return found


def find_subject(settings: Settings, value: str, *, rings: Keyrings, keys: AuditKeys) -> Subject:
    """Every name of the subject. Raises ConfigError for a value that names nobody, which it does not repeat."""
    column = subject_column(settings)
    form = _form(column, value)
    if form is None or form == BLANK:
        raise ConfigError("this names nobody: it is blank", hint="give the subject as the messages name it")
    names = dict.fromkeys(plain_spellings(value, form))
    for one in [column, *_of_same_source(settings, column), *_elsewhere(settings)]:
        names |= dict.fromkeys(_tokens(one, value, rings))
    return Subject(
        fingerprint=keys.fingerprint("subject", form.hex()),
        spellings=tuple(names),
        vault_tokens=tuple(subject_tokens(settings, rings.tokens, value)) if settings.vault.subject else (),
    )


def same_field(settings: Settings, column: ColumnSettings) -> list[str]:
    """The columns that show one subject one value, made of the same field as ``column``, which is the first of them."""
    return [one.name for one in _of_same_source(settings, column) if one.mask in FINDABLE_MASKS]


def is_named_in(settings: Settings, value: str, text: str) -> bool:
    """Whether a text holds the subject's name as a word of its own."""
    return mention_finder(value, _form(subject_column(settings), value))(text)


def body_matcher(settings: Settings, value: str) -> Callable[[bytes], bool]:
    """Whether a body is about the subject: by the field that names whom it is about, or, where that cannot be read or
    is not there, because it holds the subject's text as a word.
    """
    column = subject_column(settings)
    form, path = _form(column, value), _path(column)
    mentions = mention_finder(value, form)

    def is_about(body: bytes) -> bool:
        named = _at(body, path) if path is not None else None
        if isinstance(named, str | int | float):
            return _form(column, named) == form
        return any(map(mentions, readings(body)))

    return is_about


def _of_same_source(settings: Settings, column: ColumnSettings) -> list[ColumnSettings]:
    """The column and the others that are made of the same field, the column first; what collects reads none."""
    source = (column.value, column.from_ or column.name)
    reading = [one for one in settings.column if one.name != settings.drift.collect_into and one is not column]
    alike = [one for one in reading if (one.value, one.from_ or one.name) == source]
    return [column, *alike]


def _elsewhere(settings: Settings) -> list[ColumnSettings]:
    """The subject columns of other tables, where they hold tokens of a domain of their own."""
    return [
        ColumnSettings(name=table.subject_column, mask="token", kind=table.kind, domain=table.domain)
        for table in settings.erasure.table
        if table.domain is not None
    ]


def _kind(column: ColumnSettings) -> Kind:
    if column.mask is not None:
        return kind_of(column)
    return "uuid" if column.type == "uuid" else "string"


def _form(column: ColumnSettings, value: Value) -> bytes | None:
    try:
        return canonical_of(_kind(column))(value) or canonical_text(value)
    except UnicodeEncodeError:  # it carries the value
        return None


def _tokens(column: ColumnSettings, value: str, rings: Keyrings) -> list[str]:
    form, domain = _form(column, value), token_domain(column)
    if form is None:
        return []
    if column.mask == "token":
        return list(_h1_tokens(form, domain, rings.tokens))
    usable = [key for key in rings.reversible.keys if key.status != "destroyed"]
    if column.mask == "reversible":
        return [token for key in usable for token in seal_column(key, domain)([form])]
    if column.mask == "fpe":
        own = canonical_text_of(column.alphabet)(value)
        return [] if own is None else encrypt_column(rings.reversible.oldest, domain, alphabet=column.alphabet)([own])
    if column.mask in ADDRESS_MASKS and form[:1] in {b"\x04", b"\x06"}:
        mask: AddressMask = "ip" if column.mask == "ip" else "ip_prefix"
        return [str(one) for key in usable for one in encrypt_addresses(key, domain, mask=mask)([form])]
    return []


def _h1_tokens(form: bytes, domain: str, ring: Keyring) -> Iterator[str]:
    """The token at each step of the chain, since a rotation may be under way, and under each key alone."""
    tag: bytes | None = None
    for key in ring.token_chain:
        tag = _tag(key, domain, form if tag is None else _CHAIN_STEP + tag)
        yield f"{H1}.{key.kid}.{tag.hex()}"
    for key in ring.keys:
        if key.status != "destroyed":
            yield f"{H1}.{key.kid}.{_tag(key, domain, form).hex()}"


_CHAIN_STEP: Final = b"T"


def _tag(key: Key, domain: str, data: bytes) -> bytes:
    return keyed_hash(token_key(key, domain))(data)[:TAG_BYTES]


def _path(column: ColumnSettings) -> Path | None:
    return None if column.value is not None else parse_path(column.from_ or column.name)


def _at(body: bytes, path: Path) -> object:
    """What stands at the path; None where the body is no JSON or has nothing there."""
    try:
        found: object = json.loads(body.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    for step in path:
        match found, step:
            case dict(), str():
                found = found.get(step)
            case list(), int() if step < len(found):
                found = found[step]
            case _:
                return None
    return found
