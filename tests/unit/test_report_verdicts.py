"""What the privacy report says of a column, and of columns together."""

from __future__ import annotations

from typing import get_args

import pytest

from loading import settings_for
from reporting import TOKEN, groups, profile, report, report_of
from sofetch.load.profile import ColumnProfile
from sofetch.report import ColumnReport, Observer
from sofetch.report.privacy import config_fingerprint
from sofetch.report.verdicts import Seen, judge_column, percent
from sofetch.report.words import headline, summary
from sofetch.settings import ColumnSettings, MaskName

MASKED = {"name": "masked_ip", "from": "ip", "mask": "token", "kind": "ip"}
EVEN = groups(*[10] * 10)
MANY = groups(*[2] * 50)


def column(report_columns: list[ColumnReport], name: str) -> ColumnReport:
    return next(one for one in report_columns if one.name == name)


def test_a_masked_column_of_tokens_is_fine() -> None:
    made = report([MASKED], {"masked_ip": MANY}, {"masked_ip": [TOKEN] * 50})
    assert made.columns[0].verdict.severity == "ok"
    assert made.columns[0].token_share == 1
    assert headline(made).severity == "ok"


def test_a_masked_column_that_holds_addresses_must_be_changed() -> None:
    made = report([MASKED], {"masked_ip": MANY}, {"masked_ip": [TOKEN] * 49 + ["203.0.113.9"]})
    [found] = made.errors
    assert found.verdict.what == "configured as masked, but 2% of the values looked at are no tokens"
    assert "203.0.113.9" not in repr(made)


@pytest.mark.parametrize("mask", ["token", "redact", "truncate"])
def test_a_masked_column_that_is_null_in_every_row_is_worth_a_look_and_says_where_to(mask: str) -> None:
    extra = {"truncate_to": 4} if mask == "truncate" else {}
    made = report([{"name": "who", "mask": mask, **extra}], {"who": groups()}, rows=3)
    [found] = made.warnings
    assert found.verdict.what.startswith("nothing is in it: it is NULL in every row")
    for place in ("`from`", "`kind`", "`sofetch quarantine list`"):
        assert place in found.verdict.hint
    assert headline(made).severity == "warning"


def test_few_tokens_tell_by_their_frequency() -> None:
    made = report([MASKED], {"masked_ip": groups(50, 30, 20)}, {"masked_ip": [TOKEN] * 50})
    assert "only 3 different tokens" in made.warnings[0].verdict.what


def test_a_token_in_most_rows_is_told_of() -> None:
    made = report([MASKED], {"masked_ip": groups(80, *[1] * 20)}, {"masked_ip": [TOKEN] * 50})
    assert "80% of the rows" in made.warnings[0].verdict.what
    assert "sentinels" in made.warnings[0].verdict.hint


def test_frequencies_of_a_handful_of_rows_say_nothing() -> None:
    made = report([MASKED], {"masked_ip": groups(2, 1)}, {"masked_ip": [TOKEN] * 3}, rows=3)
    assert made.columns[0].verdict.severity == "ok"


def test_a_redacted_column_holds_one_constant() -> None:
    redacted = {"name": "note", "mask": "redact"}
    assert report([redacted], {"note": groups(100)}, {"note": ["[redacted]"]}).errors == []
    assert len(report([redacted], {"note": groups(99, 1)}, {"note": ["[redacted]"]}).errors) == 1


def test_addresses_in_the_clear_must_be_changed_and_the_mask_is_named() -> None:
    made = report([{"name": "origin"}], {"origin": EVEN}, {"origin": ["203.0.113.9"] * 9 + ["unknown"]})
    [found] = made.errors
    assert found.verdict.what == "in the clear, and 90% of the values looked at have the form of an IP address"
    assert 'mask = "token", kind = "ip", domain = "ip"' in found.verdict.hint


def test_a_name_alone_is_enough() -> None:
    [found] = report([{"name": "passport_no"}], {"passport_no": EVEN}).errors
    assert found.verdict.what == "in the clear, and its name says that it holds an identity number"


def test_what_has_no_form_is_told_by_its_name_whatever_the_values_are() -> None:
    diagnosis = report([{"name": "diagnosis"}], {"diagnosis": MANY}, {"diagnosis": ["J45.0"]}).errors[0].verdict
    assert diagnosis.what == "in the clear, and its name says that it holds a special category of personal data"
    assert 'mask = "redact"' in diagnosis.hint
    [flag] = report([{"name": "is_pregnant", "type": "bool"}], {"is_pregnant": MANY}, {"is_pregnant": ["true"]}).errors
    assert flag.verdict.what == diagnosis.what


def test_a_column_declared_as_not_personal_is_told_of_once_more() -> None:
    declared = {"name": "contact", "personal": False}
    made = report([declared], {"contact": EVEN}, {"contact": ["jane@example.org"]})
    assert made.errors == []
    assert "declared as not personal" in made.warnings[0].verdict.what


def test_a_column_that_the_configuration_does_not_fill_is_judged_too() -> None:
    made = report([{"name": "a"}], {"a": EVEN, "email": EVEN}, {"a": ["x"], "email": ["jane@example.org"]})
    [found] = made.errors
    assert (found.name, found.source) == ("email", None)
    assert "nothing that sofetch loads" in found.verdict.hint


