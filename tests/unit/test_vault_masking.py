"""What of a batch goes into the vault, for whom, and what does not load for want of a subject."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking import K2, entry, message, ring
from sofetch.errors import ConfigError, KeyringError
from sofetch.mask import compile_masker
from sofetch.mask.subjects import subject_tokens
from sofetch.mask.vaulting import open_value
from sofetch.record import Masked, Reason, Record, Value, VaultEntry
from sofetch.settings import Settings
from vaulting import COLUMNS, as_stored, records, recovery_pair, vault_masker, vault_settings, vaulted_of

PRIVATE, PUBLIC = recovery_pair()
IP, DEVICE = "198.51.100.7", "593-47-5928"


def mask(*rows: tuple[Value, ...], settings: Settings | None = None, **options: Any) -> Masked:
    return vault_masker(PUBLIC, settings, **options).mask(records(*rows))


def entries(masked: Masked) -> list[VaultEntry]:
    return vaulted_of(masked).entries


def opened(masked: Masked) -> list[tuple[str, str | None]]:
    return [(stored.domain, open_value(stored, PRIVATE)) for stored in as_stored(vaulted_of(masked))]


def test_the_values_behind_the_tokens_are_kept_as_they_came() -> None:
    masked = mask(("u1", " ::ffff:198.51.100.7 ", DEVICE))
    assert opened(masked) == [("ip", " ::ffff:198.51.100.7 "), ("device", DEVICE)]
    assert [one.token for one in entries(masked)] == list(masked.records[0].values[1:])


def test_each_value_is_kept_once_for_each_subject_under_a_key_of_its_own() -> None:
    masked = mask(("u1", IP, DEVICE), ("u1", IP, DEVICE), ("u2", IP, None))
    assert len(entries(masked)) == 3
    keys = {key.subject: key.key_id for key in vaulted_of(masked).keys}
    assert len(keys) == 2
    assert all(one.key_id == keys[one.subject] for one in entries(masked))


def test_of_two_spellings_of_one_value_the_first_is_kept() -> None:
    assert opened(mask(("u1", IP, None), ("u1", f"::ffff:{IP}", None))) == [("ip", IP)]


def test_no_value_and_no_subject_is_readable_in_what_goes_to_the_vault() -> None:
    vaulted = vaulted_of(mask(("kanarie-subject", IP, DEVICE)))
    content = repr([msgspec.structs.asdict(one) for one in [*vaulted.keys, *vaulted.entries]])
    assert not any(text in content for text in ("kanarie", IP, DEVICE))
    assert "redacted" in repr(vaulted)


def test_without_a_column_for_it_nothing_is_kept_and_no_key_is_asked_for() -> None:
    settings = vault_settings({"name": "ip", "mask": "token", "kind": "ip"})
    masked = compile_masker(settings, ring()).mask(records((IP,)))
    assert masked.vaulted is None


def test_a_masker_that_loads_refuses_to_be_made_without_the_recovery_key() -> None:
    with pytest.raises(KeyringError, match="recovery public key"):
        compile_masker(vault_settings(), ring())
    shown = compile_masker(vault_settings(), ring(), loads=False).mask(records(("u1", IP, DEVICE)))
    assert shown.vaulted is None
    assert len(shown.records) == 1


@pytest.mark.parametrize("nobody", [None, "", "  "])
def test_a_row_that_names_nobody_and_has_something_to_keep_is_rejected(nobody: Value) -> None:
    masked = mask((nobody, IP, None), ("u1", IP, None))
    assert [(one.reason, one.field) for one in masked.rejections] == [(Reason.MISSING_FIELD, "user_id")]
    assert len(masked.records) == len(entries(masked)) == 1


def test_a_row_with_nothing_to_keep_needs_no_subject() -> None:
    masked = mask((None, None, " "))
    assert len(masked.records) == 1
    assert entries(masked) == []


def test_a_value_without_a_subject_can_be_its_own_subject_and_is_then_the_same_each_time() -> None:
    settings = vault_settings(without_subject="own")
    first, second = mask((None, IP, DEVICE), settings=settings), mask((None, IP, None), settings=settings)
    assert len(first.records) == 1
    assert len({one.subject for one in entries(first)}) == 2
    assert entries(first)[0].subject == entries(second)[0].subject
    assert opened(first) == [("ip", IP), ("device", DEVICE)]


def test_a_refused_row_leaves_nothing_in_the_vault() -> None:
    strict: list[dict[str, Any]] = [COLUMNS[0], COLUMNS[1] | {"not_of_kind": "reject"}, COLUMNS[2]]
    masked = mask(("u1", "no address", DEVICE), settings=vault_settings(*strict))
    assert len(masked.rejections) == 1
    assert entries(masked) == []


def test_a_value_that_is_not_of_its_kind_is_kept_too() -> None:
    assert opened(mask(("u1", "unknown host", 12345))) == [("ip", "unknown host"), ("device", "12345")]


def test_the_subject_is_found_by_its_text() -> None:
    masked = mask((" u1 ", IP, None))
    assert subject_tokens(vault_settings(), ring(), "u1") == [entries(masked)[0].subject]
    assert subject_tokens(vault_settings(), ring(), "  ") == []


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ({"type": "bigint"}, 12345, "12345"),
        ({"type": "uuid"}, UUID("424cdd21-063a-43a7-b91b-7ca1a833afae"), "424CDD21-063A-43A7-B91B-7CA1A833AFAE"),
        ({"mask": "token", "kind": "email"}, "Some.Body@Example.ORG", "some.body@example.org"),
        ({"mask": "redact"}, "u1", "u1"),
        ({"mask": "token", "kind": "int"}, 7, "007"),
    ],
)
def test_a_subject_is_canonical_by_its_column(column: dict[str, Any], value: Value, text: str) -> None:
    settings = vault_settings({"name": "user_id", **column}, COLUMNS[1])
    masked = mask((value, IP), settings=settings)
    assert subject_tokens(settings, ring(), text) == [entries(masked)[0].subject]


def test_a_sentinel_names_nobody() -> None:
    settings = vault_settings({"name": "user_id", "mask": "token", "sentinels": ["anonymous"]}, COLUMNS[1])
    assert [one.reason for one in mask(("anonymous", IP), settings=settings).rejections] == [Reason.MISSING_FIELD]


def test_true_and_one_are_different_subjects() -> None:
    settings = vault_settings({"name": "user_id", "mask": "token"}, COLUMNS[1])
    masked = mask((True, IP), (1, IP), settings=settings)
    assert len({one.subject for one in entries(masked)}) == 2


def test_a_rotation_changes_the_token_and_neither_origin_nor_subject() -> None:
    before = entries(mask(("u1", IP, None)))[0]
    rotated = ring(entry(status="active"), entry("k2", K2, "primary"))
    after = entries(mask(("u1", IP, None), keyring=rotated))[0]
    assert before.token == before.origin == after.origin
    assert after.token.startswith("h1.k2.")
    assert before.subject == after.subject == subject_tokens(vault_settings(), rotated, "u1")[0]


def test_strangers_and_numbers_have_their_origin_too_after_a_rotation() -> None:
    rotated = ring(entry(status="active"), entry("k2", K2, "primary"))
    rows: list[tuple[Value, ...]] = [("u1", "not an address", 12345), ("u2", IP, "12345")]
    before, after = entries(mask(*rows)), entries(mask(*rows, keyring=rotated))
    assert [one.origin for one in before] == [one.origin for one in after]


def test_where_a_chain_was_given_up_every_key_that_is_left_is_tried() -> None:
    rebegun = ring(entry(status="decrypt_only"), entry("k2", K2, "primary"))
    tokens = subject_tokens(vault_settings(), rebegun, "u1")
    assert [token[:6] for token in tokens] == ["h1.k2.", "h1.k1."]
    assert subject_tokens(vault_settings(), ring(), "u1")[0] == tokens[1]


def test_the_fingerprint_of_the_subjects_key_is_among_those_that_are_registered() -> None:
    prints = vault_masker(PUBLIC).fingerprints()
    assert [one.domain for one in prints if one.scheme == "h1"] == ["device", "ip", "vault-subject"]


def test_a_subject_that_no_column_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="subject"):
        vault_masker(PUBLIC, vault_settings(subject="nobody"))


@given(st.lists(st.tuples(st.sampled_from(["u1", "u2", None]), st.none() | st.text(max_size=20)), max_size=20))
def test_every_token_of_a_loaded_row_has_its_value_under_its_subject(rows: list[tuple[str | None, str | None]]) -> None:
    settings = vault_settings({"name": "user_id"}, {"name": "v", "mask": "token", "domain": "d", "vault": True})
    clean = [Record(message(id=str(n)), row) for n, row in enumerate(rows)]
    masked = vault_masker(PUBLIC, settings).mask(clean)
    if not rows:
        return
    subject_of = {name: subject_tokens(settings, ring(), name)[0] for name in ("u1", "u2")}
    kept = {(one.subject, one.token): open_value(one, PRIVATE) for one in as_stored(vaulted_of(masked))}
    for row in masked.records:
        user, value = rows[int(row.message_id)]
        token = row.values[1]
        if token is not None:
            assert user is not None
            assert value is not None
            found = kept[subject_of[user], str(token)]
            assert found is not None
            assert vault_masker(PUBLIC, settings).mask(records((user, found))).records[0].values[1] == token
