"""Whatever stands in the configuration file, the answer is settings or a ConfigError with positions and no value."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sofetch.config import lint_text, load_text, preset
from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
fuzzed = settings(max_examples=EXAMPLES)

SECRET = "zq7xsecret"
WHOLE = (
    preset("logins")
    + f"""
[vault]
subject = "user_id"
dsn = "postgresql://u:{SECRET}@h/d"
[limits]
max_depth = 100
[batch]
max_wait_seconds = 0.5
[recovery]
approvals = 1
[[recovery.approver]]
name = "a"
public_key = "{SECRET}"
[[erasure.table]]
name = "t"
subject_column = "c"
"""
)
PIECES = [
    "=",
    "[",
    "]",
    "[[column]]",
    '"',
    "'''",
    '"""',
    "{",
    "}",
    ",",
    ".",
    "\\u0000",
    "\0",
    "\r",
    "\t",
    "\x7f",
    "\ufeff",
    "\U0001f986",
    "9" * 5_000,
    "-1",
    "1e400",
    "nan",
    "inf",
    "true",
    "1979-05-27",
    "[source]",
    "a.b.c = 1",
    f'password = "{SECRET}"',
    f'dsn = "postgresql://u:{SECRET}@h/d"',
    "[" * 600,
    "a." * 600 + "b = 1",
    '" = ',
    "\n",
    "#",
]
LINE = re.compile(r":\d+")

toml_like = st.lists(
    st.sampled_from([*PIECES, "a", "column", "source", "sink", "mask", " = ", "1", '"x"', f'"{SECRET}"'])
    | st.text(max_size=5),
    max_size=30,
).map("".join)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The whole configuration with up to four pieces cut out, put in, doubled or swapped."""
    text = WHOLE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 5, 40])))
        put = draw(st.sampled_from([*PIECES, text[start:end] * 2, ""]) | st.text(max_size=4))
        text = text[:start] + put + text[end:]
    return text


def says_nothing(error: ConfigError) -> None:
    assert SECRET not in f"{error} {error!r}"
    assert error.__context__ is None or error.__suppress_context__


def fares(text: str) -> None:
    """Load and lint it; settings must compile, findings must have places and hold no secret."""
    try:
        loaded = load_text(text)
        compile_decoder(loaded)
    except ConfigError as error:
        says_nothing(error)
    findings = lint_text(text)
    assert SECRET not in repr(findings)


@fuzzed
@given(mutated())
def test_a_valid_file_with_a_few_things_wrong_never_breaks_the_reading_of_it(text: str) -> None:
    fares(text)


@fuzzed
@given(toml_like)
def test_text_that_looks_like_toml_never_breaks_the_reading_of_it(text: str) -> None:
    fares(text)


@fuzzed
@given(mutated())
def test_what_is_wrong_in_the_file_is_found_at_a_line(text: str) -> None:
    for finding in lint_text(text):
        if finding.severity == "error":
            # What tomllib gives up on (too deep, a number too long) has no place; what is missing has none either.
            no_place = finding.code.startswith("missing") or "too deep" in finding.what
            assert LINE.search(finding.where) or no_place, finding.code


@pytest.mark.parametrize("piece", PIECES)
def test_each_hostile_piece_alone_and_at_every_line_of_the_file(piece: str) -> None:
    fares(piece)
    lines = WHOLE.splitlines()
    for at in range(0, len(lines), 5):
        fares("\n".join([*lines[:at], piece, *lines[at:]]))
