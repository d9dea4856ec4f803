"""How settings go together: what the lint says beyond single values."""

from __future__ import annotations

import pytest

from sofetch.config import lint_text, load_text
from sofetch.findings import Finding

SECRET = "hunter2-canary"


def lint(*, source: str = "", sink: str = "", column: str = "", more: str = "") -> list[Finding]:
    queue = "" if "queue" in source else 'queue = "events"'
    table = "" if "table" in sink else 'table = "events"'
    name = "" if "name" in column else 'name = "item"'
    return lint_text(f"[source]\n{queue}\n{source}\n[sink]\n{table}\n{sink}\n[[column]]\n{name}\n{column}\n{more}")


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{SECRET}@h/db",
        f"postgres://:{SECRET}@h",
        f"postgresql://u:{SECRET}/x@h/db",
        f"postgresql://u:{SECRET}?x@h/db",
        f"postgresql://h/db?password={SECRET}",
        f"postgresql://h/db?sslmode=require&PassWord={SECRET}",
        f"postgresql://h/db?sslpassword={SECRET}",
        f"postgresql://h/db?pass%77ord={SECRET}",
        f"host=h password={SECRET}",
        f"password = '{SECRET} x' host=h",
        f"host=h\\tsslpassword={SECRET}",
    ],
)
def test_a_password_in_the_dsn_is_refused_unseen_with_what_to_do(dsn: str) -> None:
    [finding] = lint(sink=f'dsn = "{dsn}"')
    assert (finding.severity, finding.code) == ("error", "inline_secret")
    assert "SOFETCH_SINK_DSN" in finding.hint
    assert "dsn_file" in finding.hint
    assert SECRET not in repr(finding)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u@h:5432/db?sslmode=verify-full",
        "host=h user=u passfile=/etc/pgpass",
        "service=analytics",
        "postgresql://u:@h/db",
    ],
)
def test_a_dsn_without_a_password_is_taken(dsn: str) -> None:
    assert lint(sink=f'dsn = "{dsn}"') == []


def test_dsn_and_dsn_file_exclude_each_other() -> None:
    assert codes(lint(sink='dsn = "service=a"\ndsn_file = "/x"')) == ["keys_exclude"]


def test_a_password_key_is_sent_to_the_environment() -> None:
    [finding] = lint(sink=f'password = "{SECRET}"')
    assert "SOFETCH_SINK_DSN" in finding.hint
    assert SECRET not in repr(finding)


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("ftp://h", "bad_url"),
        ("localhost:4566", "bad_url"),
        ("http://", "bad_url"),
        ("http://h:port", "bad_url"),
        ("http://h:99999", "bad_url"),
        ("http://h h", "bad_url"),
        ("http://[::1", "bad_url"),
        ("http://h/?a=b", "bad_url"),
        (f"https://key:{SECRET}@h", "inline_secret"),
    ],
)
def test_an_endpoint_is_an_http_url_without_credentials(endpoint: str, code: str) -> None:
    [finding] = lint(source=f'endpoint = "{endpoint}"')
    assert finding.code == code
    assert SECRET not in repr(finding)


@pytest.mark.parametrize("endpoint", ["http://localhost:4566", "https://sqs.example.org/path", "http://[::1]:9324"])
def test_a_good_endpoint_is_taken(endpoint: str) -> None:
    assert lint(source=f'endpoint = "{endpoint}"') == []


@pytest.mark.parametrize("queue", ["login-queue", "orders.fifo", "https://sqs.eu-west-1.amazonaws.com/1/q", "a" * 80])
def test_a_queue_is_a_name_or_a_url(queue: str) -> None:
    assert lint(source=f'queue = "{queue}"') == []


@pytest.mark.parametrize("queue", ["a b", "arn:aws:sqs:eu-west-1:1:q", "a" * 81, "a.b", "a.fifo.fifo"])
def test_what_sqs_cannot_call_a_queue_is_refused(queue: str) -> None:
    assert codes(lint(source=f'queue = "{queue}"')) == ["bad_queue"]


@pytest.mark.parametrize("table", ["a.b.c", ".a", "a.", 'a\\"b', "a" * 64, "é" * 32, "sofetch.x", "pg_catalog.x"])
def test_a_table_is_a_name_or_a_schema_and_a_name(table: str) -> None:
    assert codes(lint(sink=f'table = "{table}"')) == ["bad_table"]


