"""The collecting column in the privacy report: whether it holds what is collected, under which keys, and its limits.

Owns the look through its documents and the words about it. A document is looked at once and not kept; neither a value
nor a name of a field is in what comes of it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from sofetch.detect.plain import LEFT_OUT, is_plain_flag, is_plain_name, is_plain_number
from sofetch.report.verdicts import Verdict, percent

SCHEME: Final = "collected"
SOURCE: Final = "fields that no column reads"
LIMITS: Final = (
    "Of collected fields nobody has said what they hold. Each text is a keyed token; names of fields that look like "
    "plain words, whole numbers of up to six digits, true and false are shown: an object whose keys are people's names "
    "shows them.",
    "A collected token is equal where field, text and key are: a rotation renews none, so that rows of two keys do not "
    "meet. `sofetch erase` in mode randomise does not look into them.",
)

_TOKEN = re.compile(r"u1\.([a-z0-9]{1,8})\.[0-9a-f]{40}")
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


class Collected(Struct, frozen=True, kw_only=True):
    """What was seen in the documents looked at: tokens, by the key that made them, and ``strangers``, which no masker
    collects: texts that are no tokens, keys that look like no field's name, numbers that would have been hidden.
    """

    documents: int
    tokens: int
    kids: dict[str, int]
    strangers: int


@dataclass(slots=True)
class CollectedTally:
    """Counts of one collecting column."""

    documents: int = 0
    kids: Counter[str] = field(default_factory=Counter)
    strangers: int = 0

    def look(self, text: str) -> None:
        """Count one document."""
        self.documents += 1
        try:
            document = _DECODER.decode(text)
        except (msgspec.DecodeError, ArithmeticError, ValueError, RecursionError):
            document = text  # cut off, since it is longer than any that is collected
        try:
            if isinstance(document, dict):
                self._look(document, "")
            else:
                self.strangers += 1
        except RecursionError:  # no masker collects so deep a document
            self.strangers += 1

    def collected(self) -> Collected:
        """What was counted."""
        kids = dict(sorted(self.kids.items()))
        return Collected(documents=self.documents, tokens=sum(kids.values()), kids=kids, strangers=self.strangers)

    def _look(self, value: object, path: str) -> None:
        match value:
            case dict():
                for key, member in value.items():
                    if key != LEFT_OUT:
                        self._text(key, plain=is_plain_name(key))
                        self._look(member, f"{path}.{key}")
            case list():
                for member in value:
                    self._look(member, f"{path}[]")
            case str():
                self._text(value, plain=False)
            case None:
                pass
            case bool():
                self.strangers += not is_plain_flag(path)
            case _:
                self.strangers += not is_plain_number(str(value), path=path)

    def _text(self, text: str, *, plain: bool) -> None:
        if (token := _TOKEN.fullmatch(text)) is not None:
            self.kids[token[1]] += 1
        else:
            self.strangers += not plain


def judge_collected(found: Collected, *, rows: int) -> Verdict:
    """The verdict on the collecting column."""
    if rows == 0:
        return Verdict(severity="ok", what="the table is empty: there is nothing to judge yet")
    if found.strangers:
        share = percent(found.strangers / (found.strangers + found.tokens))
        return Verdict(
            severity="error",
            what=f"[drift] collects into it, but {share} of what was looked at in it is nothing that is collected: "
            "texts that are no tokens, or names and numbers that would have been hidden",
            hint="they were there before [drift] named the column, or another program wrote them: delete them",
        )
    if not found.documents:
        return Verdict(severity="ok", what="it collects fields that no column reads, and holds none yet")
    return Verdict(
        severity="warning",
        what=f"it collects fields that no column reads, {_shown(found)}; plain names of fields and whole numbers of "
        "up to six digits are shown",
        hint="look at the names of its fields: keys of a map are shown if they are plain words. Give a field that "
        "stays a [[column]] of its own",
    )


def _shown(found: Collected) -> str:
    kids = list(found.kids)
    if len(kids) < 2:
        return "each text as a keyed token" + "".join(f" of key {kid}" for kid in kids)
    keys = f"{', '.join(kids[:-1])} and {kids[-1]}"
    return f"each text as a keyed token, of keys {keys}, between which equal texts do not meet"
