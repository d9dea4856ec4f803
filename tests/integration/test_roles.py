"""Each role does its work, and is refused everything else. The whole pipeline runs under a user that may only load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from loading import count, query
from masking import ring
from sofetch.decode import compile_decoder
from sofetch.errors import ConfigError, SinkRefused
from sofetch.load.drift import note_drift
from sofetch.load.postgres import PostgresSink
from sofetch.load.quarantine.entries import list_quarantine
from sofetch.load.reading import count_rows
from sofetch.load.setup.inspect import check_sink
from sofetch.load.setup.roles import sink_roles, vault_roles
from sofetch.load.setup.schema import apply_schema
from sofetch.load.vault.schema import apply_vault, check_vault
from sofetch.load.vault.store import Destroyed, VaultStore
from sofetch.mask.subjects import subject_tokens
from sofetch.mask.vaulting import open_value
from sofetch.pipeline import Steps, process
from sofetch.record import Drift, DriftKind, Loaded, Message, Rejected
from vaulting import LIMITS, login_role, recovery_pair, vault_masker, vault_settings

PRIVATE, PUBLIC = recovery_pair()
SETTINGS = vault_settings()
ROLES = ("loader", "analyst", "auditor", "console", "console_asker", "vault_writer", "vault_reader", "eraser")
BODY = b'{"user_id": "u1", "ip": "198.51.100.7", "device_id": "d1"}'


@dataclass(frozen=True)
class Roles:
    """Two databases with the schemas and the roles; ``prefix`` is these databases' own."""

    dsn: str
    vault_dsn: str
    prefix: str

    def __getattr__(self, role: str) -> str:
        if role not in ROLES:
            raise AttributeError(role)
        return self.prefix + role


@pytest.fixture
def roles(database: str, vault_database: str) -> Iterator[Roles]:
    apply_schema(SETTINGS, dsn=database)
    apply_vault(vault_database, limits=LIMITS)
    made = Roles(database, vault_database, f"{conninfo_to_dict(database)['dbname']}_")
    apply_roles(made)
    yield made
    for dsn in (database, vault_database):
        for role in ROLES:
            query(dsn, f"DROP OWNED BY {made.prefix}{role}")
    for role in ROLES:
        query(database, f"DROP ROLE {made.prefix}{role}")


def apply_roles(roles: Roles) -> None:
    sink_roles(SETTINGS, dsn=roles.dsn, prefix=roles.prefix, apply=True)
    vault_roles(SETTINGS, dsn=roles.vault_dsn, prefix=roles.prefix, apply=True)


def message(number: int, body: bytes = BODY) -> Message:
    return Message(
        id=f"{number:08}-0000-4000-8000-000000000000", body=body, queue="q", sent_ms=1_795_000_000_000, received_ms=0
    )


def load(sink_dsn: str, vault_dsn: str, *messages: Message) -> list[type]:
    """The whole way of the data, with these users."""
    masker, vault, sink = (
        vault_masker(PUBLIC),
        VaultStore(vault_dsn, limits=LIMITS),
        PostgresSink(SETTINGS, dsn=sink_dsn),
    )
    try:
        vault.prepare()
        sink.prepare(masker.fingerprints())
        return [type(one) for one in process(messages, Steps(compile_decoder(SETTINGS), masker, sink, vault)).outcomes]
    finally:
        sink.close()
        vault.close()


def load_as_owner(roles: Roles) -> None:
    assert load(roles.dsn, roles.vault_dsn, message(1), message(2, b"not json")) == [Loaded, Rejected]


def refused(dsn: str, statement: str) -> bool:
    """Whether Postgres refuses it for want of a privilege; every other failure is a failure of the test."""
    try:
        query(dsn, statement)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def allowed(dsn: str, *statements: str) -> None:
    assert not [statement for statement in statements if refused(dsn, statement)]


def forbidden(dsn: str, *statements: str) -> None:
    assert not [statement for statement in statements if not refused(dsn, statement)]


TABLES = (
    "public.user_logins", "sofetch.ledger", "sofetch.quarantine", "sofetch.pipeline", "sofetch.key_fingerprint",
    "sofetch.audit",
)  # fmt: skip
SEALED = ("sofetch_vault.value", "sofetch_vault.subject_key")


def everything_with(*tables: str) -> list[str]:
    """Reading, changing, removing, emptying and making anew, of each table."""
    return [
        statement
        for table in tables
        for statement in (
            f"SELECT * FROM {table}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} ADD COLUMN more text",
        )
    ]


def test_the_pipeline_loads_and_keeps_values_as_a_user_that_may_do_no_more(roles: Roles) -> None:
    with login_role(roles.dsn, "loads", roles.loader, roles.vault_writer) as dsn:
        vault_dsn = psycopg.conninfo.make_conninfo(roles.vault_dsn, user=conninfo_to_dict(dsn)["user"])
        assert load(dsn, vault_dsn, message(1), message(2, b"not json")) == [Loaded, Rejected]
        assert [one.__name__ for one in load(dsn, vault_dsn, message(1), message(2, b"not json"))] == [
            "Duplicate",
            "Rejected",
        ]
        found = [*check_sink(SETTINGS, dsn=dsn), *check_vault(vault_dsn, limits=LIMITS)]
    assert {one.code for one in found if one.severity != "ok"} <= {"sink_log", "sink_width"}
    assert {"vault_write_only", "sink_insert_only"} <= {one.code for one in found}
    assert count(roles.dsn, "public.user_logins") == count(roles.dsn, "sofetch.quarantine") == 1
    assert query(roles.dsn, "SELECT attempts FROM sofetch.quarantine") == [(2,)]
    assert count(roles.vault_dsn, "sofetch_vault.value") == 2


