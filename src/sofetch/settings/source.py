"""The queue, what is taken off a body, and how much is taken at once."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sofetch.settings.names import BucketName, UnwrapLayer


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
    receivers: Annotated[int, Meta(ge=1, le=64, description="Most receive calls under way at once.")] = 4
    deleters: Annotated[
        int, Meta(ge=1, le=64, description="Most calls under way at once that delete, release or extend.")
    ] = 2
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
