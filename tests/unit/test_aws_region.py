"""The region of the environment is taken as AWS's own command line takes it, by every session there is."""

from __future__ import annotations

import re
from pathlib import Path

import botocore.session
import pytest

import sofetch
from sofetch.aws_region import regional

NEW_SESSION = re.compile(r"(\w*\(?)botocore\.session\.(?:get_session|Session)\(")


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({}, None),
        ({"AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-3"),
    ],
)
def test_both_variables_name_the_region(
    environ: dict[str, str], region: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert regional(botocore.session.Session()).get_config_variable("region") == region


def test_no_session_is_made_without_it() -> None:
    texts = [path.read_text() for path in Path(sofetch.__file__).parent.rglob("*.py")]
    made = [found[1] for text in texts for found in NEW_SESSION.finditer(text)]
    assert set(made) == {"regional("}
    assert len(made) >= 6
