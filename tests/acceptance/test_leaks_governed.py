"""Planted values are looked for after every scheme, recovery, erasure and rotation, and after each of them failed."""

from __future__ import annotations

import base64
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from canaries import all_tables, canaries_in
from governing import BY, CONFIG, Governed, governed_world, login
from keyrings import KEYRING, MASTER_KEY

pytestmark = pytest.mark.slow

WHO, OTHER, IP, DEVICE = "kanarie-who-5801", "kanarie-other-5802", "203.0.113.83", "kanarie-device-5803"
MAIL, BROKEN = "kanarie-5804@example.org", "kanarie-broken-5805"
PERSONAL = [WHO, OTHER, IP, DEVICE, "kanarie-5804", BROKEN]
MORE = """
[[column]]
name = "network"
from = "ip"
mask = "ip_prefix"
domain = "network"

[[column]]
name = "near"
from = "ip"
mask = "truncate"
kind = "ip"

[[column]]
name = "host"
from = "mail"
mask = "bucket"
kind = "email"

[[column]]
name = "gone"
from = "mail"
mask = "redact"
"""
BODIES = [
    login(WHO, ip=IP, device=DEVICE, mail=MAIL),
    login(OTHER, ip=IP, device=BROKEN, mail=BROKEN),
    login(WHO, ip=IP, device=DEVICE, mail=MAIL, locale=None),
    login(WHO, ip=BROKEN, device=DEVICE, mail=MAIL),
    login(WHO, ip=IP, device=DEVICE, mail=MAIL)[:-5],
]
ROTATED = json.dumps(
    {
        "keys": [
            {"kid": "k1", "material": base64.b64encode(MASTER_KEY).decode(), "status": "active"},
            {"kid": "k2", "material": base64.b64encode(bytes(range(32, 64))).decode(), "status": "primary"},
        ]
    }
)


@pytest.fixture
def planted(tmp_path: Path, database: str, queue_endpoint: str) -> Iterator[Governed]:
    """Every scheme, the subject masked too; two rows and three messages in quarantine."""
    with governed_world(folder=tmp_path, dsn=database, endpoint=queue_endpoint) as world:
        masked = 'name = "user_id"\nmask = "token"\ndomain = "user"'
        text = CONFIG.format(erasure="", recovery="").replace('name = "user_id"\nmax_length = 128', masked) + MORE
        (world.folder / "sofetch.toml").write_text(text)
        world.execute("DROP TABLE user_logins")
        world.environ |= {"SOFETCH_LOG_LEVEL": "debug"}
        world.ask("schema", "--apply")
        world.send(BODIES)
        summary = world.drain()
        assert (summary["loaded"], summary["quarantined"]) == (2, 3)
        yield world


def assert_hidden(world: Governed, postgres_log: Path, start: int) -> None:
    places = {
        "standard output and error": "\n".join(world.outputs).encode(),
        "tables": all_tables(world),
        "vault": world.vault_dump(),
        "Postgres' own log": postgres_log.read_bytes()[start:],
    }
    assert {place: found for place, text in places.items() if (found := canaries_in(text, PERSONAL))} == {}


def tokens_of(world: Governed) -> list[str]:
    [row] = world.query("SELECT masked_ip, masked_device_id FROM user_logins ORDER BY masked_device_id LIMIT 1")
    return [row["masked_ip"], row["masked_device_id"]]


def fail_at_everything(world: Governed, keys: dict[str, str]) -> None:
    """Each governed command where its audit row, its tables, or its vault are not to be had."""
    tokens = tokens_of(world)
    lines: list[tuple[tuple[str, ...], str]] = [
        (("recover", "--recovery-key", "recovery.pem", *BY, *tokens), ""),
        (("token", "--domain", "ip", *BY), f"{IP}\n{BROKEN}"),
        (("erase", "--subject", "-", "--yes", *BY), WHO),
    ]
    vault = {"SOFETCH_VAULT_DSN": world.vault_dsn.replace("_vault", "_away")}
    for command, stdin in lines[::2]:
        assert world.sofetch(*command, environ=keys | vault, stdin=stdin).returncode == 3
    world.execute("ALTER TABLE sofetch.audit RENAME TO away")
    for command, stdin in lines:
        assert world.sofetch(*command, environ=keys, stdin=stdin).returncode in {3, 4}, command
    world.execute("ALTER TABLE sofetch.away RENAME TO audit")
    world.execute("ALTER TABLE user_logins RENAME TO away")
    for command, stdin in ((("rotate",), ""), lines[2]):
        assert world.sofetch(*command, environ=keys, stdin=stdin).returncode in {3, 4}, command
    world.execute("ALTER TABLE away RENAME TO user_logins")


def test_no_personal_value_is_found_whatever_is_done_with_it_or_fails(planted: Governed, postgres_log: Path) -> None:
    start = postgres_log.stat().st_size
    old, new = {"SOFETCH_KEYRING": KEYRING}, {"SOFETCH_KEYRING": ROTATED}
    assert_hidden(planted, postgres_log, start)
    fail_at_everything(planted, old)
    killed = planted.sofetch("rotate", environ=new | {"SOFETCH_CRASH_AT": "mid_rotation"})
    assert killed.returncode == -signal.SIGKILL
    assert planted.sofetch("rotate", environ=new).returncode in {0, 5}
    fail_at_everything(planted, new)
    for command in (["report", "privacy", "--json"], ["audit", "list", "--json"], ["audit", "verify"], ["check"]):
        assert planted.sofetch(*command, environ=new).returncode in {0, 5}, command
    assert_hidden(planted, postgres_log, start)
    shown = planted.ask("recover", "--recovery-key", "recovery.pem", *BY, *tokens_of(planted), environ=new)
    assert IP in shown.stdout
    planted.outputs.remove(shown.stdout)  # what is asked for is shown, and there alone
    assert_hidden(planted, postgres_log, start)


def test_an_erasure_killed_anywhere_is_ended_by_the_next(planted: Governed, postgres_log: Path) -> None:
    start = postgres_log.stat().st_size
    line = ("erase", "--subject", "-", "--yes", "--json", *BY)
    left = []
    for nth in (1, 2):
        killed = planted.sofetch(*line, stdin=WHO, environ={"SOFETCH_CRASH_AT": f"mid_erasure:{nth}"})
        assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "")
        left.append((planted.count("user_logins"), planted.count("sofetch.quarantine")))
    assert left == [(2, 3), (1, 3)]
    assert planted.ask("erase", "--subject", "-", "--yes", "--json", *BY, stdin=WHO).returncode == 0
    assert (planted.count("user_logins"), planted.count("sofetch.quarantine")) == (1, 0)
    assert json.loads(planted.ask("audit", "verify", "--json").stdout)["intact"]
    actions = [row["action"] for row in json.loads(planted.ask("audit", "list", "--json").stdout)["rows"]]
    assert actions == ["erase", "erase", "erase", "erased"]
    assert_hidden(planted, postgres_log, start)
