"""One connection to Postgres: how it is made, what it is told, and what its errors become.

Owns the session's limits and the one place where a psycopg error turns into ours. The text of such an error is never
passed on: the server's DETAIL echoes values, and a connection error can hold the connection string.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import set_json_dumps

from sofetch.errors import SinkRefused, SinkUnavailable, SofetchError
from sofetch.load.defaults import ENCRYPTED, VERIFIED, completed, hosts_of
from sofetch.load.sqlstate import Blame, blame, in_words
from sofetch.load.statements import statement
from sofetch.settings import SinkSettings

MINIMUM_VERSION = 130_000


# READ COMMITTED whatever the role's default is: the ledger must see what others committed while we waited for them.
# Not READ WRITE: default_transaction_read_only is how an old primary is fenced off. Deferred constraints are checked
# with each row, or COMMIT would fail and blame nobody.
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE"


def connect(dsn: str, sink: SinkSettings, *, role: str = "", pooled: bool = False) -> psycopg.Connection[Any]:
    """A connection in autocommit, its limits set. ``role`` is a suffix of the application name.

    With ``pooled`` nothing is set on the session, which other clients share: each transaction is to begin with
    ``beginning``. Raises SinkUnavailable or SinkRefused. What the connection string itself says wins over the settings.
    """
    given = {name: value for name, value in conninfo_to_dict(dsn).items() if value is not None}
    connection = _open(given, completed(given, sink, role=role, environ=os.environ), sink)
    try:
        # jsonb cells are JSON text already: pass the bytes through.
        set_json_dumps(_as_it_is, connection)
        if pooled:
            _require_plain_path(connection)
        else:
            _set_up(connection, given, sink)
    except psycopg.Error as error:
        connection.close()
        raise sink_error(error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def beginning(sink: SinkSettings) -> bytes:
    """What begins a transaction of the loader's. Behind a pooler its limits are set here and end with it.

    All in one message: it costs no round trip more.
    """
    if not sink.pooled:
        return BEGIN.encode()
    limits = "".join(f"; SET LOCAL {name} = '{value}'" for name, value in _limits(sink).items())
    return BEGIN.encode() + limits.encode() + b"; " + _session(lasting=False)


def is_alive(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server still answers on it. Takes a round trip, and ``tcp_user_timeout_seconds`` at worst."""
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def sink_error(error: psycopg.Error) -> SinkUnavailable | SinkRefused:
    """Our error for theirs: SQLSTATE and names only. To be raised ``from None``."""
    diagnosis = error.diag
    state = diagnosis.sqlstate or error.sqlstate
    words = in_words(state)
    names = {"table": diagnosis.table_name, "column": diagnosis.column_name, "constraint": diagnosis.constraint_name}
    where = "".join(f", {kind} {name}" for kind, name in names.items() if name)
    what = f"{words} (SQLSTATE {state}{where})" if state else words
    if state and blame(diagnosis) is Blame.PERSON and not _is_new_partition(error):
        return SinkRefused(f"Postgres refused it: {what}", hint=REMEDIES.get(state, CHECK), sqlstate=state)
    return SinkUnavailable(f"Postgres cannot take the load now: {what}", sqlstate=state)


CHECK = "`sofetch check` tries everything that the configuration names and says what to do"
REMEDIES = {
    "23514": "make a partition of the table for these rows, or a default partition",
    "28P01": "put the right user and password into SOFETCH_SINK_DSN",
    "3D000": "name an existing database in SOFETCH_SINK_DSN",
    "42501": "to look into table or quarantine, to replay and to purge, use the owner's SOFETCH_SINK_DSN; for all else"
    " the owner sees in `sofetch schema --roles` who needs what, and grants this user one of the roles",
    "42P01": "`sofetch schema --apply` makes what is missing; " + CHECK,
    "3F000": "`sofetch schema --apply` makes what is missing; " + CHECK,
}