@pytest.mark.parametrize("table", ["user_logins", "public.user_logins", "Größe", "a" * 63])
def test_a_good_table_is_taken(table: str) -> None:
    assert lint(sink=f'table = "{table}"') == []


def test_a_pipelines_name_is_printable() -> None:
    assert codes(lint(more='[pipeline]\nname = "a\\u0000b"')) == ["bad_name"]


def test_a_batch_that_never_fills_is_a_warning() -> None:
    assert codes(lint(source="max_in_flight = 500")) == ["batch_never_fills"]
    assert codes(lint(more="[batch]\nmax_batch_bytes = 99_000_000")) == ["batch_never_fills"]


def test_requests_are_not_carried_out_over_sessions_that_others_share() -> None:
    requests = "[quarantine]\ncarry_out_requests = true\n"
    assert codes(lint(sink="pooled = true", more=requests)) == ["pooled_requests"]
    assert codes(lint(more=requests)) == []


def test_a_visibility_shorter_than_the_batch_window_is_a_warning() -> None:
    findings = lint(source="visibility_timeout_seconds = 2", more="[batch]\nmax_wait_seconds = 5")
    assert codes(findings) == ["short_visibility"]


@pytest.mark.parametrize(
    ("dedupe", "found"),
    [("[]", 1), ('["item", "item"]', 1), ('["itm", "x"]', 2), ('["item"]', 0), ('"content"', 0)],
)
def test_dedupe_names_columns_that_there_are(dedupe: str, found: int) -> None:
    assert codes(lint(sink=f"dedupe = {dedupe}", column="required = true")) == ["bad_dedupe"] * found


def test_dedupe_refuses_the_time_of_receipt_which_is_another_at_each_delivery() -> None:
    received = 'name = "item"\ntype = "timestamp"\nvalue = "receive_time"'
    [finding] = lint(sink='dedupe = ["item"]', column=received)
    assert (finding.code, finding.severity, finding.where) == ("bad_dedupe", "error", "sofetch.toml:6")
    assert codes(lint(sink='dedupe = ["item"]', column=received.replace("receive", "sent"))) == []


@pytest.mark.parametrize(("column", "found"), [("", 1), ("required = true", 0), ('default = "none"', 0)])
def test_dedupe_warns_of_a_column_that_may_be_missing_for_those_messages_count_as_one(column: str, found: int) -> None:
    findings = lint(sink='dedupe = ["item"]', column=column)
    assert codes(findings) == ["dedupe_nullable"] * found
    assert {finding.severity for finding in findings} <= {"warning"}


def test_a_column_named_twice_is_found_at_the_second_and_says_where_the_first_is() -> None:
    [finding] = lint(column='name = "a"', more='[[column]]\nname = "a"')
    assert (finding.where, finding.code) == ("sofetch.toml:11", "duplicate_column")
    assert "sofetch.toml:9" in finding.what


@pytest.mark.parametrize("name", ["ctid", "xmin", 'a\\"b', "é" * 40, "a\\nb"])
def test_a_name_that_postgres_cannot_hold_is_refused(name: str) -> None:
    assert "bad_name" in codes(lint(column=f'name = "{name}"'))


@pytest.mark.parametrize(
    "keys",
    [
        'mask = "token"\ndefault = "x"',
        'mask = "token"\ntype = "text"',
        'mask = "token"\nmax_length = 3',
        'mask = "token"\npersonal = false',
        'mask = "token"\nredact_to = "x"',
        'mask = "ip"\nredact_to = "x"',
        'mask = "reversible"\ntruncate_to = 3',
        'mask = "redact"\nkind = "ip"',
        'mask = "redact"\ndomain = "ip"',
        'mask = "truncate"\nkind = "ip"\ndomain = "ip"',
        'mask = "bucket"\nkind = "email"\ntruncate_to = 3',
        'mask = "token"\nround_to = 5',
        'mask = "round"\nround_to = 5\ndomain = "d"',
        'mask = "partial"\nnoise = "uniform"',
        "keep_last = 3",
        'kind = "ip"',
        'domain = "ip"',
        'sentinels = ["x"]',
        'not_of_kind = "reject"',
        'redact_to = "x"',
        "truncate_to = 3",
        'value = "queue"\nfrom = "a"',
        'value = "queue"\ndefault = "a"',
        'required = true\ndefault = "a"',
        'type = "int"\nmax_length = 3',
    ],
)
def test_keys_that_exclude_each_other_are_refused(keys: str) -> None:
    assert codes(lint(column=keys)) == ["keys_exclude"]


