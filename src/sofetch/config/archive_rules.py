"""Rules about the archive: a place that there can be, and a key to seal it for.

Owns what [archive] says. Whether the place is there is not asked here.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from sofetch.config.report import Report
from sofetch.config.shape import Draft

_BUCKET: Final = re.compile(r"s3://[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9](/[^?#]*)?")


def check_archive(draft: Draft, report: Report) -> None:
    """Report a place that is none, and an archive without a key."""
    archive = draft.sections["archive"]
    if not archive.has("to"):
        if archive.given or archive.broken:
            what = "[archive] names no place: nothing is archived"
            hint = 'name a folder or a bucket: to = "s3://bucket/prefix"'
            report.warning("archive_unused", archive.path, what, hint=hint)
        return
    to = archive.given.get("to")
    if to is not None and not _is_place(to):
        hint = 'write a folder ("/var/lib/sofetch/archive"), file:///folder, or s3://bucket/prefix'
        report.error("archive_place", archive.at("to"), "`to` is neither a folder nor a bucket", hint=hint)
    if not archive.has("public_key"):
        what = "there is no key to seal the archive for"
        hint = "name the file as [archive] public_key; `sofetch keys archive-new` makes a pair"
        report.error("archive_key", archive.at("to"), what, hint=hint)


def _is_place(to: str) -> bool:
    if not to.isprintable() or "@" in to.partition("://")[2].partition("/")[0]:
        return False
    if to.startswith("s3://"):
        return _BUCKET.fullmatch(to) is not None
    if "://" not in to:
        return True
    url = urlsplit(to)
    return url.scheme == "file" and not url.netloc and url.path.startswith("/") and not url.query and not url.fragment
