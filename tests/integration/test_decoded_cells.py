"""What the decoder lets through, Postgres holds: the limits of one are those of the other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import set_json_dumps

from decoding import decoder, outcome

_CASES = Path(__file__).parent.parent / "fixtures" / "json" / "cases.jsonl"

EDGES: list[tuple[str, bytes]] = [
    ("numeric", b"1e131071"),
    ("numeric", b"9" * 131_072),
    ("numeric", b"-1e-16383"),
    ("numeric", b"0." + b"1" * 16_383),
    ("numeric", b"0e131071"),
    ("numeric", b"0e-16383"),
    ("jsonb", b"1e131071"),
    ("jsonb", b"[1e-16383]"),
    ("jsonb", b"[" * 511 + b"]" * 511),
    ("jsonb", b'{"a":' * 511 + b"1" + b"}" * 511),
    ("text", '"\uffff\U0010ffff\\u0001\u202e"'.encode()),
    ("timestamp", b'"0001-01-01T00:00:00Z"'),
    ("timestamp", b'"9999-12-31T23:59:59.999999Z"'),
    ("date", b'"0001-01-01"'),
    ("date", b'"9999-12-31"'),
    ("inet", b'"::ffff:10.0.0.1/96"'),
    ("inet", b'"255.255.255.255/0"'),
    ("int", b"-2147483648"),
    ("bigint", b"-9223372036854775808"),
    ("version_int", b'"2147.483.647"'),
]
_SQL_TYPES = {"timestamp": "timestamptz", "int": "int4", "bigint": "int8", "version_int": "int4"}


def _shown(value: object) -> str:
    return repr(value)[:30]


@pytest.mark.parametrize(("column_type", "value"), EDGES, ids=_shown)
def test_cell_at_the_edge_of_its_type_is_stored_and_comes_back(database: str, column_type: str, value: bytes) -> None:
    decode = decoder({"name": "v", "type": column_type}, max_number_chars=1_000_000)
    (cell,) = outcome(decode, b'{"v": ' + value + b"}")
    sql_type = _SQL_TYPES.get(column_type, column_type)
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        set_json_dumps(bytes, cursor)  # a jsonb cell is its JSON text already
        cursor.execute(sql.SQL("CREATE TEMP TABLE t (v {})").format(sql.Identifier(sql_type)))
        with cursor.copy("COPY t FROM STDIN (FORMAT binary)") as copy:
            copy.set_types([sql_type])
            copy.write_row([cell])
        cursor.execute("SET timezone = 'UTC'")
        if column_type == "jsonb":
            assert cursor.execute("SELECT count(*) FROM t").fetchone() == (1,)
        else:
            assert cursor.execute("SELECT v FROM t").fetchone() == (cell,)


def test_every_json_value_that_is_let_through_is_a_jsonb_value(database: str) -> None:
    decode = decoder({"name": "v", "type": "jsonb"})
    values = [line["value"].encode("latin-1") for line in _lines() if "value" in line]
    rows = [outcome(decode, b'{"v": ' + value + b"}") for value in values]
    cells = [row[0] for row in rows if len(row) == 1 and isinstance(row[0], bytes)]
    assert len(cells) > 30
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        set_json_dumps(bytes, cursor)  # a jsonb cell is its JSON text already
        cursor.execute("CREATE TEMP TABLE t (v jsonb)")
        with cursor.copy("COPY t FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["jsonb"])
            for cell in cells:
                copy.write_row([cell])
        assert cursor.execute("SELECT count(*) FROM t").fetchone() == (len(cells),)


def _lines() -> list[dict[str, str]]:
    return msgspec.json.Decoder(dict[str, str]).decode_lines(_CASES.read_bytes())