def test_a_loader_reads_neither_the_table_nor_a_quarantined_body_and_changes_nothing(roles: Roles) -> None:
    load_as_owner(roles)
    with login_role(roles.dsn, "loads", roles.loader) as dsn:
        forbidden(
            dsn,
            *everything_with("public.user_logins", "sofetch.quarantine", "sofetch.audit"),
            "SELECT user_id FROM public.user_logins",
            "SELECT count(*) FROM public.user_logins",
            "UPDATE public.user_logins SET user_id = ''",
            "SELECT sealed_body FROM sofetch.quarantine",
            "SELECT message_id FROM sofetch.quarantine",
            "UPDATE sofetch.quarantine SET sealed_body = ''",
            "DELETE FROM sofetch.ledger",
            "UPDATE sofetch.key_fingerprint SET fingerprint = ''",
            "INSERT INTO sofetch.audit (seq) VALUES (1)",
            "CREATE TABLE sofetch.mine (a int)",
        )


@pytest.mark.parametrize("look", [count_rows, list_quarantine])
def test_a_loader_that_looks_into_table_or_quarantine_is_told_whose_connection_it_takes(
    roles: Roles, look: Callable[..., object]
) -> None:
    load_as_owner(roles)
    with login_role(roles.dsn, "loads", roles.loader) as dsn, pytest.raises(SinkRefused) as refused:
        look(SETTINGS, dsn=dsn)
    assert "load" not in refused.value.what  # nothing was loaded, and loading is what this role may do
    assert "owner's SOFETCH_SINK_DSN" in refused.value.hint


def test_a_writer_of_the_vault_reads_nothing_not_even_what_it_wrote(roles: Roles) -> None:
    with login_role(roles.vault_dsn, "writes", roles.vault_writer) as dsn:
        load(roles.dsn, dsn, message(1))
        forbidden(
            dsn,
            *everything_with(*SEALED),
            "SELECT count(*) FROM sofetch_vault.value",
            "SELECT subject FROM sofetch_vault.value",
            "INSERT INTO sofetch_vault.subject_key (key_id, subject, wrapped) VALUES (gen_random_uuid(), '', '')",
            "UPDATE sofetch_vault.value SET token = ''",
            "CREATE TABLE sofetch_vault.mine (a int)",
        )
        with pytest.raises(SinkRefused, match="the vault"):
            VaultStore(dsn, limits=LIMITS).find("ip", "h1.k1.x")
    assert count(roles.vault_dsn, "sofetch_vault.value") == 2


def test_a_reader_of_the_vault_finds_values_and_changes_none(roles: Roles) -> None:
    load_as_owner(roles)
    [(token,)] = query(roles.dsn, "SELECT masked_ip FROM public.user_logins")
    with login_role(roles.vault_dsn, "reads", roles.vault_reader) as dsn:
        vault = VaultStore(dsn, limits=LIMITS)
        vault.prepare()
        assert [open_value(one, PRIVATE) for one in vault.find("ip", token)] == ["198.51.100.7"]
        vault.close()
        forbidden(
            dsn,
            *(f"{what} {table}" for what in ("DELETE FROM", "TRUNCATE", "DROP TABLE") for table in SEALED),
            "UPDATE sofetch_vault.value SET token = ''",
            "SELECT sofetch_vault.store('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
        )


def test_a_reader_of_the_vault_writes_the_audit_and_reads_no_table(roles: Roles) -> None:
    with login_role(roles.dsn, "reads", roles.vault_reader) as dsn:
        allowed(dsn, "SELECT * FROM sofetch.audit", APPEND)
        forbidden(dsn, *everything_with("public.user_logins", "sofetch.quarantine", "sofetch.ledger"))
        forbidden(dsn, "UPDATE sofetch.audit SET actor = ''", "DELETE FROM sofetch.audit", "TRUNCATE sofetch.audit")


APPEND = """
INSERT INTO sofetch.audit (seq, at, actor, action, purpose, ticket, detail, kid, previous, digest)
VALUES (1, now(), 'a', 'test', 'p', 't', '{}', 'k1', '', '')
"""


def test_an_analyst_reads_the_table_and_nothing_of_ours(roles: Roles) -> None:
    load_as_owner(roles)
    with login_role(roles.dsn, "looks", roles.analyst) as dsn:
        allowed(dsn, "SELECT * FROM public.user_logins")
        forbidden(dsn, *(f"SELECT * FROM {table}" for table in TABLES[1:]))
        forbidden(
            dsn,
            "INSERT INTO public.user_logins (user_id) VALUES ('')",
            "UPDATE public.user_logins SET user_id = ''",
            "DELETE FROM public.user_logins",
            "TRUNCATE public.user_logins",
        )
    with login_role(roles.vault_dsn, "looks", roles.analyst) as dsn:
        forbidden(dsn, *everything_with(*SEALED))