@pytest.mark.parametrize(
    "keys",
    [
        'mask = "bucket"\nkind = "ip"',
        'mask = "truncate"\nkind = "email"',
        'mask = "truncate"',
        'mask = "ip"\nkind = "string"',
        'mask = "ip_prefix"\nkind = "email"',
        'mask = "ip"\nnot_of_kind = "token"',
        'mask = "reversible"\nfrom = "a[0]"',
        'mask = "token"\nfrom = "a[0]"',
        'mask = "redact"\nredact_to = "\\u0000"',
        'mask = "round"',
        'mask = "noise"',
        'mask = "noise"\nnoise_scale = 5\nkind = "string"',
        'mask = "partial"\nkind = "ip"',
        'mask = "date_shift"\nshift_days = 7',
        'mask = "date_shift"\nshift_days = 7\nsubject = "nobody"',
        'mask = "date_shift"\nshift_days = 7\nsubject = "c"',
        'mask = "fpe"',
    ],
)
def test_a_mask_that_cannot_work_is_refused(keys: str) -> None:
    assert codes(lint(column=keys)) == ["bad_mask"]


@pytest.mark.parametrize(
    "keys",
    [
        'mask = "token"\nkind = "ip"\ndomain = "ip"\nnot_of_kind = "reject"\nsentinels = ["unknown"]',
        'mask = "redact"\nredact_to = "-"',
        'mask = "truncate"\nkind = "ip"',
        'mask = "truncate"\ntruncate_to = 3',
        'mask = "bucket"\nkind = "date"',
        'mask = "partial"\nkeep_last = 2',
        'mask = "round"\nround_to = 1000',
        'mask = "noise"\nnoise_scale = 50\nround_to = 0.5\nnoise = "uniform"',
        'mask = "token"\nvalue = "attribute:user"',
        'type = "int"\ndefault = 1',
        'type = "numeric"\ndefault = "1.50"',
        'type = "date"\ndefault = 2024-02-29',
        'type = "timestamp"\ndefault = 2024-02-29T12:00:00Z',
        'type = "jsonb"\ndefault = "{}"',
        'value = "sent_time"\ntype = "bigint"',
        "from = '\"a.b\"[0].c'",
    ],
)
def test_keys_that_go_together_are_taken(keys: str) -> None:
    assert lint(column=keys) == []


@pytest.mark.parametrize(
    "keys",
    [
        "default = 1",
        'default = "a\\u0000"',
        'default = "abcd"\nmax_length = 3',
        'type = "int"\ndefault = "1"',
        'type = "int"\ndefault = 2147483648',
        'type = "int"\ndefault = true',
        'type = "bool"\ndefault = 1',
        'type = "date"\ndefault = "29.2.2024"',
        'type = "timestamp"\ndefault = 2024-02-29T12:00:00',
        'type = "uuid"\ndefault = "x"',
        'type = "inet"\ndefault = "x"',
        'type = "jsonb"\ndefault = "{"',
    ],
)
def test_a_default_that_the_column_cannot_hold_is_refused(keys: str) -> None:
    assert codes(lint(column=keys)) == ["bad_default"]


def test_a_default_that_is_no_number_is_refused() -> None:
    assert codes(lint(column='type = "numeric"\ndefault = nan')) == ["wrong_value"]


@pytest.mark.parametrize("path", ["", "a..b", "a[", "[0]", "a[x]", '\\"a'])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    assert codes(lint(column=f'from = "{path}"')) == ["bad_path"]


def test_a_key_that_the_decoder_cannot_look_for_is_refused() -> None:
    assert codes(lint(column='from = \'"a\\"b"\'')) == ["bad_path"]


def test_an_unknown_value_of_the_envelope_names_the_nearest() -> None:
    [finding] = lint(column='value = "sent_dat"')
    assert (finding.code, finding.hint) == ("bad_value", "did you mean `sent_date`?")


@pytest.mark.parametrize("keys", ['value = "sent_date"\ntype = "int"', 'value = "sent_time"\ntype = "uuid"'])
def test_a_value_of_the_envelope_has_a_type_that_holds_it(keys: str) -> None:
    assert codes(lint(column=keys)) == ["bad_type"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("sent_date", "date"), ("sent_time", "timestamp"), ("receive_time", "timestamp"), ("attribute:a", "text")],
)
def test_a_value_of_the_envelope_needs_no_type(value: str, kind: str) -> None:
    text = f'[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "a"\nvalue = "{value}"\n'
    assert load_text(text).column[0].type == kind


