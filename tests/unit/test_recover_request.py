"""A request for recovery: signed over all of it, by others, in time."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sofetch.errors import ConfigError, KeyringError, NotApproved
from sofetch.governance.request import (
    Approval,
    Purpose,
    Request,
    RequestFile,
    approve,
    approvers_of,
    new_request,
    parse_request,
    render_request,
    require_approved,
)
from sofetch.mask.primitives import new_exchange_keys
from sofetch.settings import ApproverSettings, RecoverySettings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


class Person:
    """Somebody with a key."""

    def __init__(self, name: str) -> None:
        key = Ed25519PrivateKey.generate()
        self.pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.settings = ApproverSettings(name=name, public_key=b64encode(der).decode())


BO, CY, ANA = Person("Bo"), Person("cy"), Person("Ana")


def settings(*people: Person, approvals: int = 1) -> RecoverySettings:
    return RecoverySettings(approvals=approvals, approver=[person.settings for person in people])


ALL = settings(BO, CY, ANA)


def prepared(actor: str = "ana") -> RequestFile:
    by = Purpose(actor=actor, purpose="a case", ticket="T-1")
    made = new_request(by, pipeline="p", tokens=["h1.k1.aa", "r1.k1.bb"], column=None, now=NOON, hours=24)
    return RequestFile(request=made)


def signed(*people: Person, file: RequestFile | None = None) -> RequestFile:
    file = file or prepared()
    for person in people:
        file = approve(file, private_pem=person.pem, settings=ALL, now=LATER)
    return file


def test_an_approved_request_comes_through_its_file_and_names_who_approved() -> None:
    file = parse_request(render_request(signed(BO, CY)))
    assert require_approved(file, pipeline="p", settings=settings(BO, CY, approvals=2), now=LATER) == ["Bo", "cy"]
    assert file.request == signed(BO, file=RequestFile(request=file.request)).request


def test_too_few_approvals_are_refused_and_none_suffice_where_none_are_asked() -> None:
    with pytest.raises(NotApproved, match="1 of the 2"):
        require_approved(signed(BO), pipeline="p", settings=settings(BO, CY, approvals=2), now=LATER)
    assert require_approved(prepared(), pipeline="p", settings=settings(approvals=0), now=LATER) == []


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": ["h1.k1.cc"]},
        {"tokens": ["h1.k1.aa", "r1.k1.bb", "r1.k1.cc"]},
        {"actor": "eve"},
        {"purpose": "another"},
        {"ticket": "T-2"},
        {"column": "masked_ip"},
        {"expires_at": NOON + timedelta(days=99)},
        {"created_at": LATER},
        {"id": "0" * 32},
        {"pipeline": "q"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_is_over_every_field(change: dict[str, object]) -> None:
    file = signed(BO)
    fields = {name: getattr(file.request, name) for name in file.request.__struct_fields__}
    assert set(fields) == set(Request.__struct_fields__)
    forged = RequestFile(request=Request(**(fields | change)), approvals=file.approvals)
    assert approvers_of(forged, settings=ALL) == []


def test_one_person_counts_once_however_many_keys_or_signatures_they_have() -> None:
    second = Person("bo ")
    both = settings(BO, second, approvals=2)
    file = approve(signed(BO, BO), private_pem=second.pem, settings=both, now=LATER)
    assert len(file.approvals) == 2
    assert len(approvers_of(file, settings=both)) == 1


def test_nobody_approves_their_own_request_however_they_spell_their_name() -> None:
    with pytest.raises(NotApproved, match="their own"):
        approve(prepared("  ANA "), private_pem=ANA.pem, settings=ALL, now=LATER)
    forged = signed(ANA, file=prepared("zoe"))
    own = RequestFile(request=forged.request, approvals=forged.approvals)
    assert (
        approvers_of(own, settings=RecoverySettings(approver=[msgspec.structs.replace(ANA.settings, name="Zoe")])) == []
    )


def test_a_stranger_s_key_or_signature_counts_for_nothing() -> None:
    with pytest.raises(NotApproved, match="not one of"):
        approve(prepared(), private_pem=Person("Bo").pem, settings=ALL, now=LATER)
    copied = RequestFile(request=prepared().request, approvals=signed(BO).approvals)
    assert approvers_of(copied, settings=ALL) == []
    nonsense = [Approval(key=signed(BO).approvals[0].key, signature=text) for text in ("", "??", "AAAA")]
    assert approvers_of(RequestFile(request=prepared().request, approvals=nonsense), settings=ALL) == []


def test_a_spoilt_signature_does_not_keep_its_owner_from_signing() -> None:
    file = signed(BO)
    spoilt = RequestFile(request=file.request, approvals=[Approval(key=file.approvals[0].key, signature="AAAA")])
    assert approvers_of(signed(BO, file=spoilt), settings=ALL) == ["Bo"]


def test_an_approver_who_is_taken_off_the_list_counts_no_more() -> None:
    assert approvers_of(signed(BO), settings=settings(CY)) == []


@pytest.mark.parametrize("now", [NOON + timedelta(hours=24), NOON - timedelta(hours=2)])
def test_a_request_that_has_ended_or_is_of_the_future_is_refused(now: datetime) -> None:
    with pytest.raises(NotApproved):
        require_approved(signed(BO), pipeline="p", settings=ALL, now=now)
    with pytest.raises(NotApproved):
        approve(prepared(), private_pem=BO.pem, settings=ALL, now=now)


def test_a_request_of_another_pipeline_is_refused() -> None:
    with pytest.raises(NotApproved, match="another pipeline"):
        require_approved(signed(BO), pipeline="q", settings=ALL, now=LATER)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"\xff", b'{"request": 1}', b"[" * 100_000, render_request(prepared()).replace(b'Z"', b'"')],
)
def test_what_is_no_request_is_refused_and_not_shown(data: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_request(data)
    assert "h1.k1" not in str(caught.value)


def test_a_key_of_another_kind_is_refused() -> None:
    for pem in (b"", b"no key", new_exchange_keys()[0]):
        with pytest.raises(KeyringError):
            approve(prepared(), private_pem=pem, settings=ALL, now=LATER)
    wrong = RecoverySettings(approver=[ApproverSettings(name="x", public_key="AAAA")])
    with pytest.raises(ConfigError, match="Ed25519"):
        approvers_of(prepared(), settings=wrong)


def test_two_requests_have_two_ids() -> None:
    assert prepared().request.id != prepared().request.id
