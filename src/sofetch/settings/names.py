"""Types that several sections share: the names of types and masks, and the forms of names."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

ColumnType = Literal[
    "text", "int", "bigint", "numeric", "bool", "timestamp", "date", "uuid", "inet", "jsonb", "version_int"
]
MaskName = Literal[
    "token", "reversible", "ip", "ip_prefix", "redact", "truncate", "bucket", "partial", "round", "noise", "date_shift",
    "fpe",
]  # fmt: skip
Kind = Literal["string", "ip", "email", "uuid", "int", "code", "date", "number"]
Alphabet = Literal["digits", "alnum_lower", "alnum"]
EnvelopeValue = Literal["message_id", "sent_time", "sent_date", "receive_time", "queue", "group_id"]

UnwrapLayer = Literal["sns", "eventbridge", "base64", "gzip", "s3_pointer", "s3_objects"]

Name = Annotated[str, Meta(min_length=1, max_length=63)]
# The title says in words what the pattern asks for: errors and pages show it, and no pattern.
Domain = Annotated[
    str, Meta(pattern=r"^[a-z0-9_.~-]{1,64}$", title="1 to 64 of a-z, 0-9, `_`, `.`, `~` and `-`, as `person.email`")
]
BucketName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$",
        title="the name of a bucket, without `s3://`: 3 to 63 letters, digits, `.`, `_` and `-`, as `our-events`",
    ),
]
SecretName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9/_+=.@:-]{1,2048}$",
        title="the name or ARN of a secret: letters, digits and `/_+=.@:-`, as `sofetch/keyring`",
    ),
]
Listen = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$",
        title="an address and a port, as `127.0.0.1:8080`, or `0.0.0.0:8080` for every address, or `[::1]:8080`",
    ),
]
Seconds = Annotated[float, Meta(ge=0)]