@pytest.mark.parametrize("mask", ["token", "reversible"])
def test_kinds_of_one_domain_that_differ_are_a_warning(mask: str) -> None:
    more = f'[[column]]\nname = "b"\nmask = "{mask}"\nkind = "email"\ndomain = "item"'
    [finding] = lint(column=f'mask = "{mask}"', more=more)
    assert (finding.severity, finding.code) == ("warning", "domain_of_two_kinds")


def test_kinds_of_one_domain_may_differ_where_the_masks_do() -> None:
    more = '[[column]]\nname = "b"\nfrom = "item"\nmask = "reversible"\nkind = "email"\ndomain = "item"'
    assert lint(column='mask = "token"', more=more) == []


@pytest.mark.parametrize("mask", ["token", "reversible"])
@pytest.mark.parametrize(
    "keys",
    [
        'name = "gender"',
        'name = "is_admin"',
        'name = "x"\nfrom = "user.country"',
        'name = "x"\nfrom = "user.countryCode"',
        'name = "masked_locale"',
        'name = "emailVerified"',
    ],
)
def test_a_token_of_what_has_few_values_is_refused_with_the_reason(keys: str, mask: str) -> None:
    [finding] = lint(column=f'{keys}\nmask = "{mask}"\ndomain = "d"')
    assert (finding.severity, finding.code) == ("error", "few_values")
    assert "how often each token comes" in finding.what


@pytest.mark.parametrize(
    "keys",
    [
        'name = "gender"\nmask = "token"\npersonal = true',
        'name = "gender"\nmask = "redact"',
        'name = "locale"',
        'name = "device_id"\nmask = "token"',
        'name = "is"\nmask = "token"',
        'name = "message"\nmask = "token"',
        'name = "ip"\nmask = "ip"',
    ],
)
def test_what_has_many_values_or_is_meant_or_makes_no_token_is_let_through(keys: str) -> None:
    assert lint(column=keys) == []


@pytest.mark.parametrize(
    "column",
    [
        'name = "email"',
        'name = "x"\nfrom = "user.clientIP"',
        'name = "ssn"',
        'name = "religion"',
        'name = "x"\nfrom = "patient.has_disability"\ntype = "bool"',
        'name = "salary"\ntype = "numeric"',
    ],
)
def test_a_column_that_looks_personal_and_is_not_masked_is_a_warning(column: str) -> None:
    [finding] = lint(column=column)
    assert (finding.severity, finding.code) == ("warning", "personal_unmasked")


@pytest.mark.parametrize(
    "column",
    [
        'name = "email"\npersonal = false',
        'name = "email"\nmask = "token"\nkind = "email"',
        'name = "email"\ntype = "bool"',
        'name = "email_verified"',
        'name = "has_disability"\ntype = "bool"\npersonal = false',
        'name = "disabled"\ntype = "bool"',
        'name = "income"\ntype = "bool"',
    ],
)
def test_a_personal_looking_column_that_is_accounted_for_is_no_warning(column: str) -> None:
    assert lint(column=column) == []


def test_a_broken_key_brings_no_findings_that_only_follow_from_it() -> None:
    assert codes(lint(column='mask = "tokn"\nkind = "ip"\ndomain = "ip"')) == ["wrong_value"]
    assert codes(lint(column='type = "itn"\ndefault = 1')) == ["wrong_value"]


def partitioned(sink: str = "", column: str = 'type = "timestamp"\nrequired = true', **more: str) -> list[str]:
    """Codes of the findings of a table that is partitioned by its only column."""
    text = f'partition_by = "day"\npartition_column = "item"\n{sink}'
    return codes(lint(sink=text, column=column, **more))


def test_a_table_partitioned_by_a_column_that_is_never_null_is_taken() -> None:
    assert partitioned() == partitioned(column='value = "sent_date"\ntype = "date"') == []
    assert partitioned(sink="partition_ahead = 7\npartition_retention_days = 90") == []


