from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from decoding import decoder, outcome
from sofetch.record import Reason

_FILE = Path(__file__).parent.parent / "fixtures" / "json" / "cases.jsonl"


class Case(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    outcome: str
    value: str | None = None
    body: str | None = None
    in_jsonb: str | None = None


CASES = msgspec.json.Decoder(Case).decode_lines(_FILE.read_bytes())
BODIES = [case for case in CASES if case.body is not None]
VALUES = [case for case in CASES if case.value is not None]


def _name(case: Case) -> str:
    return case.name


def _given(case: Case, around: bytes = b"%s") -> bytes:
    return around % (case.value or case.body or "").encode("latin-1")


def _result(came: object) -> str:
    match came:
        case (Reason() as reason, field):
            assert field in (None, "read")
            return str(reason)
        case _:
            return "record"


def test_cases_are_many_and_named_by_what_must_become_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60
    for case in CASES:
        assert (case.value is None) != (case.body is None)
        assert case.name[:2] in ("y_", "n_", "i_")
        assert case.name.startswith("i_") or (case.outcome == "record") == case.name.startswith("y_")


@pytest.mark.parametrize("case", BODIES, ids=_name)
def test_whole_body_ends_as_its_case_says(case: Case) -> None:
    assert _result(outcome(decoder({"name": "read"}), _given(case))) == case.outcome


@pytest.mark.parametrize("case", VALUES, ids=_name)
def test_value_that_no_column_reads_ends_as_its_case_says(case: Case) -> None:
    body = _given(case, b'{"unread": %s, "read": "neighbour"}')
    came = outcome(decoder({"name": "read"}), body)
    assert _result(came) == case.outcome
    assert case.outcome != "record" or came == ("neighbour",)


@pytest.mark.parametrize("case", VALUES, ids=_name)
def test_value_of_a_jsonb_column_ends_as_its_case_says_and_keeps_its_bytes(case: Case) -> None:
    came = outcome(decoder({"name": "read", "type": "jsonb"}), _given(case, b'{"read": %s }'))
    expected = case.in_jsonb or case.outcome
    assert _result(came) == expected
    if expected == "record":
        assert came == (None if case.value == "null" else _given(case),)


@pytest.mark.parametrize("column", [{"name": "read"}, {"name": "read", "mask": "token"}], ids=["text", "masked"])
@pytest.mark.parametrize("case", VALUES, ids=_name)
def test_value_of_a_scalar_column_is_read_or_rejected_with_the_documents_own_fault_first(
    case: Case, column: dict[str, str]
) -> None:
    came = _result(outcome(decoder(column), _given(case, b'{"read": %s}')))
    if case.outcome == "record":
        assert came in ("record", Reason.WRONG_TYPE, Reason.NUL_CHARACTER, Reason.OUT_OF_RANGE)
    else:
        assert came == case.outcome
