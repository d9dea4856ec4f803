from __future__ import annotations

import pytest

from decoding import decoder, outcome
from sofetch.errors import ConfigError
from sofetch.record import Reason, Value

NESTED = [
    {"name": "top"},
    {"name": "deep", "from": "a.b.c"},
    {"name": "other", "from": "a.d"},
    {"name": "second", "from": "list[1].x"},
    {"name": "cell", "from": "grid[0][2]", "type": "int"},
]


@pytest.mark.parametrize(
    ("body", "row"),
    [
        (b'{"top":"t","a":{"b":{"c":"c"},"d":"d"},"list":[0,{"x":"x"}],"grid":[[1,2,3]]}', ("t", "c", "d", "x", 3)),
        (b"{}", (None, None, None, None, None)),
        (b'{"a":null,"list":null,"grid":null}', (None, None, None, None, None)),
        (b'{"a":{},"list":[],"grid":[]}', (None, None, None, None, None)),
        (b'{"a":{"b":null,"d":"d"},"list":[1,null],"grid":[null]}', (None, None, "d", None, None)),
        (b'{"a":{"b":{}},"list":["text"],"grid":[[1,2]]}', (None, None, None, None, None)),
        (b'{"grid":[["not","read",7,"nor this"],"nor this"]}', (None, None, None, None, 7)),
        (b'{"a":{"d":"1"},"a":{"b":{"c":"2"}}}', (None, "2", None, None, None)),
    ],
)
def test_missing_or_null_parents_are_missing_values(body: bytes, row: tuple[Value, ...]) -> None:
    assert outcome(decoder(*NESTED), body) == row


def test_one_body_leaves_nothing_for_the_next() -> None:
    decode = decoder(*NESTED)
    full = b'{"top":"t","a":{"b":{"c":"c"},"d":"d"},"list":[0,{"x":"x"}],"grid":[[1,2,3]]}'
    assert outcome(decode, full) == ("t", "c", "d", "x", 3)
    assert outcome(decode, b"{}") == (None, None, None, None, None)


@pytest.mark.parametrize(
    ("body", "column"),
    [
        (b'{"a":1}', "deep"),
        (b'{"a":[]}', "deep"),
        (b'{"a":{"b":"text"}}', "deep"),
        (b'{"a":{"b":{"c":1}}}', "deep"),
        (b'{"a":{"d":1}}', "other"),
        (b'{"list":{}}', "second"),
        (b'{"list":[0,1]}', "second"),
        (b'{"list":[0,{"x":0}]}', "second"),
        (b'{"grid":[[0,0,"x"]]}', "cell"),
    ],
)
def test_wrong_type_on_the_way_names_the_first_column_behind_it(body: bytes, column: str) -> None:
    assert outcome(decoder(*NESTED), body) == (Reason.WRONG_TYPE, column)


def test_required_column_behind_a_missing_parent_is_missing() -> None:
    decode = decoder({"name": "x", "from": "a.b[0].c", "required": True})
    for body in (b"{}", b'{"a":null}', b'{"a":{"b":[]}}', b'{"a":{"b":[{}]}}', b'{"a":{"b":[{"c":null}]}}'):
        assert outcome(decode, body) == (Reason.MISSING_FIELD, "x")


def test_default_stands_for_a_value_behind_a_missing_parent() -> None:
    assert outcome(decoder({"name": "x", "from": "a.b", "type": "int", "default": 3}), b'{"a":{}}') == (3,)


def test_columns_may_share_a_path_and_differ_in_type() -> None:
    decode = decoder(
        {"name": "version", "from": "v"},
        {"name": "version_number", "from": "v", "type": "version_int"},
        {"name": "same_again", "from": "v"},
        {"name": "masked", "from": "v", "mask": "token"},
        {"name": "short", "from": "v", "max_length": 5},
    )
    assert outcome(decode, b'{"v":"2.3.0"}') == ("2.3.0", 2_003_000, "2.3.0", "2.3.0", "2.3.0")
    assert outcome(decode, b'{"v":"beta"}') == (Reason.BAD_VALUE, "version_number")
    assert outcome(decode, b'{"v":"2.3.00"}') == (Reason.TOO_LONG, "short")
    assert outcome(decode, b'{"v":2}') == (Reason.WRONG_TYPE, "version")


