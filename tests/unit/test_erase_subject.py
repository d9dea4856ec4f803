"""Whom an erasure is about: found under every name that rows, bodies and the vault may have for them, and only them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import K1, K2, entry, ring
from sofetch.decode.unwrap import body_opener
from sofetch.errors import ConfigError
from sofetch.governance.audit import AuditKeys
from sofetch.governance.erasure import QuarantineResult, _not_covered, plan_tables
from sofetch.governance.subject import Subject, body_matcher, find_subject, subject_column
from sofetch.mask import Keyring, compile_masker
from sofetch.mask.keyring import Keyrings
from sofetch.mask.subjects import subject_tokens
from sofetch.record import Message, Record
from sofetch.settings import (
    ColumnSettings,
    DriftSettings,
    ErasureSettings,
    ErasureTableSettings,
    MasksSettings,
    Settings,
    SinkSettings,
    SourceSettings,
    UnwrapSettings,
    VaultSettings,
)
from wrapping import base64_of, gzip_of, sns, unwrap_settings

K3 = bytes(range(64, 96))
CHAIN = ring(entry(status="active"), entry("k2", K2, "active"), entry("k3", K3))


def settings(*columns: dict[str, Any], subject: str | None = "who", **more: Any) -> Settings:
    return Settings(
        source=SourceSettings(queue="q"),
        sink=SinkSettings(table="t"),
        column=[ColumnSettings(**{"from_": "user.id", **column}) for column in columns or [{"name": "who"}]],
        erasure=ErasureSettings(subject=subject, table=more.pop("tables", [])),
        **more,
    )


def found(value: str, *columns: dict[str, Any], keyring: Keyring | None = None, **more: Any) -> Subject:
    keyring = keyring or ring()
    return find_subject(settings(*columns, **more), value, rings=Keyrings(keyring), keys=AuditKeys(keyring))


def stored(value: str, column: dict[str, Any], keyring: Keyring) -> str:
    """What the masker puts into the column for this value."""
    allowed = msgspec.structs.replace(settings(column), masks=MasksSettings(allow_fpe=True))
    masker = compile_masker(allowed, keyring)
    message = Message(id="m", body=b"", queue="q", sent_ms=1, received_ms=1)
    return str(masker.mask([Record(message, (value,))]).records[0].values[0])


MASKED: list[dict[str, Any]] = [
    {"name": "who", "mask": "token"},
    {"name": "who", "mask": "token", "kind": "email", "domain": "mail"},
    {"name": "who", "mask": "reversible"},
    {"name": "who", "mask": "token", "kind": "ip", "domain": "ip"},
    {"name": "who", "mask": "ip", "domain": "ip"},
    {"name": "who", "mask": "ip_prefix", "domain": "ip"},
]


@pytest.mark.parametrize("column", MASKED, ids=lambda column: f"{column['mask']} {column.get('kind', '')}")
@pytest.mark.parametrize("value", ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1"])
def test_a_masked_subject_is_found_by_what_the_masker_stored_before_and_after_a_rotation(
    column: dict[str, Any], value: str
) -> None:
    domain = {"domain": "d", **column}
    for earlier in (ring(), ring(entry(status="active"), entry("k2", K2)), CHAIN):
        assert stored(value, domain, earlier) in found(f" {value} ", domain, keyring=CHAIN).spellings


def test_a_subject_of_its_own_form_is_found_before_and_after_a_rotation() -> None:
    column = {"name": "who", "mask": "fpe", "domain": "d"}
    for earlier in (ring(), ring(entry(status="active"), entry("k2", K2)), CHAIN):
        assert stored("593-47-5928", column, earlier) in found(" 593-47-5928 ", column, keyring=CHAIN).spellings
    assert found("ann", column).spellings == ("ann",)


def test_a_plain_subject_is_found_in_its_usual_spellings() -> None:
    assert {" Zoe\u0308 ", "Zo\u00eb", "Zoe\u0308"} <= set(found(" Zoe\u0308 ").spellings)
    uuid = "424CDD21-063a-43a7-b91b-7ca1a833afae"
    assert {uuid, uuid.lower(), uuid.upper()} <= set(found(uuid, {"name": "who", "type": "uuid"}).spellings)


def test_other_columns_of_the_same_field_and_other_tables_are_looked_for_too() -> None:
    other = {"name": "again", "mask": "token", "domain": "elsewhere"}
    table = ErasureTableSettings(name="x", subject_column="y", domain="far")
    spellings = found("ann", {"name": "who"}, other, tables=[table]).spellings
    assert stored("ann", {"name": "who", "mask": "token", "domain": "elsewhere"}, ring()) in spellings
    assert stored("ann", {"name": "who", "mask": "token", "domain": "far"}, ring()) in spellings


def test_the_vault_is_asked_by_the_token_that_it_knows_the_subject_by() -> None:
    vaulted = settings(vault=VaultSettings(subject="who"))
    one = find_subject(vaulted, "ann", rings=Keyrings(CHAIN), keys=AuditKeys(CHAIN))
    assert list(one.vault_tokens) == subject_tokens(vaulted, CHAIN, "ann")
    assert found("ann").vault_tokens == ()


def test_a_column_that_cannot_tell_subjects_apart_gives_way_to_one_of_the_same_field_or_is_refused() -> None:
    redacted, plain = {"name": "who", "mask": "redact"}, {"name": "plain"}
    assert subject_column(settings(redacted, plain)).name == "plain"
    for columns, subject in (([redacted], "who"), ([plain], "nobody"), ([plain], None)):
        with pytest.raises(ConfigError):
            subject_column(settings(*columns, subject=subject))


@pytest.mark.parametrize("blank", ["", "   ", "\u2003"])
def test_a_blank_names_nobody(blank: str) -> None:
    with pytest.raises(ConfigError, match="nobody"):
        found(blank)


def test_nothing_of_a_subject_is_shown() -> None:
    subject = found("kanarie")
    assert "kanarie" not in repr(subject) + subject.fingerprint
    assert subject.fingerprint == found(" kanarie ").fingerprint != found("other").fingerprint


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (b'{"user": {"id": "ann"}}', True),
        (b'{"user": {"id": " ann "}}', True),
        (b'\xef\xbb\xbf{"user": {"id": "ann"}}', True),
        (b'{"user": {"id": "bob"}, "note": "ann"}', False),
        (b'{"user": {"id": "anna"}}', False),
        (b'{"user": {"id": null}, "note": "from ann"}', True),
        (b'{"note": "ann"}', True),
        (b'["ann"]', True),
        (b'{"user": {"id": "ann"', True),
        (b"ann", True),
        (b"joanna annex", False),
        ("ann".encode("utf-16-le"), True),
        (b"\xff\xfe ann \xff", True),
        (b"[" * 50_000 + b'"ann"', True),
        (b"", False),
    ],
)
def test_a_body_is_about_whom_its_field_names_or_whom_it_mentions_where_that_cannot_be_read(
    body: bytes, about: bool
) -> None:
    assert body_matcher(settings(), "ann")(body) is about


def test_a_code_is_one_subject_however_it_is_written() -> None:
    card = {"name": "who", "mask": "token", "kind": "code", "domain": "card"}
    matches = body_matcher(settings(card), "4111 1111 1111 1111")
    assert matches(b'{"user": {"id": "4111-1111-1111-1111"}}')
    assert matches(b"not json, 4111111111111111")
    assert not matches(b'{"user": {"id": "4111 1111 1111 1112"}}')


def test_a_number_and_its_text_are_one_subject() -> None:
    matches = body_matcher(settings(), "7")
    assert matches(b'{"user": {"id": 7}}')
    assert not matches(b'{"user": {"id": 77}}')
    assert not matches(b"in 1977")


@given(value=st.text(min_size=1, max_size=20).filter(lambda text: text.strip()), escape=st.booleans())
def test_any_text_is_found_in_a_body_that_names_it(value: str, escape: bool) -> None:
    try:
        body = json.dumps({"user": {"id": value}}, ensure_ascii=escape).encode()
    except UnicodeEncodeError:
        return
    assert body_matcher(settings(), value)(body)


@pytest.mark.parametrize(
    ("kind", "value", "body"),
    [
        ("string", "Müller", rb'{"who": "M\u00FCller", "'),
        ("string", "Müller", rb'{"Message": "{\"who\": \"M\\u00fcller\", \"'),
        ("string", "Müller", rb'{"who": "Mu\u0308ller", "'),
        ("string", "Müller", b'{"who": "M\xfcller", "'),
        ("string", "Müller", '{"who": "Müller", "'.encode("utf-16-be")[1:]),
        ("string", "ann-1", rb'{"note": "for:\nann-1", "'),
        ("string", "a/1", rb'{"who": "a\/1", "'),
        ("string", "\U0001f431", rb'{"who": "\ud83d\ude00\uD83D\uDC31", "'),
        ("email", "ann@x.example", b'{"who": "Ann@X.example", "'),
        ("email", "ann@x.example", rb'{"who": "ann\u0040x.example", "'),
        ("uuid", "6b0f1b0e-2f0a-4f5e-9a52-0d6f3f1b7a10", b'{"who": "6B0F1B0E2F0A4F5E9A520D6F3F1B7A10", "'),
        ("code", "4111111111111111", b'{"who": "4111 1111-1111 1111", "'),
        ("ip", "2001:db8::1", b'{"who": "2001:DB8:0:0::1", "'),
        ("ip", "192.0.2.7", b"no json from ::ffff:192.0.2.7."),
    ],
)
def test_a_body_that_is_broken_is_about_whom_it_mentions_however_it_writes_them(
    kind: str, value: str, body: bytes
) -> None:
    masked = {"name": "who", "mask": "token", "kind": kind, "domain": "d"}
    assert body_matcher(settings(masked), value)(body)


@pytest.mark.parametrize(
    ("kind", "value", "body"),
    [
        ("string", "ann", b'{"who": "Ann", "'),  # a text keeps its case, so these are two
        ("string", "ann", rb'{"who": "annex\u0041nn", "'),
        ("email", "ann@x.example", b'{"who": "joann@x.example", "'),
        ("code", "4111", b'{"who": "41112", "'),
        ("code", "1130", b'{"at": "11:30", "'),
        ("ip", "192.0.2.7", b'{"who": "192.0.2.77", "'),
    ],
)
def test_a_body_that_is_broken_is_about_nobody_else(kind: str, value: str, body: bytes) -> None:
    masked = {"name": "who", "mask": "token", "kind": kind, "domain": "d"}
    assert not body_matcher(settings(masked), value)(body)


@given(value=st.text(min_size=1, max_size=20).filter(lambda text: text.strip()), depth=st.integers(0, 2))
def test_any_text_is_found_in_a_broken_body_in_however_many_documents_it_lies(value: str, depth: int) -> None:
    body = json.dumps({"note": f"first\n{value.strip()}\tlast"})
    for _ in range(depth):
        body = json.dumps({"Message": body})
    assert body_matcher(settings(), value)(body[:-1].encode())


def test_a_body_in_an_envelope_is_about_whom_its_document_names() -> None:
    opened, matches = body_opener(unwrap_settings("sns", "base64", "gzip")), body_matcher(settings(), "ann")
    body = sns(base64_of(gzip_of(b'{"user": {"id": "ann"}}')).decode())
    assert not matches(body)
    assert matches(opened(body))
    assert matches(opened(b'{"user": {"id": "ann"}}'))
    assert matches(body_opener(unwrap_settings("s3_objects"))(b'{"user": {"id": "ann"}}'))


def test_the_keys_of_the_tests_differ() -> None:
    assert len({K1, K2, K3}) == 3


def test_every_column_that_shows_the_subject_is_made_random() -> None:
    columns: list[dict[str, Any]] = [
        {"name": "who"}, {"name": "again"}, {"name": "hidden", "mask": "token"}, {"name": "start", "mask": "truncate"},
        {"name": "other", "from_": "x"},
    ]  # fmt: skip
    [plan] = plan_tables(settings(*columns))
    assert (plan.subject_column, plan.columns) == ("who", ("who", "again", "hidden"))


def test_the_collecting_column_is_made_of_no_field_not_even_one_of_its_name() -> None:
    drift = DriftSettings(unknown_fields="collect", collect_into="who")
    columns: list[dict[str, Any]] = [{"name": "user", "from_": "who"}, {"name": "who", "type": "jsonb", "from_": None}]
    [plan] = plan_tables(settings(*columns, subject="user", drift=drift))
    assert plan.columns == ("user",)


def test_the_receipt_names_what_lies_elsewhere_where_there_is_something() -> None:
    nothing = QuarantineResult(examined=0, purged=0, unopened=0, shredded=0)
    plain = _not_covered(settings(), nothing)
    assert any("other pipelines" in note for note in plain)
    pointing = UnwrapSettings(layers=["s3_pointer"], s3_buckets=["b"])
    [object_note] = set(_not_covered(settings(unwrap=pointing), nothing)) - set(plain)
    assert "objects in S3" in object_note
    [name_note] = set(_not_covered(settings(drift=DriftSettings(unknown_fields="warn")), nothing)) - set(plain)
    assert "sofetch.drift" in name_note
