"""Rules about how settings go together: what each section may say, and what columns say of each other.

Owns what goes beyond a single value and a single column. Secrets are refused here without being shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, urlsplit

from sofetch.columns import token_domain
from sofetch.config.archive_rules import check_archive
from sofetch.config.column_rules import as_settings, check_column, is_identifier, title
from sofetch.config.drift_rules import check_drift, names_collecting
from sofetch.config.governance_rules import check_governance
from sofetch.config.mask_rules import check_masks
from sofetch.config.partition_rules import check_partitions
from sofetch.config.positions import Path
from sofetch.config.report import Report, did_you_mean, shown
from sofetch.config.shape import Draft, Part
from sofetch.config.unwrap_rules import check_unwrap
from sofetch.config.vault_rules import check_vault
from sofetch.config.write_rules import check_write

_PASSWORD_KEYS = frozenset({"password", "sslpassword"})
_PASSWORD_WORD = re.compile(r"(?:^|\s)(?:ssl)?password\s*=", re.IGNORECASE)
_URI_PASSWORD = re.compile(r"^[a-z]+://[^@]*:[^@]+@", re.IGNORECASE)  # also one with an unescaped / or ? in it
_IN_THE_CLEAR = re.compile(r"(?:^|[\s?&])sslmode\s*=\s*'?(disable|allow|prefer)\b")
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")
_NEVER_MISSING = frozenset({"message_id", "queue", "sent_time", "sent_date"})
_OWN_SCHEMAS = frozenset({"sofetch", "pg_catalog", "information_schema"})


def check_rules(draft: Draft, report: Report) -> None:
    """Report everything that is wrong beyond single values."""
    _check_queue(draft.sections["source"], report)
    _check_endpoint(draft.sections["source"], report)
    _check_table(draft.sections["sink"], report)
    _check_dsn(draft.sections["sink"], report, section="sink")
    _check_dsn(draft.sections["vault"], report, section="vault")
    if draft.sections["sink"].get("rds_iam"):
        _check_encrypted(draft.sections["sink"], report)
        _check_encrypted(draft.sections["vault"], report)
    _check_keys(draft.sections["keys"], report)
    _check_s3_endpoint(draft.sections["unwrap"], report)
    _check_s3_endpoint(draft.sections["archive"], report)
    _check_pipeline(draft.sections["pipeline"], report)
    _check_sizes(draft, report)
    _check_pooled(draft, report)
    for column in draft.columns:
        check_column(column, report)
    _check_names_are_unique(draft.columns, report)
    _check_dedupe(draft, report)
    _check_domains(draft.columns, report)
    check_partitions(draft, report)
    check_write(draft, report)
    check_unwrap(draft, report)
    check_drift(draft, report)
    check_masks(draft, report)
    check_vault(draft, report)
    check_archive(draft, report)
    check_governance(draft, report)


def _check_pooled(draft: Draft, report: Report) -> None:
    quarantine = draft.sections["quarantine"]
    if draft.sections["sink"].get("pooled") and quarantine.get("carry_out_requests"):
        what = "a replay sets limits on its session, and with `pooled` others share the workers' sessions"
        hint = "drop it, and run `sofetch quarantine requests --carry-out` over a direct connection"
        report.error("pooled_requests", quarantine.at("carry_out_requests"), what, hint=hint)


def _check_queue(source: Part, report: Report) -> None:
    queue = source.given.get("queue")
    if queue is None:
        return
    if "://" in queue:
        _check_url(source.at("queue"), "`queue`", queue, report)
    elif not _QUEUE_NAME.fullmatch(queue):
        is_arn = queue.startswith("arn:")
        hint = (
            "give the queue's name (the ARN's last part) or URL"
            if is_arn
            else "SQS names have 1 to 80 of A-Z a-z 0-9 - _"
        )
        report.error("bad_queue", source.at("queue"), "`queue` is neither a queue's name nor a URL", hint=hint)


def _check_endpoint(source: Part, report: Report) -> None:
    endpoint = source.given.get("endpoint")
    if endpoint is not None:
        _check_url(source.at("endpoint"), "`endpoint`", endpoint, report)


def _check_url(path: Path, key: str, text: str, report: Report) -> None:
    url = _split(text)
    if url is None or url.scheme not in {"http", "https"} or not url.hostname:
        hint = "write http://host:port or https://host"
        report.error("bad_url", path, f"{key} is not an http or https URL", hint=hint)
    elif "@" in url.netloc:
        hint = "drop them; credentials come from the AWS environment or profile"
        report.error("inline_secret", path, f"{key} holds credentials", hint=hint)
    elif url.query or url.fragment:
        report.error("bad_url", path, f"{key} has a query or fragment", hint="drop what begins with ? or #")


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        _ = url.port  # raises where it is no number
    except ValueError:
        return None
    return url if text.isprintable() and " " not in text else None


def _check_table(sink: Part, report: Report) -> None:
    table = sink.given.get("table")
    if table is None:
        return
    names = table.split(".")
    if len(names) > 2 or not all(map(is_identifier, names)):
        hint = "write `name` or `schema.name`, each at most 63 bytes and without quotes"
        report.error("bad_table", sink.at("table"), "`table` cannot name a table in Postgres", hint=hint)
    elif len(names) == 2 and names[0] in _OWN_SCHEMAS:
        hint = "put the table into a schema of your own"
        report.error("bad_table", sink.at("table"), f"the schema `{names[0]}` is not for your tables", hint=hint)


def _check_dsn(part: Part, report: Report, *, section: str) -> None:
    dsn = part.given.get("dsn")
    if dsn is not None and _holds_password(dsn):
        hint = (
            f"give the whole string in SOFETCH_{section.upper()}_DSN, or in a file of mode 0600 that `dsn_file` names"
        )
        report.error("inline_secret", part.at("dsn"), "`dsn` holds a password", hint=hint)
    if part.has("dsn") and part.has("dsn_file"):
        what = f"[{section}] has both `dsn` and `dsn_file`"
        report.error("keys_exclude", part.at("dsn_file"), what, hint="drop one of the two")


def _check_encrypted(part: Part, report: Report) -> None:
    mode = _IN_THE_CLEAR.search(part.given.get("dsn") or "")
    if mode is not None:
        what = f"`dsn` says sslmode={mode[1]}, and `rds_iam` sends its token by TLS only"
        report.error("token_in_clear", part.at("dsn"), what, hint="drop sslmode, which then is verify-full")


def _holds_password(dsn: str) -> bool:
    if _PASSWORD_WORD.search(dsn) or _URI_PASSWORD.match(dsn):
        return True
    query = dsn.partition("?")[2]
    return any(key.lower() in _PASSWORD_KEYS for key, _ in parse_qsl(query, keep_blank_values=True))


def _check_keys(keys: Part, report: Report) -> None:
    for file, secret in (("file", "secret"), ("reversible_file", "reversible_secret")):
        if keys.has(file) and keys.has(secret):
            what = f"[keys] has both `{file}` and `{secret}`"
            report.error("keys_exclude", keys.at(secret), what, hint="drop one of the two")
    if keys.given.get("endpoint") is not None:
        _check_url(keys.at("endpoint"), "`endpoint`", keys.given["endpoint"], report)


def _check_s3_endpoint(part: Part, report: Report) -> None:
    if part.given.get("s3_endpoint") is not None:
        _check_url(part.at("s3_endpoint"), "`s3_endpoint`", part.given["s3_endpoint"], report)


def _check_pipeline(pipeline: Part, report: Report) -> None:
    name = pipeline.given.get("name")
    if name is not None and not name.isprintable():
        hint = "use printable characters only"
        report.error("bad_name", pipeline.at("name"), "`name` has control characters in it", hint=hint)


def _check_sizes(draft: Draft, report: Report) -> None:
    """A batch larger than what may be held at once never fills: it always waits out its time."""
    source, batch = draft.sections["source"], draft.sections["batch"]
    for key, limit in (("max_messages", "max_in_flight"), ("max_batch_bytes", "max_in_flight_bytes")):
        if batch.get(key) > source.get(limit):
            at = batch.at(key) if batch.has(key) else source.at(limit)
            hint = f"lower [batch] {key} or raise [source] {limit}"
            what = f"[batch] {key} is {batch.get(key):,} and [source] {limit} only {source.get(limit):,}"
            report.warning("batch_never_fills", at, what, hint=hint)
    visible_seconds = source.get("visibility_timeout_seconds")
    if visible_seconds is not None and visible_seconds <= batch.get("max_wait_seconds"):
        hint = "raise it well above [batch] max_wait_seconds"
        what = "messages become visible again before their batch is full"
        report.warning("short_visibility", source.at("visibility_timeout_seconds"), what, hint=hint)


def _check_names_are_unique(columns: list[Part], report: Report) -> None:
    first: dict[str, Part] = {}
    for name, column in _named(columns):
        if name in first:
            what = f"there is a {title(column)} already, at {report.where(first[name].at('name'))}"
            report.error("duplicate_column", column.at("name"), what, hint="drop one, or give it another `name`")
        first.setdefault(name, column)


def _named(columns: list[Part]) -> Iterator[tuple[str, Part]]:
    for column in columns:
        if "name" in column.given:
            yield column.given["name"], column


def _check_dedupe(draft: Draft, report: Report) -> None:
    sink = draft.sections["sink"]
    dedupe = sink.given.get("dedupe")
    if not isinstance(dedupe, list):
        return
    if not dedupe:
        hint = 'name columns, or write dedupe = "message" or "content"'
        report.error("bad_dedupe", sink.at("dedupe"), "`dedupe` names no column", hint=hint)
    names = dict(_named(draft.columns))
    for index, name in enumerate(dedupe):
        path = (*sink.at("dedupe"), index)
        if name not in names:
            hint = did_you_mean(name, names, otherwise="name columns by their `name`")
            report.error("bad_dedupe", path, f"`dedupe` names {shown(name)}, and there is no such column", hint=hint)
        elif name in dedupe[:index]:
            report.error("bad_dedupe", path, f"`dedupe` names {shown(name)} twice", hint="once is enough")
        elif not names_collecting(draft, name, path, report):
            _check_identifying(names[name], path, report)


def _check_identifying(part: Part, path: Path, report: Report) -> None:
    """Whether a column can say what is the same message."""
    column = as_settings(part)
    if column is None:
        return
    if column.value == "receive_time":
        what = f"`dedupe` names {title(part)}, which is another at each delivery: what comes twice would load twice"
        report.error("bad_dedupe", path, what, hint="take it out; `sent_time` is the same at every delivery")
    elif not column.required and column.default is None and column.value not in _NEVER_MISSING:
        what = f"`dedupe` names {title(part)}, which may be missing: messages that lack it count as the same in it"
        hint = "set required = true for it: what lacks it goes to quarantine, and is not taken for a duplicate"
        report.warning("dedupe_nullable", path, what, hint=hint)


def _check_domains(columns: list[Part], report: Report) -> None:
    """What one mask makes in one domain is there to be joined; of different kinds it never meets."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for column in columns:
        settings = as_settings(column)
        if settings is None or settings.mask not in {"token", "reversible"}:
            continue
        kind, name = first.setdefault((settings.mask, token_domain(settings)), (settings.kind, settings.name))
        if kind != settings.kind:
            what = f'{title(column)}, kind "{settings.kind}", cannot join `{name}` of the same domain, kind "{kind}"'
            report.warning("domain_of_two_kinds", column.at("kind"), what, hint="give both one kind, or two domains")
