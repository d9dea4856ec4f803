"""Who asks, what for, and where it was decided: what a request for a replay or a purge must say.

Pure. Owns what is fit for the audit. No text that was typed is repeated in a complaint.
"""

from __future__ import annotations

from collections.abc import Mapping

from sofetch.detect.forms import holds_personal
from sofetch.errors import ConfigError
from sofetch.governance.request import Purpose

_MOST_CHARS = 500


def purpose_of(form: Mapping[str, str], *, identity: str | None) -> Purpose:
    """The three of a form; the actor is whom the proxy names, where there is one. Raises ConfigError."""
    actor = identity or form.get("actor", "")
    given = {"actor": actor, "purpose": form.get("purpose", ""), "ticket": form.get("ticket", "")}
    fit = {name: _fit(name, text) for name, text in given.items()}
    for name in ("purpose", "ticket"):  # who acts may be named by their address
        if holds_personal(f"{name}: {fit[name]}"):
            raise ConfigError(
                f"the {name} holds what looks like personal data, and the audit would keep it",
                hint="name a case instead",
            )
    return Purpose(**fit)


def _fit(name: str, text: str) -> str:
    text = text.strip()
    if not text:
        raise ConfigError(f"the {name} is missing", hint="the audit says who acted, what for, and where it was decided")
    if len(text) > _MOST_CHARS or not text.isprintable():
        raise ConfigError(f"the {name} is no single line of at most {_MOST_CHARS} printable characters")
    return text
