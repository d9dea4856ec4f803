"""The settings, as types: one specification per setting gives parsing, default, limits, JSON Schema and documentation.

Owns what can be configured. Reading files, the environment and the lint with positions is ``sofetch.config``.
Every description is shown to users (``sofetch settings``, docs/configuration.md, the JSON Schema).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

ColumnType = Literal[
    "text", "int", "bigint", "numeric", "bool", "timestamp", "date", "uuid", "inet", "jsonb", "version_int"
]
MaskName = Literal["token", "reversible", "ip", "ip_prefix", "redact", "truncate", "bucket"]
Kind = Literal["string", "ip", "email", "uuid", "int", "date"]
EnvelopeValue = Literal["message_id", "sent_time", "sent_date", "receive_time", "queue", "group_id"]

UnwrapLayer = Literal["sns", "eventbridge", "base64", "gzip", "s3_pointer", "s3_objects"]

Name = Annotated[str, Meta(min_length=1, max_length=63)]
Domain = Annotated[str, Meta(pattern=r"^[a-z0-9_.~-]{1,64}$")]
BucketName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$")]
SecretName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,2048}$")]
Seconds = Annotated[float, Meta(ge=0)]


class PipelineSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[pipeline]: what this pipeline is called."""

    name: Annotated[
        str | None,
        Meta(description="Name of the pipeline in the ledger, the quarantine and the logs. Default: the table's name."),
    ] = None


class SourceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[source]: the SQS queue."""

    queue: Annotated[str, Meta(min_length=1, description="Name or URL of the SQS queue.")]
    endpoint: Annotated[
        str | None, Meta(description="Endpoint URL of an SQS server other than AWS. Default: AWS's own for the region.")
    ] = None
    region: Annotated[
        str | None, Meta(description="AWS region. Default: what the AWS environment or profile names.")
    ] = None
    protocol: Annotated[
        Literal["auto", "json", "query"],
        Meta(description="Wire protocol; `auto` notices servers that speak only the old query/XML protocol."),
    ] = "auto"
    transport: Annotated[
        Literal["auto", "fast", "boto3"],
        Meta(
            description="How receives, deletes and extensions are called: `auto` takes the fast path where it can be "
            "taken (JSON protocol, no proxy), else boto3; `fast` refuses to start where it cannot; `boto3` never "
            "takes it."
        ),
    ] = "auto"
    wait_seconds: Annotated[
        int, Meta(ge=0, le=20, description="Long-poll time of one ReceiveMessage call, in seconds.")
    ] = 20
    receivers: Annotated[int, Meta(ge=1, le=64, description="Threads that receive.")] = 4
    deleters: Annotated[int, Meta(ge=1, le=64, description="Threads that delete, release and extend.")] = 2
    max_in_flight: Annotated[
        int, Meta(ge=10, le=100_000, description="Most messages held at once. SQS allows 120,000 per queue.")
    ] = 5_000
    max_in_flight_bytes: Annotated[int, Meta(ge=1_048_576, description="Most body bytes held at once.")] = 12_582_912
    visibility_timeout_seconds: Annotated[
        Annotated[int, Meta(ge=2, le=43_200)] | None,
        Meta(description="Visibility timeout to ask for at receive. Default: the queue's own."),
    ] = None
    hold_seconds: Annotated[
        int,
        Meta(
            ge=60,
            le=43_000,
            description="How long a message is held while it cannot be loaded. Then it goes back to the queue, for up "
            "to 20 minutes invisible. SQS lets a message be held for 43,200 s at most, that delay included.",
        ),
    ] = 42_000
    release_delay_seconds: Annotated[
        int, Meta(ge=0, le=43_200, description="How long a message that must be retried stays invisible.")
    ] = 5


class UnwrapSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[unwrap]: what is round the document in a message's body, and is taken off before it is decoded."""

    layers: Annotated[
        list[UnwrapLayer],
        Meta(
            description="What is taken off, from the outside in: sns, eventbridge, base64, gzip, s3_pointer (the body "
            "is in an object), s3_objects (S3's event names objects of JSON lines). Default: nothing."
        ),
    ] = field(default_factory=list)
    max_unwrapped_bytes: Annotated[
        int,
        Meta(
            ge=1_024,
            le=268_435_456,
            description="Most bytes that a body may come to at any layer: inflated, fetched, or one line of an object.",
        ),
    ] = 8_388_608
    s3_buckets: Annotated[
        list[BucketName],
        Meta(description="Buckets that may be read from. A message that names another is quarantined."),
    ] = field(default_factory=list)
    s3_max_object_bytes: Annotated[
        int, Meta(ge=1_024, description="Largest object of JSON lines that is read, as stored.")
    ] = 1_073_741_824
    s3_region: Annotated[
        str | None, Meta(description="AWS region of the buckets. Default: that of the AWS environment.")
    ] = None
    s3_endpoint: Annotated[str | None, Meta(description="Endpoint URL of an S3 server other than AWS.")] = None
    s3_fetchers: Annotated[
        int, Meta(ge=1, le=64, description="Threads that fetch objects of s3_pointer; each holds one object at most.")
    ] = 4


class BatchSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[batch]: how much is loaded in one transaction."""

    max_messages: Annotated[int, Meta(ge=1, le=50_000, description="Most messages in one transaction.")] = 1_000
    max_batch_bytes: Annotated[int, Meta(ge=1_024, description="Most body bytes in one transaction.")] = 4_194_304
    max_wait_seconds: Annotated[
        float, Meta(ge=0, le=60, description="Longest time a received message waits for its batch to fill.")
    ] = 0.25


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[worker]: how a worker stops."""

    shutdown_grace_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="Longest time for the deletes and releases after the batch in hand is done, once stopping was "
            "asked for.",
        ),
    ] = 25


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[http]: what a running worker answers over HTTP."""

    listen: Annotated[
        Annotated[str, Meta(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$")] | None,
        Meta(description="Address and port, as `127.0.0.1:8080`. Default: it does not listen."),
    ] = None
    unhealthy_after_seconds: Annotated[
        float,
        Meta(ge=0, description="How long the queue or the database may be away before `/health` answers 503."),
    ] = 300
    stuck_after_seconds: Annotated[
        float,
        Meta(
            ge=60,
            description="How long the loop may be silent, over one attempt at a batch, before `/livez` answers 503.",
        ),
    ] = 900


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[telemetry]: what OpenTelemetry sends. Where to is said by its own variables (OTEL_EXPORTER_OTLP_ENDPOINT)."""

    traces: Annotated[bool, Meta(description="Send a span for each batch, linked to the traces of its messages.")] = (
        False
    )
    metrics: Annotated[bool, Meta(description="Push the metrics, the same that `/metrics` shows.")] = False


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
            ge=1, le=400, description="Days the ledger is kept: more than the queue's and the DLQ's retention together."
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


class KeysSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[keys]: where the keyring is. Its content comes from a variable, a file or AWS, never from this file."""

    file: Annotated[
        str | None,
        Meta(description="Keyring file, mode 0600. The environment variable SOFETCH_KEYRING_FILE names it too."),
    ] = None
    secret: Annotated[
        SecretName | None, Meta(description="Name or ARN of the AWS secret that holds the keyring, instead of a file.")
    ] = None
    reversible_file: Annotated[
        str | None,
        Meta(
            description="File of a keyring of its own for what can be reversed: the masks reversible, ip and "
            "ip_prefix, and the quarantine. SOFETCH_REVERSIBLE_KEYRING_FILE names it too. Default: the one keyring is "
            "for all."
        ),
    ] = None
    reversible_secret: Annotated[
        SecretName | None, Meta(description="Name or ARN of the AWS secret that holds it, instead of a file.")
    ] = None
    region: Annotated[
        str | None, Meta(description="AWS region of secrets and KMS keys. Default: that of the AWS environment.")
    ] = None
    endpoint: Annotated[
        str | None, Meta(description="Endpoint URL of a server other than AWS for Secrets Manager and KMS.")
    ] = None
    timeout_seconds: Annotated[
        int, Meta(ge=1, le=60, description="Limit on one try to reach Secrets Manager or KMS; there are three.")
    ] = 5


class VaultSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[vault]: where the values behind tokens are kept, for those who may recover them."""

    subject: Annotated[
        str | None,
        Meta(description="Column that names whom a row is about: its text, or what its mask is made of. Needed."),
    ] = None
    recovery_public_key: Annotated[
        str | None,
        Meta(description="File with the public half of the recovery key (`sofetch keys recovery-new` makes both)."),
    ] = None
    dsn: Annotated[
        str | None,
        Meta(
            description="The vault database's connection string without a password. One with a password belongs in "
            "SOFETCH_VAULT_DSN."
        ),
    ] = None
    dsn_file: Annotated[str | None, Meta(description="File that holds the connection string, mode 0600.")] = None
    same_database: Annotated[
        bool,
        Meta(
            description="The vault may be in the sink's database, and is where no other is named. Better is one of its "
            "own: other backups, other people."
        ),
    ] = False
    without_subject: Annotated[
        Literal["reject", "own"],
        Meta(
            description="A row with a value for the vault and no subject: a rejection, or (`own`) the value counts as "
            "a subject of its own, which no erasure by subject finds."
        ),
    ] = "reject"


class QuarantineSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[quarantine]: messages that could not become rows."""

    expire_days: Annotated[int, Meta(ge=1, le=3_650, description="Days until a quarantined body may be purged.")] = 30


class ApproverSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[recovery.approver]]: one who may approve a recovery."""

    name: Annotated[str, Meta(min_length=1, max_length=100, description="Who it is, as the audit names them.")]
    public_key: Annotated[
        str, Meta(min_length=1, description="Their Ed25519 public key: the line between the lines of its PEM.")
    ]


class RecoverySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[recovery]: on what terms `sofetch recover` shows a value again."""

    approvals: Annotated[
        int, Meta(ge=0, le=10, description="How many others must approve a recovery before it runs.")
    ] = 0
    request_hours: Annotated[
        int, Meta(ge=1, le=720, description="Hours after which a prepared request can no longer be run.")
    ] = 24
    approver: Annotated[
        list[ApproverSettings],
        Meta(description="Those who may approve, as [[recovery.approver]] with `name` and `public_key`."),
    ] = field(default_factory=list)


class ErasureTableSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[erasure.table]]: one more table that holds rows about the subject."""

    name: Annotated[str, Meta(min_length=1, description="The table, `name` or `schema.name`.")]
    subject_column: Annotated[Name, Meta(description="Column that names the subject, plain or as a token.")]
    token_columns: Annotated[
        list[Name], Meta(description="Columns whose values are replaced by random ones in mode `randomise`.")
    ] = field(default_factory=list)
    domain: Annotated[
        Domain | None, Meta(description="Join domain of `subject_column`. Default: that of the subject's own columns.")
    ] = None
    kind: Annotated[Kind, Meta(description="How the subject is made canonical in `domain`.")] = "string"


class ErasureSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[erasure]: what `sofetch erase` does beside destroying the subject's keys in the vault."""

    subject: Annotated[
        str | None, Meta(description="Column that names whom a row is about. Default: [vault] subject.")
    ] = None
    mode: Annotated[
        Literal["delete", "randomise"],
        Meta(
            description="`delete` removes the subject's rows; `randomise` keeps them and replaces the subject and "
            "every token in them by random ones, so that counts stay and nothing joins."
        ),
    ] = "delete"
    backup_days: Annotated[
        Annotated[int, Meta(ge=0, le=3_650)] | None,
        Meta(description="Days that backups and archived logs of the databases are kept: the receipt says until when."),
    ] = None
    table: Annotated[
        list[ErasureTableSettings],
        Meta(
            description="Tables beside the sink's, as [[erasure.table]] with `name`, `subject_column`, `token_columns` "
            "and, where the subject's tokens there are of another join domain, `domain` and `kind`."
        ),
    ] = field(default_factory=list)


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[limits]: what a body may be before it is refused unread."""

    max_body_bytes: Annotated[
        int, Meta(ge=1, description="Largest body that is decoded. An SQS message is at most 1 MiB.")
    ] = 1_048_576
    max_depth: Annotated[
        int,
        Meta(ge=1, le=512, description="Deepest nesting of objects and arrays; the parser's own stack allows no more."),
    ] = 512
    max_keys: Annotated[int, Meta(ge=1, description="Most keys of a body, those of all its objects together.")] = 20_000
    max_number_chars: Annotated[
        int, Meta(ge=32, description="Longest number, in characters as it is written, also where no column reads it.")
    ] = 1_000
    max_text_chars: Annotated[
        int, Meta(ge=1, description="Longest text value where a column sets no max_length of its own.")
    ] = 1_048_576


class CostSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[cost]: what the queue costs, for the summary of a run."""

    dollars_per_million_requests: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Price of a million SQS requests. Default: 0.40, and 0.50 for a FIFO queue, Amazon's prices in "
            "us-east-1."
        ),
    ] = None


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[log]: the log on standard error."""

    format: Annotated[
        Literal["auto", "json", "pretty"], Meta(description="`auto` is pretty in a terminal and JSON elsewhere.")
    ] = "auto"
    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least severe level shown.")] = (
        "info"
    )


class ColumnSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[[column]]: one column of the table and where its value comes from."""

    name: Annotated[Name, Meta(description="Column of the table.")]
    from_: Annotated[
        str | None, Meta(description="Path into the JSON: `a`, `a.b`, `a.b[0].c`. Default: the column's name.")
    ] = field(default=None, name="from")
    value: Annotated[
        str | None,
        Meta(
            description="A value of the envelope instead of the body: message_id, sent_time, sent_date, receive_time, "
            "queue, group_id, or attribute:NAME."
        ),
    ] = None
    type: Annotated[ColumnType, Meta(description="Type of an unmasked column.")] = "text"
    required: Annotated[bool, Meta(description="Missing or null is a rejection.")] = False
    default: Annotated[
        str | int | float | bool | None, Meta(description="Value for missing or null, unmasked columns only.")
    ] = None
    max_length: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="Longest text, in characters.")] = None
    mask: Annotated[
        MaskName | None,
        Meta(
            description="How a personal value is masked. `token`: equal values have equal tokens, which nothing opens. "
            "`reversible`: the same, and the key opens them. `ip`: an address becomes another address. `ip_prefix`: so "
            "too, and addresses of one network stay in one network. `redact`: a constant. `truncate`, `bucket`: less "
            "of it, see `kind`."
        ),
    ] = None
    kind: Annotated[
        Kind,
        Meta(
            description="How a personal value is made canonical before it is masked. `truncate` takes ip (to /24 or "
            "/48) and string (to truncate_to characters); `bucket` takes date (to its month) and email (to its domain);"
            " the masks `ip` and `ip_prefix` take ip and need not say so."
        ),
    ] = "string"
    domain: Annotated[
        Domain | None,
        Meta(description="Join domain: equal values of one domain have equal tokens. Default: the field's path."),
    ] = None
    not_of_kind: Annotated[
        Literal["token", "reject"],
        Meta(
            description="A value that is not of its kind: a token of it as a string, or a rejection. The masks `ip` "
            "and `ip_prefix` always reject: their column holds addresses."
        ),
    ] = "token"
    sentinels: Annotated[
        list[str], Meta(description="Values that mean nothing and are stored as NULL, as `unknown` or `0.0.0.0`.")
    ] = field(default_factory=list)
    redact_to: Annotated[
        str, Meta(description="The constant that `redact` stores, and `truncate` where it would hide nothing.")
    ] = "[redacted]"
    truncate_to: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description="Leading characters that `truncate` keeps of a string. An ip keeps its /24 or /48."),
    ] = None
    vault: Annotated[
        bool,
        Meta(description='The value behind the token is kept in the vault, see [vault]. For mask = "token" only.'),
    ] = False
    personal: Annotated[
        bool | None,
        Meta(
            description="`false` says that an unmasked column holds nothing personal, whatever its name looks like; "
            "`true` that a column with few different values is tokenised all the same."
        ),
    ] = None


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole configuration: what one ``sofetch.toml`` says."""

    source: SourceSettings
    sink: SinkSettings
    column: Annotated[list[ColumnSettings], Meta(min_length=1)]
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    unwrap: UnwrapSettings = field(default_factory=UnwrapSettings)
    batch: BatchSettings = field(default_factory=BatchSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    keys: KeysSettings = field(default_factory=KeysSettings)
    vault: VaultSettings = field(default_factory=VaultSettings)
    quarantine: QuarantineSettings = field(default_factory=QuarantineSettings)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    erasure: ErasureSettings = field(default_factory=ErasureSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    log: LogSettings = field(default_factory=LogSettings)
    cost: CostSettings = field(default_factory=CostSettings)

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name in ledger, quarantine and logs; ``public.t`` and ``t`` are one."""
        return self.pipeline.name or self.sink.table.removeprefix("public.")

    @property
    def keeps_values(self) -> bool:
        """Whether any column's values go into the vault."""
        return any(column.vault for column in self.column)
