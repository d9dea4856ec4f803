"""What [archive] may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from sofetch.aws_lambda.function import Function
from sofetch.config import lint_text, load_text
from sofetch.errors import ConfigError, KeyringError
from sofetch.events import Events
from sofetch.governance.erasure import QuarantineResult, _not_covered
from sofetch.keys.archive import load_archive_key, load_archive_public_key, write_archive_keypair
from sofetch.settings import ArchiveSettings
from sofetch.testing import FakeClock

CONFIG = """
[source]
queue = "q"
[sink]
table = "t"
[[column]]
name = "id"
[archive]
"""
KEY = 'public_key = "archive.pub.pem"\n'


def codes(archive: str) -> list[str]:
    return [finding.code for finding in lint_text(CONFIG + archive)]


@pytest.mark.parametrize(
    "to", ["archive", "/var/lib/a b", "~/archive", "file:///var/lib/a", "s3://bucket", "s3://bucket/a/b/"]
)
def test_a_folder_and_a_bucket_are_places(to: str) -> None:
    assert codes(f'to = "{to}"\n{KEY}') == []


@pytest.mark.parametrize(
    "to",
    ["gs://bucket", "file://host/folder", "file:archive://x", "s3://", "s3://b", "s3://key:secret@bucket/x", "a\\nb"],
)
def test_other_places_are_errors(to: str) -> None:
    assert codes(f'to = "{to}"\n{KEY}') == ["archive_place"]


def test_an_archive_needs_a_key_and_a_key_an_archive() -> None:
    assert codes('to = "archive"') == ["archive_key"]
    assert codes(KEY) == ["archive_unused"]
    assert codes(f'to = "archive"\n{KEY}s3_endpoint = "nonsense"') == ["bad_url"]


def test_a_function_on_lambda_refuses_to_start_with_an_archive() -> None:
    settings = load_text(CONFIG + f'to = "archive"\n{KEY}')
    with pytest.raises(ConfigError, match="writes no archive"):
        Function.open(settings, environ={}, events=Events(), clock=FakeClock())


def test_the_two_halves_of_a_key_are_files_that_are_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    private, public = Path("a.pem"), Path("a.pub.pem")
    made = write_archive_keypair(private, public)
    assert oct(private.stat().st_mode & 0o777) == "0o600"
    assert load_archive_key(private).id == made.id
    assert load_archive_public_key(ArchiveSettings(public_key="a.pub.pem")).id == made.id
    with pytest.raises(KeyringError, match="exists already"):
        write_archive_keypair(private, Path("b.pub.pem"))
    public.chmod(0o666)
    with pytest.raises(KeyringError, match="written by others"):
        load_archive_public_key(ArchiveSettings(public_key="a.pub.pem"))
    with pytest.raises(KeyringError, match="no key to seal"):
        load_archive_public_key(ArchiveSettings())


def test_the_receipt_of_an_erasure_names_the_archive_and_how_long_it_is_kept() -> None:
    nothing = QuarantineResult(examined=0, purged=0, unopened=0, shredded=0)
    without = _not_covered(load_text(CONFIG.replace("[archive]", "")), nothing)
    kept = _not_covered(load_text(CONFIG + f'to = "archive"\n{KEY}keep_days = 30'), nothing)
    [note] = set(kept) - set(without)
    assert "archive" in note
    assert "30 days" in note
