"""Recovery looks up, writes the audit, and only then opens; and every answer says what became of its token."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from masking import K2, cell_of, entry, ring
from sofetch.errors import AuditUnavailable, ConfigError
from sofetch.governance.audit import AuditEntry, AuditKeys, AuditRow, Head, next_row
from sofetch.governance.recovery import Answer, Asked, Means, Outcome, needs_vault, recover
from sofetch.governance.request import Purpose
from sofetch.mask import Keyring
from sofetch.mask.keyring import Keyrings
from sofetch.record import StoredValue
from vaulting import records, recovery_pair, vault_masker, vault_settings

IP, DEVICE = "203.0.113.9", "kanarie-device"
COLUMNS: list[dict[str, Any]] = [
    {"name": "user_id"},
    {"name": "masked_ip", "from": "ip", "mask": "token", "kind": "ip", "domain": "ip", "vault": True},
    {"name": "device", "mask": "reversible", "domain": "device"},
    {"name": "other_device", "mask": "reversible", "domain": "other"},
    {"name": "open_ip", "from": "ip", "mask": "ip", "domain": "ip"},
    {"name": "network", "from": "ip", "mask": "ip_prefix", "domain": "ip"},
    {"name": "lost", "mask": "token", "domain": "lost"},
]
SETTINGS = vault_settings(*COLUMNS)
PRIVATE, PUBLIC = recovery_pair()
STRANGER, _ = recovery_pair()


class Log:
    """An audit that remembers what had happened when a row was appended."""

    def __init__(self, events: list[str], *, broken: bool = False, erased: Sequence[str] = ()) -> None:
        self.rows: list[AuditRow] = []
        self._events = events
        self._broken = broken
        self._erased = set(erased)

    def append(self, entry: AuditEntry) -> AuditRow:
        self._events.append("audit")
        if self._broken:
            raise AuditUnavailable("no")
        last = self.rows[-1].head if self.rows else Head()
        now = datetime(2026, 11, 23, tzinfo=UTC)
        self.rows.append(next_row(entry, last=last, at=now, role="r", keys=AuditKeys(ring())))
        return self.rows[-1]

    def erased_tokens(self, fingerprints: Sequence[str]) -> set[str]:
        return self._erased & set(fingerprints)


class Vault:
    """A vault of two users at one address."""

    def __init__(self, events: list[str]) -> None:
        self._events = events
        rows = [("u1", IP, None, None, IP, IP, "x"), ("u2", f"::ffff:{IP}", None, None, IP, IP, "x")]
        vaulted = vault_masker(PUBLIC, SETTINGS).mask(records(*rows)).vaulted
        assert vaulted is not None
        keys = {key.key_id: key for key in vaulted.keys}
        self.stored = [
            StoredValue(
                subject=one.subject, domain=one.domain, token=one.token, origin=one.origin, key_id=one.key_id,
                wrapped=keys[one.key_id].wrapped, sealed=one.sealed, first_seen=datetime(2026, 1, 1, tzinfo=UTC),
            )
            for one in vaulted.entries
        ]  # fmt: skip

    def find(self, domain: str, token: str) -> list[StoredValue]:
        self._events.append("look up")
        return [one for one in self.stored if (one.domain, one.token) == (domain, token)]


@pytest.fixture
def events() -> list[str]:
    return []


def means(events: list[str], *, keyring: Keyring | None = None, key: Any = PRIVATE, **log: Any) -> Means:
    return Means(
        settings=SETTINGS,
        rings=Keyrings(keyring or ring()),
        audit=Log(events, **log),
        audit_keys=AuditKeys(ring()),
        vault=Vault(events),
        recovery_key=key,
    )


def asked(*tokens: str, column: str | None = None) -> Asked:
    return Asked(by=Purpose(actor="ana", purpose="why", ticket="T"), tokens=tokens, column=column)


def one(token: str, by: Means, *, column: str | None = None) -> Answer:
    _, [answer] = recover(asked(token, column=column), by)
    return answer


def token_of(value: str, **column: Any) -> str:
    return str(cell_of(value, **column))


H1 = token_of(IP, kind="ip", domain="ip")
R1 = token_of(DEVICE, mask="reversible", domain="device")


def test_values_come_once_for_each_spelling_kept(events: list[str]) -> None:
    answer = one(H1, means(events))
    assert (answer.outcome, sorted(answer.values)) == ("recovered", sorted([IP, f"::ffff:{IP}"]))
    assert events == ["look up", "audit"]


def test_a_reversible_token_is_opened_in_whichever_domain_it_is_of(events: list[str]) -> None:
    assert one(R1, means(events)).values == (DEVICE,)
    assert one(token_of("x", mask="reversible", domain="other"), means(events)).values == ("x",)


def test_an_address_needs_its_column_where_several_hold_one(events: list[str]) -> None:
    for mask, column in (("ip", "open_ip"), ("ip_prefix", "network")):
        token = token_of(IP, mask=mask, domain="ip")
        with pytest.raises(ConfigError, match="several"):
            one(token, means(events))
        assert one(token, means(events), column=column).values == (IP,)
    with pytest.raises(ConfigError, match="no column"):
        one(H1, means(events), column="nowhere")


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        ("h1.k1." + "0" * 40, "not_found"),
        ("r1.zz." + R1[6:], "key_missing"),
        ("r1.k2." + R1[6:], "key_destroyed"),
        (R1[:-6] + "AAAAAA", "wrong_key"),
        (token_of(DEVICE, mask="reversible", domain="third"), "wrong_key"),
        ("r1.k1.A", "not_a_token"),
        ("h1.k1.xyz", "not_a_token"),
        (DEVICE, "not_a_token"),
    ],
)
def test_what_cannot_be_recovered_is_told_apart(token: str, outcome: Outcome, events: list[str]) -> None:
    ringed = ring(entry(), entry("k2", None, "destroyed"))
    answer = one(token, means(events, keyring=ringed))
    assert (answer.outcome, answer.values) == (outcome, ())


def test_a_token_of_a_column_that_keeps_nothing_leads_nowhere(events: list[str]) -> None:
    assert one(H1, means(events), column="lost").outcome == "not_kept"
    assert one(R1, means(events), column="lost").outcome == "not_kept"


def test_another_recovery_key_and_an_altered_value_are_told_apart(events: list[str]) -> None:
    assert one(H1, means(events, key=STRANGER)).outcome == "wrong_key"
    altered = means(events)
    assert isinstance(altered.vault, Vault)
    fields = [{name: getattr(it, name) for name in it.__struct_fields__} for it in altered.vault.stored]
    altered.vault.stored = [StoredValue(**(it | {"sealed": it["sealed"][:-1] + b"\0\0"})) for it in fields]
    assert one(H1, altered).outcome == "altered"


def moved(by: Means, *, to: str) -> Means:
    """The vault after somebody who may write it put its values behind another token."""
    assert isinstance(by.vault, Vault)
    fields = [{name: getattr(it, name) for name in it.__struct_fields__} for it in by.vault.stored]
    by.vault.stored = [StoredValue(**(it | {"token": to})) for it in fields]
    return by


def test_a_value_put_behind_another_token_is_not_shown_for_it(events: list[str]) -> None:
    other = token_of("203.0.113.10", kind="ip", domain="ip")
    answer = one(other, moved(means(events), to=other))
    assert (answer.outcome, answer.values, answer.foreign) == ("altered", (), 2)


def test_a_foreign_value_beside_the_right_one_is_left_out_and_counted(events: list[str]) -> None:
    by = means(events)
    assert isinstance(by.vault, Vault)
    vaulted = vault_masker(PUBLIC, SETTINGS).mask(records(("u3", "203.0.113.10", *[None] * 2, IP, IP, "x"))).vaulted
    assert vaulted is not None
    [entry_], [key] = vaulted.entries, vaulted.keys
    by.vault.stored.append(
        StoredValue(
            subject=entry_.subject, domain="ip", token=H1, origin=entry_.origin, key_id=entry_.key_id,
            wrapped=key.wrapped, sealed=entry_.sealed, first_seen=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )  # fmt: skip
    answer = one(H1, by)
    assert (answer.outcome, sorted(answer.values), answer.foreign) == ("recovered", [IP, f"::ffff:{IP}"], 1)


@pytest.mark.parametrize("old", ["active", "decrypt_only"])
def test_a_token_renewed_by_a_rotation_is_still_that_of_its_value(old: Any, events: list[str]) -> None:
    renewed = str(cell_of(IP, ring(entry(status="active"), entry("k2", K2)), kind="ip", domain="ip"))
    now = ring(entry(status=old), entry("k2", K2))
    answer = one(renewed, moved(means(events, keyring=now), to=renewed))
    assert (answer.outcome, answer.unchecked, answer.foreign) == ("recovered", False, 0)


@pytest.mark.parametrize("now", [ring(entry("k2", K2)), ring(entry("k1", None, "destroyed"), entry("k2", K2))])
def test_what_the_keyring_cannot_check_is_shown_and_said_to_be_unchecked(now: Keyring, events: list[str]) -> None:
    answer = one(H1, means(events, keyring=now))
    assert (answer.outcome, answer.unchecked) == ("recovered", True)


def test_another_keyring_opens_nothing(events: list[str]) -> None:
    assert one(R1, means(events, keyring=ring(entry("k1", K2)))).outcome == "wrong_key"


def test_what_was_erased_is_told_from_what_never_was(events: list[str]) -> None:
    gone = "h1.k1." + "1" * 40
    fingerprint = AuditKeys(ring()).fingerprint("token", gone)
    assert one(gone, means(events, erased=[fingerprint])).outcome == "erased"
    assert one("h1.k1." + "0" * 40, means(events, erased=[fingerprint])).outcome == "not_found"


def test_nothing_is_opened_when_the_audit_fails(events: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from sofetch.governance import recovery

    for name in ("open_value", "reveal"):
        monkeypatch.setattr(recovery, name, lambda *_, **__: events.append("open"))
    with pytest.raises(AuditUnavailable):
        recover(asked(H1, R1), means(events, broken=True))
    assert events == ["look up", "audit"]


def test_the_audit_row_holds_counts_and_fingerprints_and_no_token(events: list[str]) -> None:
    row, _ = recover(asked(H1, R1), means(events))
    assert isinstance(row.detail, dict)
    assert (row.detail["count"], row.detail["in_vault"], len(row.detail["tokens"])) == (2, 1, 2)
    for secret in (H1, R1, IP, DEVICE):
        assert secret not in str(row.detail)


def test_an_answer_shows_nothing_of_itself(events: list[str]) -> None:
    assert IP not in repr(one(H1, means(events)))


def test_the_recovery_key_is_needed_for_the_vault_alone() -> None:
    assert needs_vault(SETTINGS, [R1, H1])
    assert not needs_vault(SETTINGS, [R1])
    assert not needs_vault(SETTINGS, [H1], column="lost")


def test_a_value_of_its_own_form_is_opened_where_its_column_is_named(events: list[str]) -> None:
    settings = vault_settings({"name": "phone", "mask": "fpe", "domain": "phone"})
    by = structs.replace(means(events), settings=settings)
    made = token_of("+44 20 7946 0018", mask="fpe", domain="phone", sentinels=["-"], alphabet="digits")
    assert one(made, by, column="phone").values == ("+44 20 7946 0018",)
    assert one(made, by).outcome == "not_a_token"
    assert one("unknown", by, column="phone").outcome == "not_a_token"
    assert events == ["audit"] * 3
