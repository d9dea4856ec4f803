"""What a connection string leaves open is filled in: TLS towards other machines, the search for the primary, tokens."""

from __future__ import annotations

import logging
from typing import Any

import botocore.session
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from sofetch.config import lint_text
from sofetch.errors import SinkRefused, SinkUnavailable
from sofetch.load import connection, rds_iam
from sofetch.load.defaults import completed
from sofetch.settings import SinkSettings

SINK = SinkSettings(table="t")
RDS = "orders.abc.eu-west-1.rds.amazonaws.com"


def codes(sink: str) -> list[str]:
    text = f'[source]\nqueue = "q"\n[sink]\ntable = "t"\n{sink}\n[[column]]\nname = "item"\n'
    return [finding.code for finding in lint_text(text) if finding.severity == "error"]


def parameters(dsn: str, **environ: str) -> dict[str, Any]:
    given = {name: value for name, value in conninfo_to_dict(dsn).items() if value is not None}
    return completed(given, SINK, role="", environ=environ)


@pytest.mark.parametrize(
    "dsn",
    [
        "host=db.example.org",
        "postgresql://loader@10.0.0.7/app",
        "hostaddr=10.0.0.7",
        "host=localhost hostaddr=10.0.0.7",
        "host=db.example.org hostaddr=127.0.0.1",
        "host=/run/postgresql,db.example.org",
        "postgresql://[2001:db8::1]/app",
        "host=localhost.example.org",
    ],
)
def test_another_machine_is_asked_who_it_is(dsn: str) -> None:
    assert parameters(dsn)["sslmode"] == "verify-full"


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "dbname=app",
        "host=/run/postgresql",
        "host=@abstract",
        "host=localhost",
        "host=LOCALHOST.",
        "host=127.0.0.9",
        "postgresql://[::1]/app",
        "host=/a,/b",
    ],
)
def test_this_machine_is_not(dsn: str) -> None:
    assert "sslmode" not in parameters(dsn)


def test_the_environments_host_counts_as_the_strings_own() -> None:
    assert parameters("", PGHOST="db.example.org")["sslmode"] == "verify-full"
    assert "sslmode" not in parameters("host=/run/postgresql", PGHOST="db.example.org")


def test_what_is_said_wins_in_the_string_as_in_the_environment() -> None:
    assert parameters("host=db.example.org sslmode=disable")["sslmode"] == "disable"
    assert "sslmode" not in parameters("host=db.example.org", PGSSLMODE="require")
    two = "host=a.example.org,b.example.org"
    assert parameters(f"{two} target_session_attrs=any")["target_session_attrs"] == "any"
    assert "target_session_attrs" not in parameters(two, PGTARGETSESSIONATTRS="primary")
    assert parameters("connect_timeout=3 keepalives_idle=99")["connect_timeout"] == "3"


def test_a_service_file_says_both_itself() -> None:
    for dsn, environ in (("service=orders host=a,b", {}), ("host=a,b", {"PGSERVICE": "orders"})):
        assert not {"sslmode", "target_session_attrs"} & parameters(dsn, **environ).keys()


@pytest.mark.parametrize("dsn", ["host=a,b", "hostaddr=10.0.0.1,10.0.0.2", "postgresql://a:1,b:2/app", "host=/a,/b"])
def test_of_several_hosts_the_one_that_takes_writes_is_wanted(dsn: str) -> None:
    assert parameters(dsn)["target_session_attrs"] == "read-write"


@pytest.mark.parametrize("dsn", ["", "host=a", "hostaddr=10.0.0.1", "host=a port=5432"])
def test_one_host_is_taken_as_it_is(dsn: str) -> None:
    assert "target_session_attrs" not in parameters(dsn)


def test_a_dead_server_is_noticed_within_half_a_minute() -> None:
    found = parameters("")
    silent = found["keepalives_idle"] + found["keepalives_interval"] * found["keepalives_count"]
    assert (found["connect_timeout"], silent, found["tcp_user_timeout"]) == (10, 25, 30_000)


