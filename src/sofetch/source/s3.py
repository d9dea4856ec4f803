"""S3 by boto3: fills ``ports.ObjectStore``.

Owns the calls, their bounds, and what S3's answers mean for a message: gone or too large is the message's own; denied,
a missing bucket and wrong credentials are for a person; the rest may pass. Must not write, and must not let a vendor's
text or an object's name into an error.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Any, Final

import botocore.session
from botocore import exceptions as boto
from botocore.config import Config

from sofetch.aws_region import regional
from sofetch.errors import SofetchError, SourceRefused
from sofetch.findings import Finding
from sofetch.record import ObjectRef, Reason
from sofetch.settings import UnwrapSettings
from sofetch.source.boto_errors import error_code, mapped

_CONNECT_TIMEOUT_SECONDS: Final = 5
_ANSWER_TIMEOUT_SECONDS: Final = 20
_ATTEMPTS: Final = 3
_PIECE_BYTES: Final = 65_536

_GONE: Final = frozenset(
    {
        "InvalidArgument",  # a version id that is none
        "InvalidObjectState",  # archived: it is not there to be read
        "KeyTooLongError",
        "MethodNotAllowed",  # that version is a delete marker
        "NoSuchKey",
        "NoSuchVersion",
        "NotFound",
    }
)


class S3Store:
    """Fills ``ObjectStore``. One client, shared by the fetching threads; they start with the first batch."""

    def __init__(self, settings: UnwrapSettings) -> None:
        with mapped("reach S3"):
            self._client = _make_client(settings)
        self._fetchers = ThreadPoolExecutor(settings.s3_fetchers, thread_name_prefix="sofetch-fetch")

    def fetch(self, refs: Sequence[ObjectRef], *, max_bytes: int) -> list[bytes | Reason]:
        """Whole objects, side by side."""
        return list(self._fetchers.map(partial(self._whole, max_bytes=max_bytes), refs))

    def open(self, ref: ObjectRef, *, max_bytes: int) -> S3Stream | Reason:
        """One object; nothing of its content is read yet."""
        version = {} if ref.version_id is None else {"VersionId": ref.version_id}
        with mapped(f"read from bucket {ref.bucket!r}"):
            try:
                answer = self._client.get_object(Bucket=ref.bucket, Key=ref.key, **version)
            except boto.ClientError as error:
                if error_code(error) in _GONE:
                    return Reason.OBJECT_MISSING
                raise _for_a_person(error, ref.bucket) or error from None
        stream = S3Stream(answer)
        if stream.size > max_bytes:
            stream.close()
            return Reason.OBJECT_TOO_LARGE
        return stream

    def close(self) -> None:
        """End the threads and give back the connections."""
        self._fetchers.shutdown(wait=True, cancel_futures=True)
        self._client.close()

    def _whole(self, ref: ObjectRef, *, max_bytes: int) -> bytes | Reason:
        stream = self.open(ref, max_bytes=max_bytes)
        if isinstance(stream, Reason):
            return stream
        with closing(stream):
            return b"".join(stream)


def check_buckets(settings: UnwrapSettings) -> list[Finding]:
    """Whether each bucket can be read from, found out by asking for an object that nobody has. Changes nothing.

    S3 says of it that it is missing only to who may list the bucket, and to all others that it is denied.
    """
    with closing(S3Store(settings)) as store:
        return [_check_bucket(store, bucket) for bucket in settings.s3_buckets]


def _check_bucket(store: S3Store, bucket: str) -> Finding:
    where = f"bucket {bucket}"
    try:
        store.open(ObjectRef(bucket, f"sofetch-check-{secrets.token_hex(8)}"), max_bytes=0)
    except SofetchError as error:
        return Finding(severity="error", code=error.code, where=where, what=error.what, hint=error.hint)
    return Finding(
        severity="ok", code="bucket_readable", where=where, what="s3:GetObject and s3:ListBucket are allowed"
    )


class S3Stream:
    """Fills ``ObjectStream``."""

    def __init__(self, answer: dict[str, Any]) -> None:
        modified = answer.get("LastModified")
        self.size = int(answer["ContentLength"])
        self.modified_ms = int(modified.timestamp() * 1000) if isinstance(modified, datetime) else 0
        self.version = f"{answer.get('VersionId', '')} {answer.get('ETag', '')} {self.modified_ms}"
        self._body = answer["Body"]

    def __iter__(self) -> Iterator[bytes]:
        """The content. botocore holds it to the length that was announced."""
        while True:
            with mapped("read an object of S3 to its end"):
                piece = bytes(self._body.read(_PIECE_BYTES))
            if not piece:
                return
            yield piece

    def close(self) -> None:
        """Give back the connection; one that is not read to the end is cut."""
        self._body.close()


def _for_a_person(error: boto.ClientError, bucket: str) -> SourceRefused | None:
    """What only a person can mend; None for what ``mapped`` knows as well. The bucket is one of the configuration."""
    if error_code(error) == "NoSuchBucket":
        return SourceRefused(
            f"there is no bucket {bucket!r}", hint="check [unwrap] s3_buckets, s3_region and s3_endpoint"
        )
    if error_code(error).startswith(("AccessDenied", "AllAccessDisabled")):
        return SourceRefused(
            f"reading from bucket {bucket!r} is denied",
            hint="let the role call s3:GetObject on its objects, s3:ListBucket on it (without that S3 says of a "
            "missing object that it is denied), and use its KMS key",
            code="denied",
        )
    return None


def _make_client(settings: UnwrapSettings) -> Any:
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=_ANSWER_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=settings.s3_fetchers + 1,
        tcp_keepalive=True,
        user_agent_extra="sofetch",
        # A server of one's own seldom answers to names of buckets.
        s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
    )
    return regional(botocore.session.get_session()).create_client(
        "s3", region_name=settings.s3_region, endpoint_url=settings.s3_endpoint, config=config
    )
