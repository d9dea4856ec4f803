"""The Postgres table."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sofetch.settings.names import Name


class SinkSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[sink]: the Postgres table."""

    table: Annotated[str, Meta(min_length=1, description="Target table, `name` or `schema.name`.")]
    dsn: Annotated[
        str | None,
        Meta(description="Connection string without a password. One with a password belongs in SOFETCH_SINK_DSN."),
    ] = None
    dsn_file: Annotated[str | None, Meta(description="File that holds the connection string, mode 0600.")] = None
    dedupe: Annotated[
        Literal["message", "content"] | list[str],
        Meta(description="What makes two messages the same: the message id, the whole body, or the named columns."),
    ] = "message"
    write: Annotated[
        Literal["insert", "insert_ignore", "upsert"],
        Meta(
            description="What a message does to the table. `insert`: it adds a row. `insert_ignore`: it adds one "
            "unless there is one of its `key`. `upsert`: of each `key` there is one row, that of the newest sent time."
        ),
    ] = "insert"
    key: Annotated[list[Name], Meta(description="Columns that no two rows share, for insert_ignore and upsert.")] = (
        field(default_factory=list)
    )
    application_name: Annotated[str, Meta(description="Name of the connection in pg_stat_activity.")] = "sofetch"
    connect_timeout_seconds: Annotated[int, Meta(ge=1, le=600, description="Limit on making a connection.")] = 10
    statement_timeout_seconds: Annotated[int, Meta(ge=1, le=3_600, description="Limit on one statement.")] = 60
    lock_timeout_seconds: Annotated[int, Meta(ge=1, le=3_600, description="Limit on waiting for a lock.")] = 10
    tcp_user_timeout_seconds: Annotated[
        int, Meta(ge=1, le=3_600, description="How long unanswered data may stay on the wire before the link is dead.")
    ] = 30
    pooled: Annotated[
        bool,
        Meta(
            description="The database is reached through a pooler that shares its connections (RDS Proxy, PgBouncer "
            "in transaction mode): limits are set in each transaction, and nothing is set on the session."
        ),
    ] = False
    rds_iam: Annotated[
        bool,
        Meta(
            description="Log in to RDS or Aurora by tokens of AWS IAM, one made for each connection, where the "
            "connection string holds no password. For the vault too."
        ),
    ] = False
    ledger_days: Annotated[
        int,
        Meta(
            ge=1,
            le=400,
            description="Days the ledger is kept: more than the queue's and the DLQ's retention together. Pipelines of "
            "one database share it, and it is kept for the longest that one of them asks for.",
        ),
    ] = 35
    partition_by: Annotated[
        Literal["", "day", "month"],
        Meta(description="The table is partitioned by UTC days or months of `partition_column`. Default: it is not."),
    ] = ""
    partition_column: Annotated[
        Name | None, Meta(description="Column, a timestamp or date, that says which partition a row belongs to.")
    ] = None
    partition_ahead: Annotated[
        int, Meta(ge=1, le=400, description="How many days or months are made ahead, beside the one of now.")
    ] = 3
    partition_retention_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36_500,
            description="Days that rows are kept: partitions that are wholly older are dropped, with their rows. "
            "0 keeps all.",
        ),
    ] = 0