@pytest.mark.parametrize(
    ("libpq", "cause"),
    [
        ('root certificate file "/nowhere/root.crt" does not exist', "no CA's certificate"),
        ("SSL error: certificate verify failed", "cannot be verified"),
        ('server certificate for "x" does not match host name "db"', "another host name"),
        ("server does not support SSL, but SSL was required", "offers no TLS"),
        ("connection refused\n- host b: session is read-only", "no host is there that takes writes"),
    ],
)
def test_a_connection_that_was_not_made_says_why_in_our_words(
    libpq: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_given: object) -> None:
        raise psycopg.OperationalError(libpq)

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(SinkUnavailable, match=cause) as caught:
        connection.connect("host=db user=u", SINK)
    assert caught.value.hint


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "temporary/+=")
    rds_iam._session.cache_clear()


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What psycopg was given each time; it finds nobody."""
    seen: list[dict[str, Any]] = []

    def refuse(**given: Any) -> None:
        seen.append(given)
        raise psycopg.OperationalError("Connection refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    return seen


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize("user", ["loader", "lo+ad er@x"])
def test_a_token_is_the_one_that_botocore_makes(user: str) -> None:
    client: Any = botocore.session.Session().create_client("rds", region_name="eu-west-1")
    for _ in range(3):  # the second may turn between the two
        theirs = client.generate_db_auth_token(RDS, 5432, user, "eu-west-1")
        if rds_iam.token(host=RDS, port=5432, user=user) == theirs:
            return
    pytest.fail("never the same")


@pytest.mark.usefixtures("credentials")
def test_every_connection_has_a_token_of_its_own_and_nothing_tells_it(
    attempts: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink = SinkSettings(table="t", rds_iam=True)
    with pytest.raises(SinkUnavailable) as caught:
        connection.connect(f"host={RDS},b.{RDS} port=5432,5433 user=loader", sink)
    assert [given["password"].partition("/?")[0] for given in attempts] == [f"{RDS}:5432", f"b.{RDS}:5433"]
    assert all(given["sslmode"] == "verify-full" for given in attempts)
    told = f"{caught.value!r} {caught.value.hint} {caplog.text}"
    assert not any(given["password"].rpartition("=")[2] in told for given in attempts)


@pytest.mark.usefixtures("credentials")
def test_a_string_with_a_password_of_its_own_needs_no_token(attempts: list[dict[str, Any]]) -> None:
    with pytest.raises(SinkUnavailable):
        connection.connect("host=vault user=u password=p", SinkSettings(table="t", rds_iam=True))
    assert [given["password"] for given in attempts] == ["p"]


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    "rest", ["user=u sslmode=prefer", "user=u sslmode=disable", "sslmode=require", "user=u port=1,2"]
)
def test_no_token_goes_in_the_clear_or_for_nobody(rest: str, attempts: list[dict[str, Any]]) -> None:
    with pytest.raises(SinkRefused):
        connection.connect(f"host={RDS} {rest}", SinkSettings(table="t", rds_iam=True))
    assert attempts == []


def test_without_credentials_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    rds_iam._session.cache_clear()
    with pytest.raises(SinkUnavailable, match="no AWS credentials"):
        rds_iam.token(host=RDS, port=5432, user="u")
    rds_iam._session.cache_clear()


@pytest.mark.parametrize("dsn", ["host=h user=u sslmode=prefer", "postgresql://u@h/d?sslmode=disable"])
def test_the_configuration_may_not_send_a_token_in_the_clear(dsn: str) -> None:
    assert codes(f'dsn = "{dsn}"\nrds_iam = true') == ["token_in_clear"]
    assert codes(f'dsn = "{dsn}"') == []
    assert codes('dsn = "host=h user=u sslmode=verify-full"\nrds_iam = true') == []
