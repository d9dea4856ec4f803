"""Opens the place that is configured: a folder, or a bucket.

Owns the reading of ``[archive] to``. Loads what a bucket needs only for a bucket.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from sofetch.archive.place import Place
from sofetch.errors import ConfigError
from sofetch.settings import ArchiveSettings


def open_place(settings: ArchiveSettings) -> Place:
    """The place that [archive] names; nothing is asked of it yet. Raises ConfigError where it names none."""
    if settings.to is None:
        raise ConfigError(
            "there is no archive in this configuration", hint='name a folder or a bucket: [archive] to = "…"'
        )
    if settings.to.startswith("s3://"):
        from sofetch.archive.bucket import Bucket

        bucket, _, prefix = settings.to.removeprefix("s3://").partition("/")
        return Bucket(settings, bucket=bucket, prefix=prefix)
    from sofetch.archive.folder import Folder

    return Folder(folder_path(settings.to))


def folder_path(to: str) -> str:
    """The folder of a ``to`` that is no bucket: a path, or a file URL."""
    return unquote(urlsplit(to).path) if to.startswith("file://") else to
