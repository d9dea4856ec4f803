"""Which entries of the quarantine a command is about: keys, reasons, all of them. Never all by accident.

Owns the arguments KEY and ``--reason`` and what they mean together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sofetch.record import Reason

if TYPE_CHECKING:
    from sofetch.load.quarantine.selection import Selection

F = TypeVar("F", bound=Callable[..., Any])


def reason_option(function: F) -> F:
    """``--reason``, repeatable."""
    option = click.option(
        "--reason",
        "reasons",
        multiple=True,
        type=click.Choice([reason.value for reason in Reason]),
        metavar="REASON",
        help="Only this reason; repeatable.",
    )
    return option(function)


def keys_argument(function: F) -> F:
    """KEY…, each a ledger key or a message's id."""
    return click.argument("keys", nargs=-1, metavar="[KEY|MESSAGE_ID…]")(function)


def selection(keys: Sequence[str], reasons: Sequence[str], *, other: bool, other_name: str) -> Selection | None:
    """What was named; None for ``other``, the flag that stands for naming nothing. Raises click's usage error."""
    from sofetch.load.quarantine.selection import Selection

    if bool(keys) + bool(reasons) + other > 1:
        raise click.UsageError(f"give one of them: KEYs, --reason, or {other_name}")
    if keys:
        return Selection(names=tuple(dict.fromkeys(keys)))
    if reasons:
        return Selection(reasons=[Reason(reason) for reason in reasons])
    return None
