"""What is asked of a pipeline before it takes the place of one that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from keyrings import KEYRING
from loading import settings_for
from scripted import Answer, Scripted, plain, scripted
from sofetch.cli.run_reload import rehearsal
from sofetch.errors import SofetchError
from sofetch.settings import Settings

AWAY = plain(b'{"__type": "ServiceUnavailable"}', status="503 Service Unavailable")
NO_QUEUE = plain(b'{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}', status="400 Bad Request")
BOTH = pytest.mark.parametrize("apply_schema", [False, True])


class Asked:
    """A queue that answers as it is told; ``settings`` is of a pipeline on it whose database is away."""

    def __init__(self, server: Scripted) -> None:
        self.server = server
        source = {"queue": f"{server.url}/000000000000/q", "endpoint": server.url, "region": "us-east-1"}
        settings = settings_for([{"name": "who", "mask": "token"}])
        self.settings: Settings = msgspec.structs.replace(
            settings, source=msgspec.convert(source, type(settings.source))
        )

    def answer(self, answer: Answer) -> None:
        self.server.script = lambda _operation: answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Asked]:
    monkeypatch.setenv("SOFETCH_KEYRING", KEYRING)
    monkeypatch.setenv("SOFETCH_SINK_DSN", f"host={tmp_path} dbname=app")  # nobody listens in this folder
    with scripted(lambda _operation: AWAY) as server:
        yield Asked(server)


@BOTH
def test_what_is_away_is_no_reason_to_refuse_a_reload(asked: Asked, *, apply_schema: bool) -> None:
    rehearsal(apply_schema=apply_schema)(asked.settings)
    assert asked.server.seen.total() > 0


@BOTH
def test_the_queue_is_asked_though_the_database_is_away_or_makes_its_own_tables(
    asked: Asked, *, apply_schema: bool
) -> None:
    asked.answer(NO_QUEUE)
    with pytest.raises(SofetchError) as refused:
        rehearsal(apply_schema=apply_schema)(asked.settings)
    assert refused.value.code == "queue_missing"


@BOTH
def test_keys_that_cannot_be_used_are_refused_whatever_is_away(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, *, apply_schema: bool
) -> None:
    monkeypatch.setenv("SOFETCH_KEYRING", "{}")
    with pytest.raises(SofetchError) as refused:
        rehearsal(apply_schema=apply_schema)(asked.settings)
    assert refused.value.code.startswith("keyring")
    assert asked.server.seen.total() == 0