def test_a_whole_object_and_its_members_may_both_be_columns() -> None:
    decode = decoder(
        {"name": "id", "from": "user.id"},
        {"name": "whole", "from": "user", "type": "jsonb"},
        {"name": "tags", "type": "jsonb"},
        {"name": "first", "from": "tags[0]"},
    )
    body = b'{"user": {"id": "u", "x": [1, 2]}, "tags": ["a", "b"]}'
    assert outcome(decode, body) == ("u", b'{"id": "u", "x": [1, 2]}', b'["a", "b"]', "a")
    assert outcome(decode, b"{}") == (None, None, None, None)


def test_one_value_as_object_and_as_array_is_a_config_error_with_the_column() -> None:
    with pytest.raises(ConfigError, match=r"column `y`: a\.b is read as an object and as an array"):
        decoder({"name": "x", "from": "a.b.c"}, {"name": "y", "from": "a.b[0]"})


def test_key_that_looks_like_the_parsers_own_words_does_not_draw_the_blame_of_another() -> None:
    decode = decoder({"name": "plain", "from": '"f`"'}, {"name": "odd", "from": '" - at `$.f`"'})
    assert outcome(decode, b'{" - at `$.f`": 1}') == (Reason.WRONG_TYPE, "odd")
    assert outcome(decode, b'{"f`": 1}') == (Reason.WRONG_TYPE, "plain")


def test_name_of_a_column_without_from_is_a_key_and_not_a_path() -> None:
    assert outcome(decoder({"name": "a.b"}), b'{"a":{"b":"nested"},"a.b":"flat"}') == ("flat",)


@pytest.mark.parametrize(
    "key",
    ["self", "class", "def", "__init__", "__post_init__", "f0", "f1", "", " ", "a b", "größe", "😀", "'); DROP TABLE t",
     "$.x", " - at `$.f`", "{}", "%s", "a.b", "[0]", "Expected `str` of length"],
)  # fmt: skip
def test_odd_key_is_read_and_blamed_like_any_other(key: str) -> None:
    decode = decoder({"name": "odd", "from": f'"{key}"'}, {"name": "nested", "from": f'x."{key}"."{key}"'})
    body = f'{{"{key}": "1", "x": {{"{key}": {{"{key}": "2"}}}}}}'.encode()
    assert outcome(decode, body) == ("1", "2")
    assert outcome(decode, f'{{"{key}": 1}}'.encode()) == (Reason.WRONG_TYPE, "odd")
    assert outcome(decode, f'{{"x": {{"{key}": {{"{key}": 1}}}}}}'.encode()) == (Reason.WRONG_TYPE, "nested")


@pytest.mark.parametrize("key", [r"a\"b", r"a\\b", r"a\nb"])
def test_key_that_cannot_be_read_is_a_config_error_with_the_column(key: str) -> None:
    with pytest.raises(ConfigError, match="column `odd`"):
        decoder({"name": "odd", "from": f'"{key}"'})


def test_bad_path_is_a_config_error_with_the_column() -> None:
    with pytest.raises(ConfigError, match="column `x`: `from` character 3"):
        decoder({"name": "x", "from": "a..b"})


def test_field_of_a_rejection_is_the_column_and_not_the_key() -> None:
    decode = decoder({"name": "masked_ip", "from": "ip", "mask": "token", "required": True})
    assert outcome(decode, b'{"ip": []}') == (Reason.WRONG_TYPE, "masked_ip")
    assert outcome(decode, b"{}") == (Reason.MISSING_FIELD, "masked_ip")


def test_five_hundred_columns_keep_their_order() -> None:
    columns = [{"name": f"c{number}", "from": f"k{number % 250}", "type": "int"} for number in range(500)]
    body = "{" + ",".join(f'"k{number}":{number}' for number in range(250)) + "}"
    assert outcome(decoder(*columns), body.encode()) == tuple(number % 250 for number in range(500))
