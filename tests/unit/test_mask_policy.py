"""What becomes of personal values: masked, NULL, counted or rejected, and never passed through."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from ipaddress import IPv4Address
from typing import Any

import pytest

from masking import K1, K2, cell_of, entry, mask_all, masker, message, ring
from sofetch.errors import ConfigError
from sofetch.record import Reason, Record, Value
from sofetch.settings import ColumnSettings, MaskName

EVERY_MASK: list[dict[str, Any]] = [
    {"mask": "token"},
    {"mask": "token", "kind": "ip"},
    {"mask": "reversible"},
    {"mask": "reversible", "kind": "uuid"},
    {"mask": "ip"},
    {"mask": "ip_prefix", "kind": "ip"},
    {"mask": "redact"},
    {"mask": "truncate", "kind": "ip"},
    {"mask": "truncate", "truncate_to": 2},
    {"mask": "bucket", "kind": "email"},
    {"mask": "bucket", "kind": "date"},
    {"mask": "partial"},
    {"mask": "partial", "kind": "email"},
    {"mask": "round", "round_to": 5.0},
    {"mask": "noise", "noise_scale": 5.0},
    {"mask": "fpe"},
]


def column(**given: Any) -> ColumnSettings:
    return ColumnSettings(name="masked", **({"domain": "d"} | given))


@pytest.mark.parametrize("setup", EVERY_MASK)
@pytest.mark.parametrize("value", [None, "", "  \t", "\u3000", "unknown", " unknown "])
def test_null_blank_and_sentinel_become_null_under_every_mask(setup: dict[str, Any], value: Value) -> None:
    masked = mask_all(column(**setup, required=True, not_of_kind="reject", sentinels=["unknown"]), [value])
    assert [record.values for record in masked.records] == [(None,)]
    assert not masked.rejections
    assert not masked.not_of_kind


@pytest.mark.parametrize(("value", "kind"), [("::ffff:0.0.0.0", "ip"), (" 0.0.0.0", "ip"), (0, "string"), ("0", "int")])
def test_sentinel_is_found_in_every_spelling(value: Value, kind: str) -> None:
    assert cell_of(value, kind=kind, sentinels=["0.0.0.0", "0"]) is None


def test_sentinel_of_another_case_is_a_value() -> None:
    assert cell_of("Unknown", sentinels=["unknown"]) is not None


@pytest.mark.parametrize("value", ["not an ip", 7, True, 1.5, Decimal("1.5"), "1.2.3.4/24"])
@pytest.mark.parametrize("mask", ["token", "reversible"])
def test_value_not_of_its_kind_is_tokenised_as_a_string_and_counted(value: Value, mask: MaskName) -> None:
    masked = mask_all(column(mask=mask, kind="ip"), [value, "199.172.111.135", value])
    assert masked.not_of_kind == {"masked": 2}
    assert not masked.rejections
    cells = [record.values[0] for record in masked.records]
    assert cells[0] == cells[2] == cell_of(str(value).lower() if value is True else str(value), mask=mask)
    assert cells[1] == cell_of("199.172.111.135", mask=mask, kind="ip")


@pytest.mark.parametrize("mask", ["ip", "ip_prefix"])
def test_what_is_no_address_is_rejected_where_the_column_holds_addresses(mask: MaskName) -> None:
    masked = mask_all(column(mask=mask, not_of_kind="token"), ["192.0.2.1", "somewhere", 7, None])
    assert [(it.reason, it.field) for it in masked.rejections] == [(Reason.NOT_OF_KIND, "masked")] * 2
    assert len(masked.records) == 2
    assert not masked.not_of_kind


@pytest.mark.parametrize("setup", [setup for setup in EVERY_MASK if setup["mask"] != "redact"])
def test_value_not_of_its_kind_is_rejected_where_policy_says_so(setup: dict[str, Any]) -> None:
    masked = mask_all(column(**setup, not_of_kind="reject"), [True])
    assert not masked.records
    assert [(it.reason, it.field) for it in masked.rejections] == [(Reason.NOT_OF_KIND, "masked")]


@pytest.mark.parametrize(
    ("setup", "cell"),
    [
        ({"mask": "truncate", "kind": "ip"}, "[redacted]"),
        ({"mask": "truncate", "truncate_to": 2}, "[redacted]"),
        ({"mask": "bucket", "kind": "email"}, "[redacted]"),
        ({"mask": "bucket", "kind": "date"}, None),
        ({"mask": "partial", "kind": "email"}, "[redacted]"),
    ],
)
def test_value_not_of_its_kind_is_redacted_where_no_token_is_made(setup: dict[str, Any], cell: str | None) -> None:
    masked = mask_all(column(**setup), [1234567])
    assert masked.records[0].values == (cell,)
    assert masked.not_of_kind == {"masked": 1}


@pytest.mark.parametrize("setup", [setup for setup in EVERY_MASK if setup["mask"] != "fpe"])  # which rejects both
@pytest.mark.parametrize("value", ["\ud800", "x\udcffy", "\udfff@example.com"])
def test_lone_surrogate_is_a_rejection_that_carries_no_exception_on(setup: dict[str, Any], value: str) -> None:
    masked = mask_all(column(**setup), [value, "1.2.3.4"])
    assert [(it.reason, it.field) for it in masked.rejections] == [(Reason.INVALID_UNICODE, "masked")]
    assert len(masked.records) == 1


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), pytest.param(10**5000, id="huge"), b"bytes", date(2024, 5, 1)]
)
def test_value_without_a_text_is_a_rejection(value: Value) -> None:
    masked = mask_all(column(mask="token", kind="ip"), [value])
    assert [it.reason for it in masked.rejections] == [Reason.NOT_OF_KIND]


def test_nul_is_fine_in_a_token() -> None:
    assert str(cell_of("a\0b")).startswith("h1.k1.")


def test_equal_keys_of_python_are_not_taken_for_one_value() -> None:
    masked = mask_all(column(mask="token"), [1, True, 1.0, "1", 0, False])
    one, true, one_float, text, zero, false = (record.values[0] for record in masked.records)
    assert one == one_float == text
    assert len({one, true, zero, false}) == 4


@pytest.mark.parametrize(
    ("setup", "value", "cell"),
    [
        ({"mask": "redact"}, "anything", "[redacted]"),
        ({"mask": "redact"}, 7, "[redacted]"),
        ({"mask": "redact", "redact_to": "***"}, "anything", "***"),
        ({"mask": "truncate", "kind": "ip"}, "199.172.111.135", "199.172.111.0/24"),
        ({"mask": "truncate", "kind": "ip"}, "::ffff:199.172.111.135", "199.172.111.0/24"),
        ({"mask": "truncate", "kind": "ip"}, "2001:db8:85a3:8d3:1319:8a2e:370:7348", "2001:db8:85a3::/48"),
        ({"mask": "truncate", "kind": "ip"}, "2001:db8::1", "2001:db8::/48"),
        ({"mask": "truncate", "truncate_to": 2}, " SW1A 1AA", "SW"),
        ({"mask": "truncate", "truncate_to": 2}, "e\u0301\u00e8\u00ea", "\u00e9\u00e8"),
        ({"mask": "bucket", "kind": "date"}, "1987-05-31", date(1987, 5, 1)),
        ({"mask": "bucket", "kind": "email"}, "Ann@B\u00fccher.de", "xn--bcher-kva.de"),
    ],
)
def test_redact_truncate_and_bucket_keep_what_they_say(setup: dict[str, Any], value: str, cell: object) -> None:
    assert cell_of(value, **setup) == cell


@pytest.mark.parametrize("value", ["SW", "S", "\0W1A", "S\0XX"])
def test_truncate_redacts_what_it_would_leave_whole_or_cannot_store(value: str) -> None:
    assert cell_of(value, mask="truncate", truncate_to=2) == "[redacted]"


def test_batch_divides_into_records_and_rejections_in_order_with_the_first_refused_column_named() -> None:
    columns = [
        ColumnSettings(name="user_id"),
        ColumnSettings(name="ip", mask="token", kind="ip", not_of_kind="reject"),
        ColumnSettings(name="mail", mask="bucket", kind="email", not_of_kind="reject"),
    ]
    rows: list[tuple[Value, ...]] = [
        ("u0", "1.2.3.4", "a@b.de"),
        ("u1", "x", "x"),
        ("u2", None, "x"),
        ("u3", None, None),
    ]
    records = [Record(message(id=f"m{number}"), values) for number, values in enumerate(rows)]
    masked = masker(*columns).mask(records)
    assert [(record.message_id, record.values[0], record.values[2]) for record in masked.records] == [
        ("m0", "u0", "b.de"),
        ("m3", "u3", None),
    ]
    assert [(it.message.id, it.field) for it in masked.rejections] == [("m1", "ip"), ("m2", "mail")]


def test_one_field_feeds_columns_of_several_masks_side_by_side() -> None:
    columns = [
        ColumnSettings(name="token", from_="ip", mask="token", kind="ip", domain="ip"),
        ColumnSettings(name="network", from_="ip", mask="ip_prefix", domain="ip"),
        ColumnSettings(name="sealed", from_="ip", mask="reversible", kind="ip", domain="ip"),
        ColumnSettings(name="truncated", from_="ip", mask="truncate", kind="ip"),
    ]
    masked = masker(*columns).mask([Record(message(), ("199.172.111.135",) * 4)])
    setups: list[dict[str, Any]] = [{"mask": it.mask, "kind": "ip", "domain": "ip"} for it in columns]
    assert masked.records[0].values == tuple(cell_of("199.172.111.135", **setup) for setup in setups)
    assert isinstance(masked.records[0].values[1], IPv4Address)


def test_empty_batch_is_empty() -> None:
    masked = masker(column(mask="token")).mask([])
    assert (masked.records, masked.rejections, masked.not_of_kind) == ([], [], {})


def test_record_of_another_width_is_refused_whole() -> None:
    for values in [("a",), ("a", "b", "c")]:
        with pytest.raises(ValueError, match=r"^zip\(\)"):
            masker(ColumnSettings(name="a"), ColumnSettings(name="b")).mask([Record(message(), values)])


def test_same_value_has_the_same_token_with_a_staged_and_a_retired_key_in_the_ring() -> None:
    later = ring(entry("k0", bytes(range(64, 96)), "decrypt_only"), entry(), entry("k2", K2, "active"))
    assert cell_of("593-47-5928", later) == cell_of("593-47-5928")


@pytest.mark.parametrize(
    ("setup", "complaint"),
    [
        ({"mask": "truncate", "kind": "email"}, "does nothing for kind"),
        ({"mask": "ip", "kind": "uuid"}, "does nothing for kind"),
        ({"mask": "reversible", "domain": None, "from_": "user.IP"}, "cannot be its join domain"),
        ({"mask": "ip_prefix", "domain": None, "from_": "user.IP"}, "cannot be its join domain"),
        ({"mask": "bucket", "kind": "string"}, "does nothing for kind"),
        ({"mask": "truncate"}, "needs its length"),
        ({"mask": "token", "domain": None, "from_": "user.IP"}, "cannot be its join domain"),
        ({"mask": "redact", "redact_to": "\0"}, "holds a NUL"),
        ({"mask": "token", "sentinels": ["\ud800"]}, "UTF-8 cannot hold"),
    ],
)
def test_mask_that_cannot_work_is_refused_before_any_message(setup: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=f"column masked: .*{complaint}"):
        masker(column(**setup))


def test_fingerprints_name_every_derived_key_in_use() -> None:
    columns = [column(mask="token"), ColumnSettings(name="ip", mask="token", kind="ip"), ColumnSettings(name="user_id")]
    keyring = ring(entry("k1", K1, "active"), entry("k2", K2))
    prints = masker(*columns, keyring=keyring, dedupe="content").fingerprints()
    assert [(it.scheme, it.domain, it.kid) for it in prints] == [
        ("h1", "d", "k1"),
        ("h1", "d", "k2"),
        ("h1", "ip", "k1"),
        ("h1", "ip", "k2"),
        ("quarantine", "user_logins", "k2"),
        ("ledger", "user_logins", "k1"),
    ]
    assert len({it.fingerprint for it in prints}) == len(prints)


def test_fingerprint_of_what_can_be_opened_is_the_primary_keys_and_each_schemes_own() -> None:
    columns = [ColumnSettings(name=mask, mask=mask, domain="ip") for mask in ("ip_prefix", "reversible", "ip")]
    keyring = ring(entry("k1", K1, "active"), entry("k2", K2))
    prints = masker(*columns, *columns, keyring=keyring).fingerprints()
    assert [(it.scheme, it.domain, it.kid) for it in prints] == [
        ("ip", "ip", "k2"),
        ("ip_prefix", "ip", "k2"),
        ("r1", "ip", "k2"),
        ("quarantine", "user_logins", "k2"),
    ]
    assert len({it.fingerprint for it in prints}) == len(prints)
