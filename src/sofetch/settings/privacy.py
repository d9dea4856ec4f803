"""Keys, the vault, the quarantine, recovery and erasure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sofetch.settings.names import Domain, Kind, Name, SecretName


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
            description="File of a keyring of its own for what can be reversed: the masks reversible, ip, ip_prefix, "
            "fpe, date_shift and noise, and the quarantine. SOFETCH_REVERSIBLE_KEYRING_FILE names it too. Default: "
            "the one keyring is for all."
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


class MasksSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[masks]: which masks may be used at all."""

    allow_fpe: Annotated[
        bool,
        Meta(
            description="The mask `fpe` may be used. What it makes looks like a real value, and patents have been "
            "claimed on its algorithm: docs/masks.md says what to know first."
        ),
    ] = False


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
    carry_out_requests: Annotated[
        bool,
        Meta(
            description="Workers carry out the replays and purges that were asked for in the console. Their role"
            " must then be one that may replay and purge."
        ),
    ] = False


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
