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
Domain = Annotated[str, Meta(pattern=r"^[a-z0-9_.~-]{1,64}$")]
BucketName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$")]
SecretName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,2048}$")]
Seconds = Annotated[float, Meta(ge=0)]
