"""The text of the configuration: TOML that no field's name can break out of, with comments.

Owns the writing. A name from a message goes into quoted strings only, escaped; into a comment only if it is plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import assert_never

from sofetch.detect.personal import DEVICE, EMAIL, IDENTITY, PHONE, Personal
from sofetch.infer.judge import LeftOut, Loaded, Verdict
from sofetch.infer.observe import Samples
from sofetch.paths import format_path
from sofetch.settings import UnwrapLayer

_PLAIN = re.compile(r"[A-Za-z0-9_.\[\]-]{1,80}")
_MOST_LEFT_OUT_SHOWN = 50
_SHORTEST_LIMIT_CHARS = 32
_SUBJECTS = (EMAIL, IDENTITY, PHONE, DEVICE)


def write(
    verdicts: Sequence[Verdict], samples: Samples, *, queue: str, table: str, layers: Sequence[UnwrapLayer] = ()
) -> str:
    """The whole file."""
    loaded = [verdict for verdict in verdicts if isinstance(verdict, Loaded)]
    blocks = [
        _head(samples, queue=queue, table=table),
        *([_unwrap(layers)] if layers else []),
        *[_column(column, samples.messages) for column in loaded],
        _sent_time(loaded),
        *_erasure(loaded),
    ]
    left_out = [verdict for verdict in verdicts if isinstance(verdict, LeftOut)]
    if left_out:
        blocks.append(_left_out(left_out))
    return "\n".join(blocks)


def quoted(text: str) -> str:
    """A TOML basic string; whatever is not printable is escaped, so that what an editor shows is what there is."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def _head(samples: Samples, *, queue: str, table: str) -> str:
    skipped = f"; {samples.unreadable} more could not be read as a JSON object" if samples.unreadable else ""
    return f"""\
# Inferred from {_count(samples.messages)}{skipped}. Read it before you use it:
# what looks personal is masked here, but personal data that does not look so is not, and is loaded as it is.
# `sofetch settings` explains every key; `sofetch check` tries the whole.

[source]
queue = {quoted(queue)}

[sink]
table = {quoted(table)}
# SOFETCH_SINK_DSN holds the connection string.
# What makes two messages the same: "message" (its id), "content", or columns as ["a", "b"].
dedupe = "message"
"""


def _unwrap(layers: Sequence[UnwrapLayer]) -> str:
    return f"""\
# The samples came wrapped; this is taken off before a column is read, from the outside in.
[unwrap]
layers = [{", ".join(map(quoted, layers))}]
"""


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


def column_lines(column: Loaded) -> list[str]:
    """The ``[[column]]`` that loads the field, the reason above it; whether it is required is left open."""
    lines = [f"# {_reason(column)}", "[[column]]", f"name = {quoted(column.name)}"]
    if column.path != (column.name,):
        lines.append(f"from = {quoted(format_path(column.path))}")
    return [
        *lines,
        *(_mask_lines(column.personal, column.placeholders) if column.personal is not None else _type_lines(column)),
    ]


def _column(column: Loaded, messages: int) -> str:
    return "\n".join([*column_lines(column), _required_line(column.present, messages), ""])


def _required_line(present: int, messages: int) -> str:
    if present == messages:
        return "required = true  # every sample has it"
    return f"# required = true  # {present} of {messages} samples have it; take out the first # to reject the others"


def _reason(column: Loaded) -> str:
    if column.personal is None:
        return f"Loaded as it is: {column.why}."
    match column.personal.mask:
        case "token":
            done = "Masked: equal values have equal tokens, nobody can read them"
        case "reversible" | "ip" | "ip_prefix" | "fpe":
            done = "Masked: whoever has the key, and nobody else, can read it"
        case "redact":
            done = "Masked: only whether there was a value is kept"
        case "truncate":
            done = "Masked: only its start is kept"
        case "bucket":
            done = "Masked: only its month is kept"
        case "partial" | "round" | "noise" | "date_shift":
            done = "Masked: only about what it is is kept"
        case _:
            assert_never(column.personal.mask)
    return f"{done}; {column.why}."


def _mask_lines(personal: Personal, placeholders: Sequence[str]) -> Iterator[str]:
    yield f"mask = {quoted(personal.mask)}"
    if personal.mask in {"token", "bucket"}:
        told = "  # with blanks and hyphens or without, it is one value" if personal.kind == "code" else ""
        yield f"kind = {quoted(personal.kind)}{told}"
    if personal.domain is not None:
        yield f"domain = {quoted(personal.domain)}  # columns of one domain can be joined"
    if personal.truncate_to is not None:
        yield f"truncate_to = {personal.truncate_to}"
    if sentinels := (*personal.sentinels, *placeholders):
        yield f"sentinels = [{', '.join(map(quoted, sentinels))}]  # mean nothing: stored as NULL"


def _type_lines(column: Loaded) -> Iterator[str]:
    if column.type != "text":
        yield f"type = {quoted(column.type)}"
    else:
        limit = max(_SHORTEST_LIMIT_CHARS, 1 << (2 * column.longest_chars - 1).bit_length())
        yield f"# max_length = {limit}  # take out the # to reject longer text"


def _sent_time(loaded: Sequence[Loaded]) -> str:
    taken = {column.name for column in loaded}
    name = next(name for name in _sent_time_names() if name not in taken)
    return "\n".join(
        [
            "# From the envelope, not the body: when the message was sent. A retry gives the same row.",
            "[[column]]",
            f"name = {quoted(name)}",
            'value = "sent_time"',
            'type = "timestamp"',
            "",
        ]
    )


def _sent_time_names() -> Iterator[str]:
    yield "sent_time"
    number = 1
    while True:
        yield f"message_sent_time_{number}"
        number += 1


def _erasure(loaded: Sequence[Loaded]) -> Iterator[str]:
    """Which column may say whom a row is about: the token that a person would be asked for first."""
    found = {column.personal: column.name for column in reversed(loaded) if column.personal in _SUBJECTS}
    name = next((found[personal] for personal in _SUBJECTS if personal in found), None)
    if name is not None:
        yield f"""\
# Whom a row is about, for `sofetch erase`: take out the # if it is this column that names the person.
# [erasure]
# subject = {quoted(name)}
"""


def _left_out(left_out: Sequence[LeftOut]) -> str:
    lines = [line for verdict in left_out[:_MOST_LEFT_OUT_SHOWN] for line in _left_out_lines(verdict)]
    if len(left_out) > _MOST_LEFT_OUT_SHOWN:
        lines.append(f"#   and {len(left_out) - _MOST_LEFT_OUT_SHOWN:,} more")
    return "\n".join(["# Left out:", *lines, ""])


def _left_out_lines(verdict: LeftOut) -> Iterator[str]:
    name = _plain_name(verdict)
    yield f"#   {name}: {verdict.why}"
    if verdict.path and _PLAIN.fullmatch(format_path(verdict.path)):
        if verdict.place:
            yield f'#     to about 10 km: from = "{name}[0]", mask = "round", round_to = 0.1; the same for [1]'
        else:
            yield f"#     a part of it can be a column of its own: `from` takes a path, as {name}[0] or {name}.key"


def _plain_name(verdict: LeftOut) -> str:
    if not verdict.path:
        return "(several)"
    name = format_path(verdict.path)
    return name if _PLAIN.fullmatch(name) else "(a field with an odd name)"