def test_an_auditor_reads_the_audit_and_nothing_else(roles: Roles) -> None:
    load_as_owner(roles)
    with login_role(roles.dsn, "audits", roles.auditor) as dsn:
        allowed(dsn, "SELECT * FROM sofetch.audit")
        forbidden(dsn, *everything_with(*(table for table in TABLES if table != "sofetch.audit")))
        forbidden(dsn, APPEND, "UPDATE sofetch.audit SET actor = ''", "DELETE FROM sofetch.audit")


def test_an_eraser_destroys_a_subject_and_reads_nothing_sealed(roles: Roles) -> None:
    load_as_owner(roles)
    with login_role(roles.vault_dsn, "erases", roles.eraser) as dsn:
        forbidden(
            dsn,
            "SELECT sealed FROM sofetch_vault.value",
            "SELECT wrapped FROM sofetch_vault.subject_key",
            "UPDATE sofetch_vault.value SET token = ''",
            "TRUNCATE sofetch_vault.value",
        )
        vault = VaultStore(dsn, limits=LIMITS)
        [subject] = subject_tokens(SETTINGS, ring(), "u1")
        assert {one.domain for one in vault.list_subject(subject)} == {"ip", "device"}
        assert vault.destroy_subject(subject) == Destroyed(keys=1, values=2)
        vault.close()
    with login_role(roles.dsn, "erases", roles.eraser) as dsn:
        allowed(dsn, "DELETE FROM public.user_logins", "DELETE FROM sofetch.quarantine", APPEND)
        forbidden(dsn, "DELETE FROM sofetch.ledger", "DELETE FROM sofetch.audit", "TRUNCATE public.user_logins")


def test_applying_again_takes_back_what_was_granted_beyond(roles: Roles) -> None:
    query(roles.dsn, f"GRANT SELECT ON public.user_logins, sofetch.quarantine TO {roles.loader}")
    query(roles.vault_dsn, f"GRANT SELECT ON sofetch_vault.value TO {roles.vault_writer}")
    apply_roles(roles)
    with login_role(roles.dsn, "loads", roles.loader) as dsn:
        forbidden(dsn, "SELECT * FROM public.user_logins", "SELECT sealed_body FROM sofetch.quarantine")
    with login_role(roles.vault_dsn, "writes", roles.vault_writer) as dsn:
        forbidden(dsn, "SELECT * FROM sofetch_vault.value")


def test_a_table_with_a_serial_column_can_be_loaded(roles: Roles) -> None:
    query(roles.dsn, "ALTER TABLE public.user_logins ADD COLUMN id bigserial")
    apply_roles(roles)
    with login_role(roles.dsn, "loads", roles.loader) as dsn:
        assert load(dsn, roles.vault_dsn, message(1)) == [Loaded]


def test_the_told_statements_are_the_applied_ones(roles: Roles) -> None:
    told = sink_roles(SETTINGS, dsn=roles.dsn, prefix=roles.prefix)
    for step in told:
        query(roles.dsn, step.sql)
    assert [step.what for step in told] == [
        f"role {roles.prefix}{name}"
        for name in ("loader", "analyst", "auditor", "console", "console_asker", "vault_reader", "eraser")
    ]


@pytest.mark.parametrize("prefix", ["", "1_", "pg_", 'a"; DROP ROLE x; --', "ä_", "a" * 41, "A_"])
def test_a_prefix_that_begins_no_name_is_refused(database: str, prefix: str) -> None:
    with pytest.raises(ConfigError):
        sink_roles(SETTINGS, dsn=database, prefix=prefix)


def test_roles_for_a_vault_that_is_not_there_say_what_to_do_first(vault_database: str) -> None:
    with pytest.raises(SinkRefused, match="the vault") as caught:
        vault_roles(SETTINGS, dsn=vault_database)
    assert "--apply" in caught.value.hint


def test_a_loader_writes_down_what_drifted_and_one_without_the_right_is_told_which_to_get(roles: Roles) -> None:
    load_as_owner(roles)
    drift = {Drift(DriftKind.TYPE_CHANGE, "ip"): 1}
    with login_role(roles.dsn, "loads", roles.loader) as dsn:
        assert note_drift(SETTINGS, drift, dsn=dsn) == [*drift]
        assert note_drift(SETTINGS, drift, dsn=dsn) == []
        forbidden(dsn, "DELETE FROM sofetch.drift", "TRUNCATE sofetch.drift")
        query(roles.dsn, f"REVOKE ALL ON sofetch.drift FROM {roles.loader}")
        with pytest.raises(SinkRefused) as refused:
            note_drift(SETTINGS, drift, dsn=dsn)
        assert load(dsn, roles.vault_dsn, message(3)) == [Loaded]
    assert "sofetch.drift" in refused.value.what
    assert "load" not in refused.value.what
    assert "schema --roles --apply" in refused.value.hint
