"""Which line of a TOML document a key stands on."""

from __future__ import annotations

import tomllib

import pytest

from sofetch.config.positions import Path, find_positions

DOCUMENT = '''\
# a comment with a [header] and a key = 1 in it
[source]   # and one behind
queue = "a # b"
"odd.key" . 'x' = [ 1, # ]
  2,
  """
] [[column]]
\\""" still""",
  { a = 1, b.c = 'x' },
]

[[column]]
name = "a"

[[column]]
  # between
from = 'x'
when = 1979-05-27 07:32:00
  [column.sub]
  y = """""quoted"""""
  [[column.list]]
  z = 1
  [[column.list]]
  z = 2
[a.b]
c.d = true
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("source",), 2),
        (("source", "queue"), 3),
        (("source", "odd.key"), 4),
        (("source", "odd.key", "x", 0), 4),
        (("source", "odd.key", "x", 1), 5),
        (("source", "odd.key", "x", 2), 6),
        (("source", "odd.key", "x", 3), 9),
        (("source", "odd.key", "x", 3, "b", "c"), 9),
        (("column",), 12),
        (("column", 0), 12),
        (("column", 0, "name"), 13),
        (("column", 1), 15),
        (("column", 1, "from"), 17),
        (("column", 1, "when"), 18),
        (("column", 1, "sub"), 19),
        (("column", 1, "sub", "y"), 20),
        (("column", 1, "list", 0, "z"), 22),
        (("column", 1, "list", 1), 23),
        (("column", 1, "list", 1, "z"), 24),
        (("a", "b", "c", "d"), 26),
    ],
)
def test_every_key_has_its_line(path: Path, line: int) -> None:
    tomllib.loads(DOCUMENT)
    assert find_positions(DOCUMENT).line(path) == line


def test_what_has_no_line_has_that_of_what_it_would_be_in() -> None:
    positions = find_positions(DOCUMENT)
    assert positions.line(("column", 1, "mask")) == 15
    assert positions.line(("sink", "table")) == 1


def test_a_document_that_is_none_gives_the_positions_up_to_there() -> None:
    positions = find_positions("[a]\nb = 1\n= broken\n[c]\n")
    assert positions.line(("a", "b")) == 2
    assert positions.line(("c",)) == 1
