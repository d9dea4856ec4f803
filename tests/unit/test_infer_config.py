"""Which columns, types and masks sample messages lead to."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from sofetch.config import lint_text
from sofetch.errors import ConfigError
from sofetch.infer import infer_config
from sofetch.infer.names import MAX_COLUMNS


def infer(*documents: object) -> str:
    text = infer_config([json.dumps(document).encode() for document in documents], queue="events", table="events")
    assert lint_text(text) == []
    return text


def columns(*documents: object) -> dict[str, dict[str, Any]]:
    found = {column.pop("name"): column for column in tomllib.loads(infer(*documents))["column"]}
    found.pop("sent_time")
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b"], None),
        ([None], None),
        (["", "2024-02-29"], None),
        ([1, -2], "int"),
        ([2**31], "bigint"),
        ([2**63], "numeric"),
        ([1.5], "numeric"),
        ([1, 1.5], "numeric"),
        ([True, False], "bool"),
        (["2024-02-29"], "date"),
        (["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+02:00"], "timestamp"),
        (["2024-02-29T12:00:00"], None),
        (["424cdd21-063a-43a7-b91b-7ca1a833afae"], "uuid"),
        (["424cdd21063a43a7b91b7ca1a833afae"], None),
        (["10.0.0.0/8", "2001:db8::/32"], "inet"),
        ([[1, 2]], "jsonb"),
        ([{}], "jsonb"),
        (["a", 1], "jsonb"),
        ([{"b": 1}, 2], "jsonb"),
    ],
)
def test_types_are_read_off_the_values(values: list[object], expected: str | None) -> None:
    assert columns(*({"a": value} for value in values))["a"].get("type") == expected


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("total", ["12.30", "7"], "numeric"),
        ("unitPrice", ["12.30"], "numeric"),
        ("tax", ["12.30", 7], "numeric"),
        ("discount", ["5%", "12.30"], None),
        ("discount", ["5%", 5], "jsonb"),
        ("price", ["12.30", ""], None),
        ("price", ["007"], None),
        ("version", ["12.30"], None),
        ("order", ["12"], None),
    ],
)
def test_a_text_is_a_number_where_its_name_suggests_an_amount(
    name: str, values: list[object], expected: str | None
) -> None:
    (column,) = columns(*({name: value} for value in values)).values()
    assert column.get("type") == expected


def test_a_place_that_is_left_out_is_told_how_to_be_had_roughly() -> None:
    written, _, left_out = infer({"coordinates": [52.53012, 13.38011]}).partition("# Left out")
    assert "coordinates" not in written
    advice = re.findall(r"(?:from|mask|round_to) = [^,;]+", left_out)
    assert len(advice) == 3
    assert lint_text("\n".join([written, "[[column]]", 'name = "latitude"', *advice])) == []


def test_a_column_that_names_a_person_is_offered_for_erasures() -> None:
    text = infer({"phone": "+49 30 1234567", "user": {"email": "ada@example.org"}, "ip": "203.0.113.9"})
    offered = re.sub(r"^# (?=\[erasure\]|subject)", "", text, flags=re.MULTILINE)
    assert lint_text(offered) == []
    assert tomllib.loads(offered)["erasure"] == {"subject": "masked_user_email"}
    assert "erasure" not in infer({"ip": "203.0.113.9", "total": 1})


def test_what_is_left_out_says_that_a_part_of_it_can_be_had() -> None:
    assert "friends[0] or friends.key" in infer({"friends": [{"email": "ada@example.org"}]})


def test_only_what_every_sample_has_is_required() -> None:
    found = columns({"a": 1, "b": 1, "c": None}, {"a": 2, "c": 1})
    assert {name for name, column in found.items() if column.get("required")} == {"a"}


def test_how_many_samples_have_a_field_stands_beside_it() -> None:
    assert "# required = true  # 1 of 2 samples have it" in infer({"a": 1}, {"a": None})


def test_nested_objects_become_paths() -> None:
    found = columns({"user": {"plan": {"id": 1}}, "a.b": {"c d": 1}})
    assert {name: column["from"] for name, column in found.items()} == {
        "user_plan_id": "user.plan.id",
        "a_b_c_d": '"a.b"."c d"',
    }


def test_an_object_that_is_sometimes_null_is_taken_apart_and_not_required() -> None:
    assert columns({"user": {"id": 1}}, {"user": None}) == {"user_id": {"from": "user.id", "type": "int"}}


@pytest.mark.parametrize(
    ("field", "value", "mask", "kind", "domain"),
    [
        ("ip", "203.0.113.9", "token", "ip", "ip"),
        ("x", "203.0.113.9", "token", "ip", "ip"),
        ("contact", "jane@example.org", "token", "email", "email"),
        ("phone", 49301234567, "token", "code", "phone"),
        ("pay", 4111111111111111, "token", "code", "card"),
        ("device_id", "078-05-1120", "token", "string", "device_id"),
        ("dob", "1990-01-01", "bucket", "date", None),
        ("lat", 52.52, "redact", None, None),
        ("first_name", "Jane", "redact", None, None),
        ("note", "call jane@example.org", "redact", None, None),
        ("diagnosis", "J45.0", "redact", None, None),
        ("is_pregnant", True, "redact", None, None),
        ("salary", 52000, "redact", None, None),
    ],
)
def test_what_looks_personal_is_masked(
    field: str, value: object, mask: str, kind: str | None, domain: str | None
) -> None:
    column = columns({field: value})[f"masked_{field}"]
    assert (column["from"], column["mask"], column.get("kind"), column.get("domain")) == (field, mask, kind, domain)


def test_one_personal_value_among_many_is_enough() -> None:
    assert list(columns(*({"x": f"item {n}"} for n in range(20)), {"x": "203.0.113.9"})) == ["masked_x"]


def test_a_long_number_that_happens_to_pass_the_check_of_cards_is_no_card() -> None:
    assert list(columns({"x": 4111111111111111}, {"x": 4111111111111112}, {"x": 4111111111111113})) == ["x"]


def test_who_plays_a_part_is_masked_if_named_in_full_and_not_if_numbered() -> None:
    found = columns({"buyer": "Ada Quillfeather", "seller": {"owner": "c-77"}})
    assert found["masked_buyer"]["mask"] == "redact"
    assert "mask" not in found["seller_owner"]
    assert columns({"attendees": ["Ada Quillfeather"]}) == {}
    assert list(columns({"attendees": ["c-77"]})) == ["attendees"]


@pytest.mark.parametrize("pair", [[52.53012, 13.38011], [139.69171, 35.68949]])
def test_two_numbers_on_a_map_are_a_place_whatever_they_are_called(pair: list[float]) -> None:
    assert columns({"at": pair}) == {}
    assert columns({"at": {"point": [pair]}}) == {}


def test_two_other_numbers_are_none() -> None:
    assert list(columns({"range": [1, 5], "share": [0.5, 0.25], "far": [500.12345, 13.38011]})) == [
        "range", "share", "far"
    ]  # fmt: skip


def test_what_looks_personal_under_a_name_of_few_values_gets_no_token() -> None:
    odd = {"opt_in": "203.0.113.9", "country": "+49 30 1234567"}
    assert [column["mask"] for column in columns(odd).values()] == ["redact", "redact"]
    text = infer(odd)
    assert "its values look like an IP address; its name suggests a yes or no too, which tokens do not hide" in text
    assert lint_text(text) == []


def test_a_document_written_as_text_is_redacted_if_it_holds_anything_personal() -> None:
    found = columns({"payload": '{"firstName": "Ada"}', "meta": '{"plan": "gold"}'})
    assert {name: column.get("mask") for name, column in found.items()} == {"masked_payload": "redact", "meta": None}


def test_the_reason_stands_beside_the_mask() -> None:
    assert "its name suggests an IP address" in infer({"ip": "none"})
    assert "its values look like an IP address" in infer({"x": "203.0.113.9"})


@pytest.mark.parametrize(
    "document",
    [
        {"list": ["jane@example.org"]},
        {"list": [{"email": "none"}]},
        {"emails": ["none"]},
        {"map": {"jane@example.org": 1}},
        {"jane@example.org": 1},
        {"ips": ["none"]},
    ],
)
def test_documents_with_personal_values_in_them_are_left_out(document: object) -> None:
    text = infer(document)
    assert "Left out" in text
    assert "jane@example.org" not in text
    assert columns(document) == {}


def test_an_object_with_other_keys_in_each_message_is_a_document_and_its_keys_name_no_column() -> None:
    scores = [{"scores": {f"u{number}": number / 7 for number in range(at, at + 5)}} for at in range(0, 60, 5)]
    assert {name: column["type"] for name, column in columns(*scores).items()} == {"scores": "jsonb"}
    assert "an object with other keys in each message" in infer(*scores)


def test_fields_of_several_kinds_of_events_are_columns_and_no_map() -> None:
    kinds = [
        {"details": {f"{kind}_{field}": value for field, value in (("n", 1), ("text", "x"), ("on", True))}}
        for kind in ("order", "visit", "return", "login", "search")
    ]
    assert len(columns(*kinds, *kinds)) == 15


def test_kinds_of_events_whose_fields_are_all_texts_are_no_map_once_they_come_again() -> None:
    kinds = [
        {"detail": {f"{kind}_{field}": "x" for field in ("code", "state", "unit", "note_id")[: 4 - turn % 2]}}
        for turn in range(4)  # one field may be missing
        for kind in ("order", "visit", "return", "search", "cart", "refund")
    ]
    assert len(columns(*kinds)) == 24


def test_each_kind_of_event_under_a_key_of_its_own_is_no_map() -> None:
    kinds = ["Placed", "Paid", "Packed", "Sent", "Lost", "Found", "Kept", "Taken", "Held", "Split", "Joined", "Closed"]
    bodies = [{"event": {f"Order{kind}": {f"{kind}_at": "x", f"{kind}_by": 1}}} for kind in kinds]
    assert len(columns(*bodies, *bodies)) == 24


def test_an_object_of_many_fields_that_may_each_be_missing_is_no_map() -> None:
    fields = [
        "gift_wrap", "coupon", "delivery_date", "referrer", "email", "vat_rate", "shippingKind", "channel",
        "order_kind", "warehouse", "returned_at", "customer_id", "colour", "fabric", "engraving",
    ]  # fmt: skip
    few = [{"extras": {fields[(at + step) % 15]: "x" for step in (0, 1 + at // 15, 11)}} for at in range(45)]
    found = columns(*few)
    assert len(found) == 15
    assert found["masked_extras_email"]["mask"] == "token"


@pytest.mark.parametrize("called", ["{}", "the_{}"])
def test_a_map_stays_one_however_its_keys_come_together(called: str) -> None:
    people = [called.format(2 * chr(97 + number)) for number in range(20)]
    in_pairs = [{"votes": {one: 1, other: 2}} for at, one in enumerate(people) for other in people[at + 1 :: 3]] * 5
    by_name = [{"votes": {one: {"yes_count": 1, "no_count": 2}}} for one in people] * 5
    once_each = [{"votes": dict.fromkeys(people[at : at + 4], 1)} for at in range(0, 20, 4)]
    for votes in (in_pairs, by_name, once_each):
        assert {name: column["type"] for name, column in columns(*votes).items()} == {"votes": "jsonb"}


def test_a_map_by_words_that_are_no_names_of_fields_stays_one_in_whatever_company() -> None:
    people = [2 * chr(97 + number) for number in range(20)]
    in_teams = [{"votes": dict.fromkeys(people[at : at + 4], 1)} for at in range(0, 20, 4)]
    assert {name: column["type"] for name, column in columns(*in_teams * 5).items()} == {"votes": "jsonb"}


@pytest.mark.parametrize("value", [3, "present", {"days": 3}])
def test_people_s_names_as_keys_are_written_nowhere(value: object) -> None:
    document = {"days": {"Ada Quillfeather": value, "Søren O'Hara": value}, "n": 1}
    text = infer(document)
    assert list(columns(document)) == ["n"]
    assert "personal values as keys" in text
    assert "quill" not in text.lower()


def test_heads_of_a_table_as_keys_are_fields() -> None:
    assert list(columns({"row": {"Order Date": "x", "Unit Price": "y", "Ship Mode": "z"}})) == [
        "row_order_date", "row_unit_price", "row_ship_mode"
    ]  # fmt: skip


@pytest.mark.parametrize("heads", ["First Seen, Last Seen", "Page Views, Unique Visitors", "Front Left, Front Right"])
def test_two_words_that_count_or_measure_are_nobody_s_name(heads: str) -> None:
    assert len(columns({"row": dict.fromkeys(heads.split(", "), 3)})) == 2


def test_a_mixed_field_with_personal_values_below_is_left_out() -> None:
    assert columns({"user": {"email": "none"}}, {"user": 1}) == {}


def test_unmasked_text_has_a_length_to_take() -> None:
    assert "# max_length = 32 " in infer({"a": "x" * 10})
    assert "# max_length = 256 " in infer({"a": "x" * 100})


def test_what_is_no_json_object_is_counted_and_skipped() -> None:
    text = infer_config([b"[1]", b"nope", b"\xff", b'{"a": 1}', b"\xef\xbb\xbf{}", b""], queue="q", table="t")
    assert "2 messages; 4 more could not be read" in text


def test_samples_without_one_json_object_are_refused() -> None:
    with pytest.raises(ConfigError, match="none of the 2 sample messages"):
        infer_config([b"[1]", b"{"], queue="q", table="t")


def test_the_month_of_a_birth_date_is_kept_only_where_it_can_be_read() -> None:
    def masked(*values: object) -> tuple[str, str]:
        text = infer(*({"dob": value} for value in values))
        [column, _] = tomllib.loads(text)["column"]
        return column["mask"], text

    kept, text = masked("1985-03-12", "1985-03-12T00:00:00Z", "", None)
    assert (kept, "NULL" in text) == ("bucket", False)
    kept, text = masked("1985-03-12", "12.03.1985", "19850312")
    assert (kept, "2 of 3 samples are not written as 1985-12-31, and become NULL" in text) == ("bucket", True)
    for value in ("12.03.1985", "19850312", 19850312, 479433600.5):
        kept, text = masked(value)
        assert (kept, "none is written as 1985-12-31" in text) == ("redact", True), value


def test_a_word_that_stands_for_no_value_becomes_a_sentinel_of_a_masked_column() -> None:
    found = columns(
        {"email": "N/A", "ip": "unknown", "phone": "-", "city": "unknown", "surname": "null"},
        {"email": "n/a", "ip": "198.51.100.7", "phone": "+49 30 901820", "city": "Bonn", "surname": "Nulle"},
        {"email": "na@example.org", "ip": " Unknown ", "phone": None, "city": None, "surname": None},
    )
    assert {name: column.get("sentinels") for name, column in found.items()} == {
        "masked_email": ["N/A", "n/a"],
        "masked_ip": ["0.0.0.0", "::", "Unknown", "unknown"],
        "masked_phone": ["-"],
        "city": None,
        "masked_surname": ["null"],
    }


@pytest.mark.parametrize("word", ["entfällt", "ENTFÄLLT", "entfallt", "k. A."])
def test_a_word_for_no_value_is_known_with_its_umlaut(word: str) -> None:
    assert columns({"email": word}, {"email": "ada@example.org"})["masked_email"]["sentinels"] == [word]


def test_values_that_get_the_tokens_of_their_texts_are_told_of() -> None:
    text = infer({"ip": "198.51.100.7:443"}, {"ip": "198.51.100.7"}, {"ip": "unknown"}, {"ip": None})
    assert "1 of 2 samples are not of kind ip, and only the very same text has the same token." in text
    assert "not of kind email" in infer({"email": "Ada <ada@example.org>"})
    for personal in ({"ip": "198.51.100.7"}, {"email": ""}, {"phone": "030/901820"}, {"device_id": 7}, {"name": "Ada"}):
        assert "not of kind" not in infer(personal), personal


def test_names_are_legal_and_unique() -> None:
    found = columns(
        {"A B": 1, "a_b": 1, "a-b": 1, "": 1, "1": 1, "ctid": 1, "ÄÖ": 1, "💥": 1, "x" * 99: 1, "x" * 98: 1}
    )
    assert list(found) == [
        "a_b",
        "a_b_2",
        "a_b_3",
        "field",
        "field_1",
        "ctid_2",
        "ao",
        "field_2",
        "x" * 63,
        "x" * 61 + "_2",
    ]


def test_a_letter_that_is_no_plain_one_and_a_mark_is_written_out_in_the_name() -> None:
    found = columns({"Größe": 180, "Straße": "Hauptstr. 5", "Łódź": 1, "cœur": 1, "søknad": 1})
    assert list(found) == ["grosse", "masked_strasse", "lodz", "coeur", "soknad"]


def test_a_passenger_s_name_is_masked_and_a_product_s_is_not() -> None:
    found = columns({"passenger": {"name": "Tim"}, "product": {"name": "Blue Shirt"}, "client": {"name": "Tim Tester"}})
    assert {name: column.get("mask") for name, column in found.items()} == {
        "masked_passenger_name": "redact",
        "product_name": None,
        "masked_client_name": "redact",
    }
    assert columns({"client": {"name": "mobile-app"}})["client_name"].get("mask") is None


def test_a_field_called_as_our_own_column_keeps_its_name() -> None:
    text = infer({"sent_time": 1})
    assert [column["name"] for column in tomllib.loads(text)["column"]] == ["sent_time", "message_sent_time_1"]


def test_ten_thousand_keys_make_as_many_columns_as_a_table_can_hold() -> None:
    text = infer({f"k{number}": number for number in range(10_000)})
    assert len(tomllib.loads(text)["column"]) == MAX_COLUMNS + 1
    assert "and 8,950 more" in text


def test_a_map_with_many_keys_is_one_document() -> None:
    assert columns({"counts": {f"k{number}": number for number in range(201)}})["counts"]["type"] == "jsonb"


def test_objects_below_the_deepest_level_are_documents() -> None:
    nested: object = {"b": 1}
    for _ in range(12):
        nested = {"a": nested}
    assert [column["type"] for column in columns(nested).values()] == ["jsonb"]


def test_keys_that_cannot_be_read_are_left_out_unnamed() -> None:
    text = infer({'a"\n[sink]\ndsn = "x': 1, "b\u0000": 1, "c": 1})
    assert text.count("(a field with an odd name)") == 2
    assert "dsn = " not in text
