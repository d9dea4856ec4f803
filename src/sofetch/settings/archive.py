"""The archive: every message as it came, sealed, beside the load."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class ArchiveSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[archive]: where every message is kept as it came, sealed for a key that this machine does not hold."""

    to: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="A folder, or `s3://bucket/prefix`. Default: nothing is archived."),
    ] = None
    public_key: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="File with the public half of the archive key (`sofetch keys archive-new` makes both)."),
    ] = None
    keep_days: Annotated[
        Annotated[int, Meta(ge=1, le=36_500)] | None,
        Meta(description="Days that an hour is kept; `sofetch archive expire` deletes older ones. Default: for ever."),
    ] = None
    s3_region: Annotated[
        str | None, Meta(description="AWS region of the bucket. Default: that of the AWS environment.")
    ] = None
    s3_endpoint: Annotated[str | None, Meta(description="Endpoint URL of an S3 server other than AWS.")] = None
