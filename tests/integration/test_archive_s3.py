"""An archive in a bucket, on a server that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archiving import KEY, message, seen, writer
from sofetch.archive.bucket import Bucket
from sofetch.archive.checking import check_hour
from sofetch.archive.opening import open_place
from sofetch.archive.reading import hours, read_manifest, read_messages
from sofetch.errors import ArchiveRefused, ArchiveUnavailable
from sofetch.settings import ArchiveSettings

pytestmark = pytest.mark.slow


@pytest.fixture
def place(s3_endpoint: str, bucket: str) -> Iterator[Bucket]:
    settings = ArchiveSettings(to=f"s3://{bucket}/raw/logins", s3_endpoint=s3_endpoint)
    opened = open_place(settings)
    assert isinstance(opened, Bucket)
    yield opened
    opened.close()


def test_batches_become_objects_of_their_own_and_come_out_as_they_went_in(
    place: Bucket, bucket: str, s3_client: Any
) -> None:
    archive, _ = writer(place)
    archive.prepare()
    batches = [[message(1, b'{"ip": "10.0.0.7"}'), message(2)], [message(3, b"\xff")]]
    for batch in batches:
        archive.keep(batch)
    [hour] = hours(place, "user_logins")
    assert len(hour.files) == 2
    assert len(hour.without_manifest) == 1
    archive._finish()
    [hour] = hours(place, "user_logins")
    assert read_manifest(place, hour.manifests[0].name).messages == 3
    opened = [one for file in hour.files for batch in read_messages(place, file.name, [KEY]) for one in batch]
    assert seen(opened) == seen([one for batch in batches for one in batch])
    assert list(check_hour(place, hour, keys=[KEY])) == []
    keys = [one["Key"] for one in s3_client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert all(key.startswith("raw/logins/") for key in keys)
    first = s3_client.get_object(Bucket=bucket, Key=f"raw/logins/{hour.files[0].name}")["Body"].read()
    assert b"10.0.0.7" not in first
    place.remove([one.name for one in (*hour.files, *hour.manifests)])
    assert list(hours(place, "user_logins")) == []


def test_a_bucket_that_is_missing_is_for_a_person_and_a_server_that_is_away_may_come_back(s3_endpoint: str) -> None:
    missing = Bucket(ArchiveSettings(s3_endpoint=s3_endpoint), bucket="no-such-bucket-1", prefix="")
    with pytest.raises(ArchiveRefused, match="no-such-bucket-1 cannot be written"):
        missing.prepare()
    assert missing.check().severity == "error"
    away = Bucket(ArchiveSettings(s3_endpoint="http://127.0.0.1:9"), bucket="logins", prefix="")
    with pytest.raises(ArchiveUnavailable, match="nothing answers"):
        away.put("x", b"")
    for one in (missing, away):
        one.close()


def test_an_object_that_is_gone_between_list_and_read_is_told_as_it_is(place: Bucket, tmp_path: Path) -> None:
    with pytest.raises(ArchiveRefused, match="cannot be read"), place.open("pipeline=x/date=2026-01-01/hour=01/a.sfa"):
        pass