@pytest.mark.parametrize(
    ("sink", "code"),
    [
        ('partition_by = "day"', "partition_column"),
        ('partition_by = "day"\npartition_column = "nowhere"', "partition_column"),
        ('partition_by = "week"\npartition_column = "item"', "wrong_value"),
        ('partition_column = "item"', "partition_unused"),
        ("partition_retention_days = 30", "partition_unused"),
    ],
)
def test_settings_of_partitions_that_do_not_go_together_are_refused(sink: str, code: str) -> None:
    assert codes(lint(sink=sink, column='type = "date"\nrequired = true')) == [code]


def test_a_partition_column_must_say_a_time_and_should_not_be_null() -> None:
    assert partitioned(column="required = true") == ["partition_column"]
    assert partitioned(column='type = "timestamp"') == ["partition_nullable"]


def test_a_retention_shorter_than_a_queues_own_is_a_warning() -> None:
    assert partitioned(sink="partition_retention_days = 13") == ["partition_retention"]
    assert partitioned(sink="partition_retention_days = 14") == []


def test_a_table_whose_partitions_would_have_too_long_names_is_refused() -> None:
    long = f'table = "{"t" * 47}"\npartition_by = "day"\npartition_column = "item"'
    assert "bad_table" in codes(lint(sink=long, column='type = "date"\nrequired = true'))


def test_a_date_is_not_shifted_for_a_subject_that_has_no_one_text() -> None:
    shifted = '[[column]]\nname = "born"\nmask = "date_shift"\nshift_days = 7\nsubject = "who"\n'
    document = '[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "who"\n'
    assert codes(lint_text(document + 'type = "jsonb"\n' + shifted)) == ["bad_mask"]
    assert codes(lint_text(document + 'type = "uuid"\n' + shifted)) == []


HIDDEN = '[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "hidden"\nmask = "token"\ndomain = "d"\n'


@pytest.mark.parametrize(
    ("hidden", "plain"),
    [
        ('from = "a.b"', 'from = "a.b"'),
        ('from = "a.b"', 'from = "a"\ntype = "jsonb"'),
        ('from = "a[1].b"', 'from = "a"\ntype = "jsonb"'),
        ('from = "plain"', 'type = "int"'),
        ('from = "\\"a.b\\""', 'from = "\\"a.b\\""'),
        ('value = "group_id"', 'value = "group_id"'),
        ('value = "attribute:x"', 'value = "attribute:x"\ntype = "jsonb"'),
    ],
)
def test_what_one_column_masks_no_other_may_load_in_the_clear(hidden: str, plain: str) -> None:
    text = f'{HIDDEN}{hidden}\n[[column]]\nname = "plain"\n{plain}\n'
    [finding] = lint_text(text)
    assert (finding.severity, finding.code) == ("error", "masked_in_the_clear")
    assert "`plain` loads in the clear what `hidden` masks" in finding.what
    assert lint_text(text + "personal = false\n") == []


@pytest.mark.parametrize(
    ("hidden", "plain"),
    [
        ('from = "a.b"', 'from = "a.c"'),
        ('from = "a.b"', 'from = "a.bc"\ntype = "jsonb"'),
        ('from = "a[1].b"', 'from = "a[0]"\ntype = "jsonb"'),
        ('from = "a.b"', 'from = "a"'),  # an object is no text: nothing is loaded
        ('from = "group_id"', 'value = "group_id"'),
        ('value = "group_id"', 'value = "message_id"'),
        ('from = "a"', 'from = "a"\nmask = "truncate"\ntruncate_to = 2'),
    ],
)
def test_a_column_that_shows_nothing_of_a_masked_one_is_taken(hidden: str, plain: str) -> None:
    assert lint_text(f'{HIDDEN}{hidden}\n[[column]]\nname = "plain"\n{plain}\n') == []


def test_two_columns_of_noise_that_would_give_each_other_away_are_refused() -> None:
    head = '[source]\nqueue = "q"\n[sink]\ntable = "t"\n'
    noisy = '[[column]]\nname = "{}"\nfrom = "{}"\nmask = "noise"\nnoise_scale = {}\n{}\n'
    one = head + noisy.format("fine", "amount", 10, "")
    assert codes(lint_text(one + noisy.format("rough", "amount", 1_000, ""))) == ["shared_noise"]
    assert codes(lint_text(one + noisy.format("net", "net", 5, 'domain = "amount"'))) == ["shared_noise"]
    assert lint_text(one + noisy.format("rough", "amount", 1_000, 'domain = "rough"')) == []
    assert lint_text(one + noisy.format("net", "net", 5, "")) == []
