"""An archive in S3, by botocore: an object a batch, each whole or not there.

Owns the calls and what S3's answers mean: missing, denied and wrong credentials are for a person, the rest may pass.
Must not let a vendor's text into an error.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, BinaryIO, Final, TypeVar, cast

import botocore.session
from botocore.config import Config

from sofetch.archive.place import Listed
from sofetch.aws_region import regional
from sofetch.errors import ArchiveRefused, ArchiveUnavailable, SourceRefused
from sofetch.findings import Finding, Severity
from sofetch.settings import ArchiveSettings
from sofetch.source.boto_errors import source_error

T = TypeVar("T")

_CONNECT_TIMEOUT_SECONDS: Final = 5
_ANSWER_TIMEOUT_SECONDS: Final = 20
_ATTEMPTS: Final = 3
_MOST_DELETED_AT_ONCE: Final = 1_000
_PERSON_HINT: Final = (
    "check [archive] to, s3_region and s3_endpoint; let the role call s3:PutObject (a worker), s3:ListBucket and "
    "s3:GetObject (who reads), s3:DeleteObject (who expires), and use the bucket's KMS key"
)
_WAIT_HINT: Final = "it may pass; if it does not, look at the bucket's service and the network between"


class Bucket:
    """Fills ``Place``. One client; one thread uses it."""

    appends = False

    def __init__(self, settings: ArchiveSettings, *, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._client = self._told("reached", lambda: _make_client(settings))

    def prepare(self) -> None:
        """Put an object, as each batch will be. It stays: who archives need not be allowed to delete."""
        self.put(".sofetch", b"")

    def check(self) -> Finding:
        """Whether the bucket is there, by a list of one. Who may only write is told that nobody looked."""
        where = f"archive s3://{self._bucket}/{self._prefix}"
        try:
            self._told("listed", partial(self._page, "", MaxKeys=1))
        except (ArchiveUnavailable, ArchiveRefused) as error:
            severity: Severity = "warning" if error.code == "archive_denied" else "error"
            return Finding(severity=severity, code=error.code, where=where, what=error.what, hint=error.hint)
        return Finding(severity="ok", code="archive_writable", where=where, what="the bucket is there")

    def create(self, name: str) -> Gathering:
        """Begin an object; nothing is called before it is closed."""
        return Gathering(lambda content: self.put(name, content))

    def put(self, name: str, content: bytes) -> None:
        """One PUT."""
        self._told(
            "written", lambda: self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)
        )

    def names(self, prefix: str) -> Iterator[Listed]:
        """A call for each thousand."""
        page = self._told("listed", lambda: self._page(prefix))
        while True:
            for entry in page.get("Contents", ()):
                yield Listed(entry["Key"].removeprefix(self._prefix), int(entry["Size"]))
            if not page.get("IsTruncated"):
                return
            token = page["NextContinuationToken"]
            page = self._told("listed", partial(self._page, prefix, ContinuationToken=token))

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The object as a stream."""
        answer = self._told("read", lambda: self._client.get_object(Bucket=self._bucket, Key=self._prefix + name))
        with closing(answer["Body"]) as body:
            yield cast("BinaryIO", io.BufferedReader(_Raw(lambda size: self._told("read", lambda: body.read(size)))))

    def remove(self, names: Sequence[str]) -> None:
        """A call for each thousand; what S3 could not delete is an error."""
        for start in range(0, len(names), _MOST_DELETED_AT_ONCE):
            keys = [{"Key": self._prefix + name} for name in names[start : start + _MOST_DELETED_AT_ONCE]]
            answer = self._told("written", partial(self._delete, keys))
            if answer.get("Errors"):
                raise ArchiveRefused(
                    f"{len(answer['Errors'])} objects of s3://{self._bucket} could not be deleted", hint=_PERSON_HINT
                )

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()

    def _page(self, prefix: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix + prefix, **more)
        return answer

    def _delete(self, keys: list[dict[str, str]]) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.delete_objects(
            Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True}
        )
        return answer

    def _told(self, doing: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # botocore lets through what urllib3 and sockets raise, too
            known = source_error(error, doing=f"{doing}: the archive s3://{self._bucket}")
        what = f"the archive s3://{self._bucket} cannot be {doing}: {known.what.partition(f's3://{self._bucket}: ')[2]}"
        if known.code == "denied":
            raise ArchiveRefused(what, hint=_PERSON_HINT, code="archive_denied")
        if isinstance(known, SourceRefused):
            raise ArchiveRefused(what, hint=_PERSON_HINT)
        raise ArchiveUnavailable(what, hint=_WAIT_HINT)


class Gathering:
    """Fills ``NewFile``: an object that is put when it is whole."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._content = bytearray()

    def append(self, data: bytes) -> None:
        """Remember it."""
        self._content += data

    def close(self) -> None:
        """Put the object."""
        self._put(bytes(self._content))

    def abandon(self) -> None:
        """Forget it."""
        self._content.clear()


class _Raw(io.RawIOBase):
    """A body of botocore's as a raw stream, so that ``io`` can buffer it."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _make_client(settings: ArchiveSettings) -> Any:
    config = Config(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=_ANSWER_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        tcp_keepalive=True,
        user_agent_extra="sofetch",
        s3={"addressing_style": "path" if settings.s3_endpoint else "auto"},
    )
    return regional(botocore.session.get_session()).create_client(
        "s3", region_name=settings.s3_region, endpoint_url=settings.s3_endpoint, config=config
    )
