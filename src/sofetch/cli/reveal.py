"""One entry of the quarantine as it is told, and its body in the clear for those who may see it.

Owns that a body goes to standard output and nowhere else, after the audit row. In which order things are done is
``sofetch.governance``'s.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sofetch.cli.governed import opened_audit
from sofetch.cli.text import count, shown, terminal_safe
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.cli.frame import Frame
    from sofetch.governance.quarantine import Revealed
    from sofetch.governance.request import Purpose
    from sofetch.load.quarantine.entries import Quarantined
    from sofetch.settings import Settings


def entry_as_json(entry: Quarantined) -> dict[str, object]:
    """Everything of the entry but its body."""
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


def described(entry: Quarantined, *, body: str = "not shown") -> list[str]:
    """The same in lines for people."""
    fields: dict[str, object] = {
        "key": entry.key,
        "message id": entry.message_id,
        "reason": entry.reason,
        "field": entry.field,
        "attempts": f"{entry.attempts} (received {count(entry.receive_count, 'time')} when first refused)",
        "sent": entry.sent_at,
        "first seen": entry.first_seen,
        "last seen": entry.last_seen,
        "expires": entry.expires_at,
        "body": f"sealed with key {entry.kid}, {count(entry.sealed_bytes, 'byte')}; {body}",
    }
    return [f"{name:<12}{shown(value)}" for name, value in fields.items()]


def show_body(frame: Frame, settings: Settings, entries: Sequence[Quarantined], *, by: Purpose) -> None:
    """Show one body, once the audit row is written."""
    if len(entries) > 1:
        raise ConfigError(f"{len(entries)} entries have this message id", hint="name one of them by its key")
    entry = entries[0]
    revealed = _reveal(settings, entry, by)
    row = revealed.row
    if frame.json:
        frame.data(
            {
                "audit": {"seq": row.seq, "digest": row.digest.hex(), "at": row.at},
                "entry": entry_as_json(entry),
                "body": _text(revealed.body),
                "body_base64": base64.b64encode(revealed.body).decode(),
            }
        )
        return
    frame.note(f"audit row {row.seq} says that {terminal_safe(row.actor)} was shown this; head {row.head}")
    frame.warn("what follows is personal data: keep it no longer than the purpose needs")
    for line in described(entry, body="in the clear below"):
        frame.say(line)
    frame.say()
    for line in revealed.body.decode("utf-8", "replace").splitlines() or [""]:
        frame.say(terminal_safe(line))


def _reveal(settings: Settings, entry: Quarantined, by: Purpose) -> Revealed:
    from sofetch.governance.quarantine import SealedBody, reveal
    from sofetch.load.dsn import resolve_dsn
    from sofetch.load.quarantine.entries import read_sealed
    from sofetch.load.quarantine.selection import Selection

    with opened_audit(settings, os.environ) as (rings, audit):
        dsn = resolve_dsn(settings.sink, environ=os.environ)
        found = list(read_sealed(settings, Selection(names=[str(entry.key)]), dsn=dsn))
        if not found:
            raise ConfigError("the entry is gone: it was replayed, purged or erased just now")
        one = SealedBody(found[0].entry.key, found[0].entry.kid, found[0].sealed_body)
        return reveal(one, by, settings=settings, keyring=rings.reversible, audit=audit)


def _text(body: bytes) -> str | None:
    """The body as text, or None where it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
