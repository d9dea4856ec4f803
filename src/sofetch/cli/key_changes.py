"""``sofetch keys rotate|retire|destroy|wrap``: changing a keyring. What is sound is ``mask.keyring_changes``'s to say.

Owns what is asked before a change that cannot be taken back: of the database, and of the person. Not one of these
commands shows a key.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import KEY_ENV, SINK_ENV, Frame, command
from sofetch.cli.key_place import Chosen, choose, output_options, place_options, require_target, save
from sofetch.cli.text import count
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.load.rotation.kids import KidUse
    from sofetch.mask.keyring_text import KeyEntry


@command("rotate", example="sofetch keys rotate\nsofetch keys rotate --kid k2 -o new.json", environment=(KEY_ENV,))
@place_options
@click.option("--kid", metavar="ID", help="Name of the new key. Default: the old one's with its number raised.")
@output_options
def rotate(
    frame: Frame, *, path: Path | None, reversible: bool, kid: str | None, output: Path | None, update: bool
) -> None:
    """Add a new primary key after the old one, which becomes active.

    The old key stays, and stays needed: a new token passes through both, so that `sofetch rotate` can upgrade the
    stored ones with no plaintext. Restart the workers with the new keyring, then run `sofetch rotate`; the other way
    round, workers stopped, where there are columns of addresses. If the old primary is wrapped by a KMS key, so is the
    new one.
    """
    from sofetch.mask.keyring_changes import new_entry, next_kid, rotated

    chosen = choose(frame, path=path, reversible=reversible)
    require_target(chosen, output=output, update=update)
    entries = chosen.entries()
    before = next(entry for entry in entries if entry.status == "primary")
    entry = new_entry(kid or next_kid(entries))
    if before.wrapped is not None:
        [entry] = _wrapped([entry], before.wrapped.kms_key, chosen)
    where = save(chosen, _sound(rotated(entries, entry)), output=output, update=update)
    _say_changed(frame, where, f"key {entry.kid} is the primary now, {before.kid} is active", kid=entry.kid)
    frame.note("  → back it up, restart the workers with it, then run `sofetch rotate`")


@command("retire", example="sofetch keys retire k1", environment=(KEY_ENV, SINK_ENV))
@click.argument("kid")
@place_options
@output_options
@click.option("--force", is_flag=True, help="Retire it though something still needs it.")
def retire(
    frame: Frame, *, kid: str, path: Path | None, reversible: bool, output: Path | None, update: bool, force: bool
) -> None:
    """Make an active key decrypt_only: it opens what it closed, and makes nothing any more.

    Refused for a step of the tokens' chain (an active key before the primary): without it equal values would get other
    tokens than those that are stored. Refused as well while the configured table holds tokens of it, which `sofetch
    rotate` upgrades.
    """
    from sofetch.mask.keyring_changes import retired

    chosen = choose(frame, path=path, reversible=reversible)
    require_target(chosen, output=output, update=update)
    entries = chosen.entries()
    changed = retired(entries, kid)
    uses = _uses(chosen, kid)
    in_tables = [use for use in uses or [] if use.scheme in {"h1", "r1"}]
    needs = [*_chain_needs(chosen, entries, kid), *_in_words(in_tables)]
    if uses is None:
        frame.note("  → no database was asked: none is configured, so tables may still hold tokens of it")
    _refuse_needed(kid, needs, force=force, act="retired")
    _say_changed(frame, save(chosen, changed, output=output, update=update), f"key {kid} is decrypt_only", kid=kid)


@command("destroy", example="sofetch keys destroy k1", environment=(KEY_ENV, SINK_ENV))
@click.argument("kid")
@place_options
@output_options
@click.option("--force", is_flag=True, help="Destroy it though something still needs it, or nothing could be asked.")
def destroy(
    frame: Frame, *, kid: str, path: Path | None, reversible: bool, output: Path | None, update: bool, force: bool
) -> None:
    """Remove a key's material for good. Its entry stays, so that its name is never used again.

    What it closed is closed for ever, and its tokens can never be made again. Refused while anything that can be asked
    still needs it. Asks for the key's name, from the terminal or on standard input. Copies and backups of the keyring,
    and an AWS secret's earlier versions, still hold the key.
    """
    from sofetch.mask.keyring_changes import destroyed

    chosen = choose(frame, path=path, reversible=reversible)
    require_target(chosen, output=output, update=update)
    entries = chosen.entries()
    changed = destroyed(entries, kid)
    uses = _uses(chosen, kid)
    unknown = ["no database is configured that could be asked what it holds"] if uses is None else []
    needs = [
        *_chain_needs(chosen, entries, kid),
        *_ledger_needs(chosen, entries, kid),
        *_oldest_needs(chosen, entries, kid),
        *_in_words(uses or []),
        *unknown,
    ]
    _refuse_needed(kid, needs, force=force, act="destroyed")
    _ask_for(kid)
    where = save(chosen, changed, output=output, update=update)
    _say_changed(frame, where, f"key {kid} is destroyed", kid=kid)
    frame.note("  → remove its copies too: backups of the file, earlier versions of the secret")


@command("wrap", example="sofetch keys wrap --kms-key alias/sofetch", environment=(KEY_ENV,))
@place_options
@click.option("--kms-key", required=True, metavar="KEY", help="The AWS KMS key: an id, an ARN or alias/NAME.")
@output_options
def wrap(frame: Frame, *, path: Path | None, reversible: bool, kms_key: str, output: Path | None, update: bool) -> None:
    """Encrypt the keys of a keyring by an AWS KMS key, or by another one than before.

    No token changes: the keys stay what they are, only KMS is needed to use them. Each is bound to its name by the
    encryption context {"sofetch": "keyring", "kid": …}. Whether every key opens again is tried before anything is
    written.
    """
    chosen = choose(frame, path=path, reversible=reversible)
    require_target(chosen, output=output, update=update)
    wrapped = _wrapped(_opened(chosen, chosen.entries()), kms_key, chosen)
    _require_same_keys(chosen, wrapped)
    where = save(chosen, wrapped, output=output, update=update)
    _say_changed(frame, where, f"every key is wrapped by KMS key {kms_key}; no token changes", kms_key=kms_key)


def _opened(chosen: Chosen, entries: Sequence[KeyEntry]) -> list[KeyEntry]:
    from sofetch.keys.loading import unwrap_with
    from sofetch.mask.keyring import unwrapped

    return unwrapped(entries, where=str(chosen.place), unwrap=unwrap_with(chosen.keys))


def _wrapped(entries: Sequence[KeyEntry], kms_key: str, chosen: Chosen) -> list[KeyEntry]:
    from sofetch.keys.aws import wrap_key
    from sofetch.mask.keyring_changes import wrapped_as

    return [
        wrapped_as(entry, wrap_key(entry, kms_key=kms_key, keys=chosen.keys)) if entry.material is not None else entry
        for entry in entries
    ]


def _require_same_keys(chosen: Chosen, wrapped: Sequence[KeyEntry]) -> None:
    """Nothing is written that does not open, or that opens to other keys."""
    from sofetch.errors import KeyringError

    if _opened(chosen, wrapped) != _opened(chosen, chosen.entries()):
        raise KeyringError(
            "a wrapped key does not open to what it was", hint="nothing was changed; look at the KMS key"
        )


def _sound(entries: list[KeyEntry]) -> list[KeyEntry]:
    """The entries, if a program that starts would take them."""
    from sofetch.mask.keyring_changes import entries_of
    from sofetch.mask.keyring_text import render_entries

    return entries_of(render_entries(entries), where="the changed keyring")


def _chain_needs(chosen: Chosen, entries: Sequence[KeyEntry], kid: str) -> list[str]:
    from sofetch.mask.keyring_changes import is_chain_step

    if "tokens" not in chosen.serves or not is_chain_step(entries, kid):
        return []
    if chosen.settings is not None and all(column.mask != "token" for column in chosen.settings.column):
        return []
    return ["it is a step of the tokens' chain: without it equal values get other tokens than the stored ones"]


def _ledger_needs(chosen: Chosen, entries: Sequence[KeyEntry], kid: str) -> list[str]:
    from sofetch.mask.keyring_changes import is_oldest

    by_content = chosen.settings is None or chosen.settings.sink.dedupe != "message"
    if "tokens" in chosen.serves and by_content and is_oldest(entries, kid):
        return ["the ledger knows messages by it: without it a message that was loaded is loaded again"]
    return []


def _oldest_needs(chosen: Chosen, entries: Sequence[KeyEntry], kid: str) -> list[str]:
    """Masks whose result names no key are made with the oldest, and nothing renews them."""
    from sofetch.columns import OLDEST_KEY_MASKS
    from sofetch.mask.keyring_changes import is_oldest

    columns = [] if chosen.settings is None else chosen.settings.column
    masks = sorted({column.mask for column in columns if column.mask in OLDEST_KEY_MASKS})
    if masks and "reversible" in chosen.serves and is_oldest(entries, kid):
        verb = "goes" if len(masks) == 1 else "go"
        return [f"it is what {' and '.join(masks)} {verb} by: without it new rows no longer fit the stored ones"]
    return []


def _uses(chosen: Chosen, kid: str) -> list[KidUse] | None:
    """What the database holds under this key; None where none is configured."""
    if chosen.settings is None:
        return None
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.rotation.tokens import kids_in_use

    try:
        dsn = resolve_dsn(chosen.settings.sink, environ=os.environ)
    except ConfigError:
        return None
    return [use for use in kids_in_use(chosen.settings, dsn=dsn) if use.kid == kid and _made_by(chosen, use)]


def _made_by(chosen: Chosen, use: KidUse) -> bool:
    """Whether the chosen ring made it; audit rows may be of either."""
    role = {"h1": "tokens", "audit": None}.get(use.scheme, "reversible")
    return role is None or role in chosen.serves


def _in_words(uses: Sequence[KidUse]) -> Iterator[str]:
    for use in uses:
        if use.scheme in {"ip", "ip_prefix"}:
            yield f"{use.where} {use.column} are under it"
        else:
            yield f"{use.where}.{use.column} has {count(use.rows, 'row')} under it"


def _refuse_needed(kid: str, needs: Sequence[str], *, force: bool, act: str) -> None:
    from sofetch.errors import KeyringError

    if needs and not force:
        hint = "`sofetch rotate` upgrades what tables hold; --force does it all the same"
        raise KeyringError(f"key {kid} is not {act}: " + "; ".join(needs), hint=hint, code="key_needed")


def _ask_for(kid: str) -> None:
    typed = click.prompt(f"Type the key's name to destroy it ({kid})", err=True) if sys.stdin.isatty() else _read_line()
    if typed.strip() != kid:
        raise ConfigError("that is not the key's name: nothing was changed", hint=f"type {kid} when asked")


def _read_line() -> str:
    return sys.stdin.readline()


def _say_changed(frame: Frame, where: str, what: str, **names: str) -> None:
    if frame.json:
        frame.data({"written": where, **names})
    else:
        frame.say(f"{what}; written to {where}")