def test_uuids_and_values_that_occur_once_are_worth_a_look() -> None:
    made = report(
        [{"name": "user_id"}, {"name": "order_no"}],
        {"user_id": EVEN, "order_no": groups(*[1] * 100)},
        {"user_id": ["424cdd21-063a-43a7-b91b-7ca1a833afae"], "order_no": ["A-1"]},
    )
    assert [one.name for one in made.warnings] == ["user_id", "order_no"]


@pytest.mark.parametrize("counted", [None, groups()])
def test_a_column_without_a_count_or_a_value_is_no_failure(counted: None) -> None:
    made = report([{"name": "a"}], {"a": counted})
    assert made.errors == []
    assert summary(made)


def test_an_empty_table_is_not_judged() -> None:
    made = report([MASKED, {"name": "email"}], {"masked_ip": groups(), "email": groups()}, rows=0)
    assert {one.verdict.severity for one in made.columns} == {"ok"}
    assert headline(made).what == "The table is empty"


def test_one_row_is_one_group_of_one() -> None:
    made = report([{"name": "a"}], {"a": groups(1)}, {"a": ["x"]}, rows=1, combined=["a"], together=groups(1))
    assert made.together.spread is not None
    assert made.together.spread.smallest == 1
    assert made.together.verdict.severity == "warning"
    assert "1 row in" in summary(made)[0]


def test_columns_missing_from_the_table_are_named() -> None:
    assert "Configured, but not in the table: b." in summary(report([{"name": "a"}], {"a": EVEN}, missing=["b"]))


def test_what_points_to_a_row_by_itself_is_left_out_of_the_combination() -> None:
    observer = Observer(settings_for([MASKED, {"name": "locale"}, {"name": "order_no"}, {"name": "user_id"}]))
    observer.look("user_id", "424cdd21-063a-43a7-b91b-7ca1a833afae")
    counted = {"masked_ip": EVEN, "locale": EVEN, "order_no": groups(*[1] * 100), "user_id": EVEN}
    columns = [ColumnProfile(name=name, declared="text", groups=held) for name, held in counted.items()]
    assert observer.combine(columns) == ["locale"]
    assert observer.left_out == ["order_no", "user_id"]


def test_named_columns_are_combined_as_named() -> None:
    observer = Observer(settings_for([MASKED]), quasi=["masked_ip"])
    assert observer.combine([]) == ["masked_ip"]


@pytest.mark.parametrize(
    ("sizes", "severity"), [((5, 5), "ok"), ((100,), "ok"), ((4, 96), "warning"), ((1, 99), "warning")]
)
def test_five_is_the_smallest_group_that_is_fine(sizes: tuple[int, ...], severity: str) -> None:
    made = report([{"name": "a"}], {"a": EVEN}, combined=["a"], together=groups(*sizes), rows=sum(sizes))
    assert made.together.verdict.severity == severity


def test_the_fingerprint_is_of_the_settings_and_not_of_the_connection() -> None:
    plain = config_fingerprint(settings_for([MASKED]))
    assert plain == config_fingerprint(settings_for([MASKED], dsn="host=secret.example"))
    assert plain != config_fingerprint(settings_for([MASKED | {"domain": "other"}]))


def test_no_share_is_rounded_to_nothing_or_to_everything() -> None:
    assert [percent(share) for share in (0, 0.001, 0.5, 0.999, 1)] == [
        "0%",
        "less than 1%",
        "50%",
        "more than 99%",
        "100%",
    ]


def test_a_sample_is_said_to_be_one() -> None:
    made = report_of(
        settings_for([MASKED]), profile({"masked_ip": EVEN}, sampled=True, estimated_rows=5_000_000), {"masked_ip": []}
    )
    assert "about 5,000,000 rows, of which 100 were counted" in summary(made)[0]


ROUNDED = {"name": "pay", "mask": "round", "round_to": 1000.0}


def test_what_a_coarse_mask_keeps_and_points_to_one_row_is_worth_a_look() -> None:
    alone = report([ROUNDED], {"pay": groups(*[1] * 60, 40)}, {"pay": []})
    assert "60% of what is kept occurs once" in alone.warnings[0].verdict.what
    assert not report([ROUNDED], {"pay": EVEN}, {"pay": []}).warnings


def test_the_summary_does_not_say_that_what_is_kept_cannot_be_read() -> None:
    made = report([MASKED, ROUNDED], {"masked_ip": MANY, "pay": EVEN}, {"masked_ip": [TOKEN] * 50, "pay": []})
    said = " ".join(summary(made))
    assert "cannot read what is masked (masked_ip)" in said
    assert "Of pay a part can be read" in said


def test_every_mask_says_what_it_does_where_nothing_is_wrong() -> None:
    seen = Seen(signs=[], values=0, tokens=0, rows=100, groups=None)
    told = {mask: judge_column(ColumnSettings(name="c", mask=mask), seen).what for mask in get_args(MaskName)}
    assert len(set(told.values())) == len(told)
    assert not [what for what in told.values() if what.startswith("masked by")]
