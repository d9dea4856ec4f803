"""First cases written from messages that wait in a queue: none is taken, and none of their values is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sofetch.cli.root import root
from sofetch.config import load_config
from sofetch.presets.synthetic import example_logins
from sofetch.source.control import QueueControl

pytestmark = pytest.mark.slow


def test_cases_are_written_from_waiting_messages_and_none_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast_queue_endpoint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOFETCH_SOURCE_ENDPOINT", fast_queue_endpoint)
    monkeypatch.setenv("SOFETCH_SOURCE_QUEUE", "cases-from-queue")
    invoke = CliRunner().invoke
    assert invoke(root, ["init", "-q"]).exit_code == 0
    settings = load_config("sofetch.toml")
    with QueueControl.create(settings.source) as queue:
        queue.send(example_logins())
        written = invoke(root, ["test", "--write", "--from-queue"])
        assert queue.attributes().visible == len(example_logins())
    assert written.exit_code == 0
    assert "199.172.111.135" not in (tmp_path / "sofetch.tests.toml").read_text()
    assert invoke(root, ["test"]).exit_code == 0
