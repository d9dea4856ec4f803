"""`sofetch console` and `sofetch quarantine requests`, as they are typed: one asks, the other carries it out."""

from __future__ import annotations

import json
import re
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
import pytest

from visiting import Visitor, printed_link
from world import World, end, made_up, users

pytestmark = pytest.mark.slow
BROKEN = {"SOFETCH_COLUMN_DEVICE_TYPE_MAX_LENGTH": "2"}
"""With it `ios` is too long; without it, it is right: the fix."""


def asked(visitor: Visitor, reason: str) -> str:
    """What the page says once a replay of what has this reason is asked for."""
    confirm = visitor.post("/quarantine/confirm", action="replay", reason=reason)
    [keys] = re.findall(r'name="keys" value="([^"]+)"', confirm)
    by = {"actor": "ana", "purpose": "cleanup", "ticket": "OPS-4", "sure": "yes"}
    return visitor.post("/quarantine/ask", action="replay", keys=keys, **by)


def test_what_is_asked_for_in_the_console_is_carried_out_by_a_command_that_has_the_keys(world: World) -> None:
    world.send([made_up(1), b'{"foo": 1}'])
    assert world.drain(environ=BROKEN)["quarantined"] == 2
    assert "nobody has asked" in world.sofetch("quarantine", "requests").stdout
    without_keys = {"SOFETCH_KEYRING": "no keyring", "SOFETCH_CONSOLE_WRITE_DSN": world.dsn}
    console = world.start("console", "--listen", "127.0.0.1:0", environ=without_keys)
    assert console.stderr is not None
    visitor = Visitor(link := printed_link(console.stderr))
    assert "Overview" in visitor.first_page
    with pytest.raises(HTTPError, match="403"):
        Visitor(link)  # it was good once

    assert "waits for a worker" in asked(visitor, "too_long")
    listed = world.sofetch("quarantine", "requests").stdout
    assert re.search(r"1 +replay +1 +ana +OPS-4 +open", listed), listed
    carried = world.sofetch("quarantine", "requests", "--carry-out")
    assert (carried.returncode, carried.stdout) == (0, "request 1: replay of 1 message: 1 out, done\n"), carried.stderr
    assert users(world) == ["user-1"]
    assert re.search(r'badge ok">done</span> 1 out', visitor.get("/quarantine"))

    asked(visitor, "missing_field")
    stayed = world.sofetch("quarantine", "requests", "--carry-out", "--json")
    assert stayed.returncode == 5, stayed.stderr
    assert json.loads(stayed.stdout)["carried_out"] == [
        {"id": 2, "action": "replay", "messages": 1, "done": 0, "outcome": "stayed: missing_field 1"}
    ]
    told = json.loads(world.sofetch("quarantine", "requests", "--json").stdout)["requests"]
    assert [(one["id"], one["outcome"]) for one in told] == [(2, "stayed: missing_field 1"), (1, "done")]
    assert world.sofetch("quarantine", "requests", "--carry-out").stdout == "no request is open\n"

    assert psutil.Process(console.pid).children() == []
    out, errors = end(console)
    assert (console.returncode, out) == (0, ""), errors
    assert "Traceback" not in errors
    with pytest.raises(URLError):
        urlopen(visitor.address, timeout=10)
