"""Recorded cases: whatever a message holds, nothing of it is in the file, and the file's cases pass."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sofetch.cases import Bench, read_cases, record_cases, write_cases
from sofetch.cases.replace import Replacer
from sofetch.config import load_text
from sofetch.record import Message

SETTINGS = load_text("""
[source]
queue = "q"
[sink]
table = "t"
[[column]]
name = "id"
required = true
[[column]]
name = "masked_mail"
from = "mail"
mask = "token"
kind = "email"
domain = "email"
sentinels = ["unknown"]
[[column]]
name = "masked_ip"
from = "ip"
mask = "reversible"
kind = "ip"
domain = "ip"
[[column]]
name = "amount"
type = "numeric"
[[column]]
name = "count"
type = "bigint"
[[column]]
name = "seen"
type = "timestamp"
[[column]]
name = "born"
mask = "bucket"
kind = "date"
[[column]]
name = "more"
type = "jsonb"
personal = false
[[column]]
name = "tags"
type = "jsonb"
[[column]]
name = "tenant"
value = "attribute:tenant"
""")

# A letter beyond ASCII that no made-up value uses: where it turns up, it came from the message.
secret = st.one_of(
    st.text(st.sampled_from("ŁŻ0123456789@.: -'\"\\\n"), min_size=3, max_size=30).map(lambda text: "Ł" + text),
    st.text(st.sampled_from("Ł Ż."), min_size=1, max_size=9).map(lambda text: f"2024-05-06 07:08{text}Ł"),
)
tame = st.one_of(secret, st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.sampled_from(["", "unknown"]))
addresses = st.ip_addresses().map(str)
documents = st.fixed_dictionaries(
    {"id": st.one_of(secret, st.integers(0, 9))},
    optional={
        "mail": st.one_of(st.emails(), tame),
        "ip": st.one_of(addresses, tame),
        "amount": st.one_of(st.decimals(-(10**9), 10**9, places=2).map(float), secret),
        "count": st.integers(-(2**64), 2**64),
        "seen": st.one_of(st.datetimes().map(lambda at: at.isoformat() + "Z"), secret),
        "born": st.one_of(st.dates().map(str), secret),
        "tags": st.recursive(tame, lambda inner: st.lists(inner) | st.dictionaries(secret, inner), max_leaves=8),
        "unnamed": secret,
    },
)


def _message(document: Any, tenant: str) -> Message:
    body = json.dumps(document, ensure_ascii=False).encode()
    return Message(id="m", body=body, queue="q", sent_ms=1, received_ms=2, attributes={"tenant": tenant, "other": "Ł"})


@settings(max_examples=40)
@given(st.lists(documents, min_size=1, max_size=3), secret)
def test_nothing_of_a_message_is_in_its_case_and_the_case_passes(drawn: list[dict[str, Any]], tenant: str) -> None:
    recorded = record_cases([_message(document, tenant) for document in drawn], SETTINGS, most=10)
    text = write_cases(recorded.cases)
    assert "Ł" not in text
    assert "\\u0141" not in text.lower()
    for document in drawn:
        mail = document.get("mail")
        assert not isinstance(mail, str) or "@" not in mail or mail not in text
    cases = read_cases(text, file="t", settings=SETTINGS) if recorded.cases else []
    assert len(cases) == len(recorded.cases)
    assert [verdict.differences for verdict in Bench(SETTINGS).run(cases)] == [[]] * len(cases)


@given(addresses)
def test_an_address_becomes_one_that_is_nobodys(address: str) -> None:
    [made] = json.loads(Replacer(SETTINGS).body(json.dumps({"ip": address}).encode()) or b"").values()
    assert made.startswith(("198.18.", "198.19.", "2001:db8:"))


def made_of(text: str) -> str:
    """What is made of a text in a document."""
    [made] = json.loads(Replacer(SETTINGS).body(json.dumps({"id": text}).encode()) or b"").values()
    return str(made)


@pytest.mark.parametrize(
    "text",
    ["🐱🦊", "🐱 🦊", "Ⅷ②³½", "मि", "नरेंद्र", "a\u0301", "\u200d\u2060", "李小龙", "٣٤٥", "\U000f0000", "™℡"],
)
def test_of_a_name_that_is_written_with_neither_letters_nor_digits_nothing_stays(text: str) -> None:
    made = made_of(text)
    assert len(made) == len(text)
    assert not (set(text) - {" ", "a"}) & set(made)


@pytest.mark.parametrize(
    "rest", [" Anna Schmidt rang", "anna@x.example", " 0151 2345678", "+49151234567", "Z Anna", " 593-47-5928"]
)
def test_of_a_text_that_begins_with_a_time_the_rest_does_not_stay(rest: str) -> None:
    for start in ("2024-05-06 07:08", "2024-05-06T07:08:09", "2024-05-06"):
        assert rest.strip() not in made_of(start + rest)


@pytest.mark.parametrize("zone", ["", "Z", "+05:45", "-0300", " +01", "z"])
def test_a_time_stays_a_time_in_its_zone(zone: str) -> None:
    made = made_of(f"2024-05-06T07:08:09.123456{zone}")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}" + re.escape(zone), made)
    assert ".123456" not in made


def test_one_value_has_one_made_up_value_and_another_run_another() -> None:
    replacer = Replacer(SETTINGS)
    body = json.dumps({"id": "anna-maria-22", "tags": ["anna-maria-22"]}).encode()
    first, again, other = replacer.body(body), replacer.body(body), Replacer(SETTINGS).body(body)
    assert first == again != other
    made = json.loads(first or b"")
    assert made["tags"] == [made["id"]]


def test_what_the_configuration_calls_harmless_stays_and_a_masked_column_never_does() -> None:
    body = json.dumps({"more": {"locale": "de_AT", "n": 12345}, "mail": "android", "tags": ["android"]}).encode()
    made = json.loads(Replacer(SETTINGS).body(body) or b"")
    assert list(made["more"].values()) == ["de_AT", 12345]
    assert made["tags"] == ["android"]
    assert made["mail"] != "android"


def test_a_document_keeps_its_form_also_where_a_column_reads_a_part_of_it() -> None:
    columns = '[[column]]\nname = "lines"\ntype = "jsonb"\n[[column]]\nname = "sku"\nfrom = "lines[0].sku"\n'
    settings = load_text('[source]\nqueue = "q"\n[sink]\ntable = "t"\n' + columns)
    body = json.dumps({"lines": [{"sku": "tea-100", "phone": "+44 20 7946 0018"}, {"sku": "cup"}]}).encode()
    [[first, second]] = json.loads(Replacer(settings).body(body) or b"").values()
    assert list(first) == ["sku", "phone"]
    assert len(second) == 1
    assert [len(part) for part in first["phone"].split()] == [3, 2, 4, 4]


def test_a_word_that_names_no_one_does_not_stay_under_a_masked_column() -> None:
    columns = '[[column]]\nname = "x"\n[[column]]\nname = "masked_y"\nfrom = "y"\nmask = "redact"\n'
    settings = load_text('[source]\nqueue = "q"\n[sink]\ntable = "t"\n' + columns)
    made = json.loads(Replacer(settings).body(b'{"x": "android", "y": "android"}') or b"")
    assert made["x"] == "android"
    assert made["y"] != "android"


def test_a_message_whose_made_up_twin_comes_to_something_else_is_left_out() -> None:
    # A month 13 is no time; what is made in its place always is one.
    drawn = [{"id": "first", "seen": "2024-13-45T00:00:00Z"}, {"id": "second"}]
    recorded = record_cases([_message(document, "t") for document in drawn], SETTINGS, most=10)
    assert [case.name for case in recorded.cases] == [
        "a row without masked_mail, masked_ip, amount, count, seen, born, more, tags"
    ]
    assert recorded.skipped == 1


def test_a_key_that_may_name_somebody_does_not_stay_nor_an_address_that_looks_like_a_version() -> None:
    columns = '[[column]]\nname = "app_version"\n[[column]]\nname = "book"\ntype = "jsonb"\n'
    settings = load_text('[source]\nqueue = "q"\n[sink]\ntable = "t"\n' + columns)
    book = {"annabelle_phone": 1, "annabelle@x.example": 2, "phone": 3}
    body = json.dumps({"app_version": "192.0.2.1", "book": book}).encode()
    made = json.loads(Replacer(settings).body(body) or b"")
    assert made["app_version"].startswith("198.1")
    assert [key for key in made["book"] if "annabelle" in key or key == "phone"] == ["phone"]
    assert json.loads(Replacer(settings).body(b'{"app_version": "2.3.0"}') or b"") == {"app_version": "2.3.0"}


def test_fields_that_are_collected_are_left_out_of_a_case_and_it_passes() -> None:
    text = '[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "id"\n'
    text += '[drift]\nunknown_fields = "collect"\ncollect_into = "extra"\n[[column]]\nname = "extra"\ntype = "jsonb"\n'
    settings = load_text(text)
    drawn = [{"id": "a-1", "new": "Łucja", "extra": {"name": "Łucja"}}, {"id": "b-2"}, {"new": "Łucja"}]
    recorded = record_cases([_message(document, "t") for document in drawn], settings, most=10)
    assert ([case.name for case in recorded.cases], recorded.skipped) == (["a row", "a row without id"], 0)
    written = write_cases(recorded.cases)
    assert "extra" not in written
    cases = read_cases(written, file="t", settings=settings)
    assert [verdict.differences for verdict in Bench(settings).run(cases)] == [[], []]