def require_version(connection: psycopg.Connection[Any]) -> None:
    """SinkRefused for a server older than PostgreSQL 13."""
    version = connection.info.server_version
    if version < MINIMUM_VERSION:
        raise SinkRefused(
            f"the server is PostgreSQL {version // 10_000}, sofetch needs 13 or newer", hint="upgrade the server"
        )


def bug(what: str) -> SofetchError:
    """For what cannot happen while the parts keep their contracts."""
    return SofetchError(what, hint="this is a fault of sofetch; nothing of the batch is committed", code="internal")


def _is_new_partition(error: psycopg.Error) -> bool:
    """What was on its way into a default partition met the making of its time's own: the next try finds that."""
    diagnosis = error.diag
    of_default = diagnosis.schema_name == "sofetch" or (diagnosis.table_name or "").endswith("_default")
    return diagnosis.sqlstate == "23514" and not diagnosis.constraint_name and of_default


def _open(given: dict[str, Any], parameters: dict[str, Any], sink: SinkSettings) -> psycopg.Connection[Any]:
    """The first connection that is to be had. With tokens each host is tried by itself, for each has its own."""
    by_token = sink.rds_iam and not given.get("password")
    tries = _with_tokens(parameters) if by_token else iter([parameters])
    failed: psycopg.Error | None = None
    for tried in tries:
        try:
            return psycopg.connect(**tried, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            failed = error
    assert failed is not None  # noqa: S101  there is one try at least
    raise _unreachable(failed, given) from None


def _with_tokens(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters for each host, with a token of IAM for it. Raises SinkRefused where none should be made."""
    mode = parameters.get("sslmode") or os.environ.get("PGSSLMODE") or "none"
    if mode not in ENCRYPTED:
        raise SinkRefused(
            f"[sink] rds_iam sends its token by TLS only, and sslmode is {mode}",
            hint=f"drop sslmode from the DSN, which then is {VERIFIED}",
        )
    try:
        hosts = hosts_of(parameters, os.environ)
    except ValueError:
        hint = "a host each, and one port for all or a port each"
        raise SinkRefused("hosts and ports in the DSN do not go together", hint=hint) from None
    user = parameters.get("user") or os.environ.get("PGUSER")
    if not user or not all(host for host, _, _ in hosts):
        raise SinkRefused("[sink] rds_iam signs for a host and a user", hint="name both in the DSN: host=… user=…")

    from sofetch.load.rds_iam import token  # botocore is nobody's burden who logs in by password

    for host, address, port in hosts:
        one = parameters | {"host": host, "port": port, "password": token(host=host, port=port, user=str(user))}
        yield one | ({"hostaddr": address} if address else {})


def _unreachable(error: psycopg.Error, given: dict[str, Any]) -> SinkUnavailable:
    """A connection that was not made has no SQLSTATE, so it may always pass. libpq's text is only searched for a known
    cause, which is then told in our words: that decides nothing but the hint.
    """
    text = str(error)
    cause, hint = next(((cause, hint) for sign, cause, hint in CAUSES if sign in text), ("it could not be made", REACH))
    names = {"host": "host", "port": "port", "dbname": "database", "user": "user"}
    where = ", ".join(f"{name} {given[key]}" for key, name in names.items() if given.get(key))
    return SinkUnavailable(f"no connection to Postgres ({where or 'default host'}): {cause}", hint=hint)


REACH = "is the server up, the host and port right, the user and the database existing, TLS as the server wants it?"
ROOTS = (
    "put sslrootcert=FILE with the CA's certificate into the DSN: on RDS and Aurora the global-bundle.pem of AWS; "
    "sslrootcert=system for a public CA"
)
CAUSES = (
    # First, for what these say of a host is said beside what the other hosts answered, or names a file, a role, a
    # database.
    (
        "read-only",
        "no host is there that takes writes",
        "it passes when a standby is promoted; are all hosts of the cluster in the DSN?",
    ),
    ("root certificate file", "there is no CA's certificate to verify the server's with", ROOTS),
    ("sslrootcert", "the CA's certificates cannot be used", ROOTS),
    (
        "does not match host name",
        "the server's certificate is for another host name",
        "name the host in the DSN as its certificate does; an address in hostaddr beside it spares the look-up",
    ),
    (
        "host name must be specified",
        "a certificate is verified by the host's name, and the DSN has none",
        "put host=… beside hostaddr",
    ),
    ("certificate verify failed", "the server's certificate cannot be verified", ROOTS),
    (
        "does not support SSL",
        "the server offers no TLS, and another machine's is not talked to without",
        "turn it on there (ssl = on); or sslmode=disable in the DSN, where nobody else is on the way",
    ),
    ("too many connections", "it has too many connections", "it passes; or raise the role's or database's limit"),
    ("remaining connection slots", "the server has too many connections", "it passes, or raise max_connections"),
    ("too many clients", "the server has too many connections", "it passes, or raise max_connections"),
    (
        "PAM authentication failed",
        "the token of IAM is not accepted",
        "GRANT rds_iam TO the user; may the role of AWS do rds-db:connect as it? Is the DSN's host the endpoint?",
    ),
    ("password authentication failed", "the password is not accepted", "put the right user and password into the DSN"),
    ("no password supplied", "the server asks for a password", "put it into SOFETCH_SINK_DSN or [sink] dsn_file"),
    (
        "pg_hba.conf",
        "the server does not let this host, user and database in",
        "ask who runs it for an entry in pg_hba.conf",
    ),
    ("role ", "the server does not know this user", "name an existing user in the DSN"),
    ('" does not exist', "there is no such database", "create it, or name an existing one in the DSN"),
    (
        "database ",
        "the server does not let this user into this database",
        "does the database exist? May the user connect?",
    ),
    ("resolve host", "the host's name is not known", "look at the host in the DSN, and at the name server"),
    ("translate host name", "the host's name is not known", "look at the host in the DSN, and at the name server"),
    ("Connection refused", "nothing listens there", "is the server up, and are host and port right?"),
    ("No such file", "there is no such socket", "is the server up, and is the host's folder right?"),
    ("timeout", "no answer came in time", "is the host right, and does a firewall stand between?"),
    ("certificate", "TLS could not be agreed on", "look at sslmode and sslrootcert in the DSN"),
    ("SSL", "TLS could not be agreed on", "look at sslmode and sslrootcert in the DSN"),
)


def _set_up(connection: psycopg.Connection[Any], given: dict[str, Any], sink: SinkSettings) -> None:
    """Set the session's limits after connecting: poolers refuse them among the start-up options.

    Limits that the connection string's own ``options`` name stay as they are.
    """
    options = str(given.get("options", ""))
    wanted = {name: value for name, value in _limits(sink).items() if name not in options}
    names, values = list(wanted), list(wanted.values())
    connection.execute(
        "SELECT set_config(n, v, false) FROM unnest(%s::text[], %s::text[]) AS s (n, v)", [names, values]
    )
    connection.execute(_session(lasting=True))


def _limits(sink: SinkSettings) -> dict[str, str]:
    return {
        "statement_timeout": f"{sink.statement_timeout_seconds}s",
        "lock_timeout": f"{sink.lock_timeout_seconds}s",
        "idle_in_transaction_session_timeout": f"{sink.statement_timeout_seconds}s",
        "log_parameter_max_length_on_error": "0",
    }


def _session(*, lasting: bool) -> bytes:
    """What a session must be, or only the transaction that has begun."""
    return statement("session").replace(b"{local}", b"false" if lasting else b"true")


def _require_plain_path(connection: psycopg.Connection[Any]) -> None:
    """A path that leads to our schema is mended in a session of our own, and not where others share it."""
    row = connection.execute("SELECT 'sofetch' = ANY (current_schemas(false)), current_user").fetchone()
    if row is not None and row[0]:
        raise SinkRefused(
            f"the search path of the role {row[1]} leads to the schema sofetch, and [sink] pooled sets no other",
            hint=f"ALTER ROLE {row[1]} SET search_path = public",
        )


def _as_it_is(document: bytes) -> bytes:
    return document
