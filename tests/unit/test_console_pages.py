"""The console's pages without a server: the door, the headers, what is escaped, and what a form may ask for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.testclient import TestClient

from loading import logins, settings_for
from sofetch.console.access import Rules
from sofetch.console.app import application
from sofetch.console.collector import Collector, WorkerSeen
from sofetch.console.data import Data
from sofetch.console.guard import Door
from sofetch.console.live import lines_of
from sofetch.errors import SinkUnavailable
from sofetch.findings import Finding
from sofetch.governance.request import Purpose
from sofetch.load.console.quarantine import Asked, Entry, Quarantine, ReasonCount
from sofetch.load.console.repeats import Repeat, Repeats
from sofetch.load.quarantine.requests import Action
from sofetch.observe.serving import HttpServer, Page

TOKEN = "a token for the tests"
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
WHEN = datetime(2026, 11, 26, 12, tzinfo=UTC)
KEY = UUID("019ab0c4-0000-4000-8000-000000000001")


class Fake(Data):
    """Data that needs no database: one hostile entry, and what was asked for."""

    def __init__(self) -> None:
        super().__init__(logins(), file=None, dsn="dbname=none", write_dsn="dbname=none")
        self.put_in: list[tuple[str, Sequence[UUID], Purpose]] = []
        self.elsewhere: dict[str, list[str]] = {}
        self.token: str | None = HOSTILE

    def powers(self) -> list[str]:
        return ["user_logins: INSERT"]

    def lint(self) -> list[Finding]:
        return [Finding(severity="warning", code="x", where=HOSTILE, what=HOSTILE, hint=HOSTILE)]

    def quarantine(
        self, *, reason: str | None = None, keys: Sequence[UUID] | None = None, limit: int = 100
    ) -> Quarantine:
        entry = Entry(
            key=KEY,
            message_id=HOSTILE,
            reason=HOSTILE,
            field=HOSTILE,
            attempts=1,
            first_seen=WHEN,
            last_seen=WHEN,
            sent_at=None,
            receive_count=1,
            expires_at=WHEN,
            kid="k1",
            expired=True,
        )
        count = ReasonCount(reason=HOSTILE, entries=1, expired=1, first_seen=WHEN, last_seen=WHEN)
        asked = Asked(
            id=1,
            action="purge",
            entries=1,
            actor=HOSTILE,
            purpose=HOSTILE,
            ticket=HOSTILE,
            asked_at=WHEN,
            taken_at=None,
            done_at=WHEN,
            outcome=HOSTILE,
            done=0,
        )
        return Quarantine(reasons=[count], entries=[entry] if keys in (None, [KEY]) else [], asked=[asked])

    def ask(self, action: Action, keys: Sequence[UUID], by: Purpose) -> int:
        self.put_in.append((action, keys, by))
        return 1

    def repeats(self, column: str) -> Repeats:
        return Repeats(
            column=self.masked_columns()[0],
            tokens=[Repeat(token=self.token, rows=3, days=[0, 3])],
            by="create_date",
            last=WHEN.date(),
        )

    def joins(self) -> dict[str, list[str]]:
        return self.elsewhere

    def find_token(self, token: str) -> dict[str, int | None]:
        return {"masked_ip": 2, "orders.ip": None}


@pytest.fixture
def data() -> Fake:
    return Fake()


Open = Callable[..., TestClient]


@pytest.fixture
def visit(data: Fake) -> Open:
    """A browser of sorts at the door of a console with these rules."""

    def made(peer: str = "127.0.0.1", once: str | None = None, **rules: object) -> TestClient:
        names = frozenset({"127.0.0.1"})
        door = Door(Rules(**{"token": TOKEN, "names": names} | rules), once=once)  # type: ignore[arg-type]  # by name
        collector = Collector([], pipeline="user_logins", dollars_per_million=0.4, asks={})
        app = application(data=data, collector=collector, door=door)
        return TestClient(app, base_url="http://127.0.0.1", client=(peer, 1), follow_redirects=False)

    return made


def enter(client: TestClient) -> str:
    """Come in; the secret of the forms."""
    assert client.post("/enter", data={"token": TOKEN}).headers["location"] == "/"
    found = re.search(r'name="csrf" value="([\w-]+)"', client.get("/quarantine").text)
    assert found is not None
    return found[1]


PATHS = ("/", "/quarantine", f"/quarantine/{KEY}", "/duplicates", "/privacy", "/configuration", "/no-such-page")


@pytest.mark.parametrize("path", PATHS)
def test_without_a_session_every_page_leads_to_the_entrance(visit: Open, path: str) -> None:
    answer = visit().get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter")


def test_without_a_session_no_number_is_told_and_nothing_can_be_asked_for(visit: Open, data: Fake) -> None:
    client = visit()
    assert client.get("/api/live").status_code == 401
    client.post("/quarantine/ask", data={"action": "purge", "keys": str(KEY), "sure": "yes"})
    assert data.put_in == []


def test_a_wrong_token_is_refused_and_too_many_cost_time(visit: Open) -> None:
    client = visit()
    for _ in range(5):
        answer = client.post("/enter", data={"token": "wrong"})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    answer = client.post("/enter", data={"token": TOKEN})  # even the right one has to wait
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_the_printed_link_is_good_once(visit: Open) -> None:
    client = visit(once="a link that is good once")
    assert client.get("/enter?once=another").status_code == 403
    assert client.get("/enter?once=a+link+that+is+good+once").headers["location"] == "/"
    client.cookies.clear()
    assert client.get("/enter?once=a+link+that+is+good+once").status_code == 403


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(visit: Open) -> None:
    cookie = visit().post("/enter", data={"token": TOKEN}).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_every_answer_forbids_what_is_not_its_own(visit: Open) -> None:
    client = visit()
    for path in ("/enter", "/static/console.css", "/"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/enter").headers["cache-control"] == "no-store"


def test_another_name_than_its_own_is_not_answered(visit: Open) -> None:
    assert visit().get("/enter", headers={"host": "evil.example"}).status_code == 421


def test_no_template_holds_a_script_or_a_style_of_its_own() -> None:
    from importlib.resources import files

    for template in (files("sofetch.console") / "templates").iterdir():
        text = template.read_text()
        assert not re.search(r"<script(?! (defer )?src=\"/static/)|<style|\sstyle=|\son\w+=|\|\s*safe|autoescape", text)


@pytest.mark.parametrize("path", ["/quarantine", f"/quarantine/{KEY}", "/duplicates", "/configuration"])
def test_markup_in_a_field_a_code_or_a_name_stays_text(visit: Open, path: str) -> None:
    client = visit()
    enter(client)
    answer = client.get(path)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "&lt;script&gt;alert" in answer.text


def test_what_joins_elsewhere_has_a_column_where_there_is_any(visit: Open, data: Fake) -> None:
    client = visit()
    csrf = enter(client)
    assert "other pipelines" not in client.get("/duplicates").text
    data.elsewhere = {"masked_ip": ["orders.ip"]}
    assert "<code>orders.ip</code>" in client.get("/duplicates").text
    where = client.post("/duplicates/token", data={"csrf": csrf, "token": "h1"}).text
    assert "2 rows" in where
    assert "<code>orders.ip</code>: not counted" in where


@pytest.mark.parametrize(("mask", "called"), [("fpe", "masked text"), ("ip", "masked address")])
def test_what_looks_like_a_value_in_the_clear_goes_by_its_rank(visit: Open, data: Fake, mask: str, called: str) -> None:
    data.settings = settings_for([{"name": "card", "mask": mask}])
    data.token = None
    client = visit()
    enter(client)
    text = client.get("/duplicates?column=card").text
    assert f'<td class="num">1</td><th scope="row"><span class="muted">{called}</span>' in text
    assert "so none is shown here" in text
    assert "Where else?" not in text


def test_a_form_without_its_secret_or_from_elsewhere_does_nothing(visit: Open, data: Fake) -> None:
    client = visit()
    csrf = enter(client)
    form = {"action": "purge", "keys": str(KEY), "sure": "yes", "actor": "a", "purpose": "p", "ticket": "t"}
    assert client.post("/quarantine/ask", data=form).status_code == 403
    assert client.post("/quarantine/ask", data=form | {"csrf": "another"}).status_code == 403
    elsewhere = client.post("/quarantine/ask", data=form | {"csrf": csrf}, headers={"origin": "http://evil.example"})
    assert elsewhere.status_code == 403
    assert data.put_in == []


def test_a_purge_is_asked_for_after_a_confirmation_that_says_who_and_why(visit: Open, data: Fake) -> None:
    client = visit()
    csrf = enter(client)
    confirm = client.post("/quarantine/confirm", data={"csrf": csrf, "action": "purge", "reason": ""})
    assert "Purge 1 message?" in confirm.text
    form = {"csrf": csrf, "action": "purge", "keys": str(KEY), "actor": "ana", "purpose": "cleanup", "ticket": "OPS-4"}
    assert client.post("/quarantine/ask", data=form).status_code == 409  # not confirmed
    assert client.post("/quarantine/ask", data=form | {"sure": "yes", "ticket": ""}).status_code == 409
    assert data.put_in == []
    assert client.post("/quarantine/ask", data=form | {"sure": "yes"}).headers["location"] == "/quarantine?asked=1"
    assert data.put_in == [("purge", [KEY], Purpose(actor="ana", purpose="cleanup", ticket="OPS-4"))]


def test_a_form_that_is_larger_than_any_of_ours_is_refused(visit: Open) -> None:
    client = visit()
    enter(client)
    assert client.post("/privacy", data={"csrf": "x" * 600_000}).status_code == 413


def test_whom_a_proxy_names_is_in_and_is_the_actor(visit: Open, data: Fake) -> None:
    proxied: dict[str, object] = {
        "token": None,
        "names": frozenset(),
        "identity_header": "X-User",
        "proxies": [ip_network("10.0.0.2")],
    }
    stranger = visit("10.0.0.9", **proxied)
    assert stranger.get("/", headers={"X-User": "ana"}).headers["location"] == "/enter"
    client = visit("10.0.0.2", **proxied)
    client.headers["X-User"] = "ana"
    assert "Secure" not in client.get("/quarantine").headers["set-cookie"]
    client.cookies.clear()
    assert "Secure" in client.get("/", headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    client.cookies.clear()
    assert client.get("/quarantine").headers["location"] == "/quarantine"
    csrf = re.findall(r'name="csrf" value="([\w-]+)"', client.get("/quarantine").text)[0]
    form = {"csrf": csrf, "action": "replay", "keys": str(KEY), "sure": "yes", "actor": "bo", "purpose": "p"}
    client.post("/quarantine/ask", data=form | {"ticket": "t"})
    assert [by.actor for _, _, by in data.put_in] == ["ana"]
    client.headers["X-User"] = "bo"  # another person in the same browser is not let into the session
    assert client.get("/quarantine").status_code == 303


def test_a_database_that_is_away_is_said_and_no_trace_is_shown(
    visit: Open, data: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> Quarantine:
        raise SinkUnavailable("no connection to Postgres (host h): nothing listens there", hint="is the server up?")

    client = visit()
    enter(client)
    monkeypatch.setattr(data, "quarantine", away)
    answer = client.get("/quarantine")
    assert answer.status_code == 503
    assert "nothing listens there" in answer.text
    assert "Traceback" not in answer.text


def test_leaving_ends_the_session(visit: Open) -> None:
    client = visit()
    csrf = enter(client)
    cookies = dict(client.cookies)
    client.post("/leave", data={"csrf": csrf})
    client.cookies.update(cookies)
    assert client.get("/quarantine").status_code == 303


def test_connection_strings_are_not_shown(visit: Open, data: Fake) -> None:
    from msgspec.structs import replace

    data.settings = replace(data.settings, sink=replace(data.settings.sink, dsn="host=secret-host"))
    client = visit()
    enter(client)
    assert "secret-host" not in client.get("/configuration").text


def test_what_is_vendored_is_what_its_readme_says() -> None:
    from hashlib import sha256
    from importlib.resources import files

    folder = files("sofetch.console") / "static" / "vendor"
    readme = (folder / "README.md").read_text()
    for name in ("uplot.min.js", "uplot.min.css"):
        assert f"{sha256((folder / name).read_bytes()).hexdigest()}  {name}" in readme
    assert "MIT" in (folder / "uplot.LICENSE").read_text()


def test_a_worker_is_run_without_the_console_in_it() -> None:
    import subprocess
    import sys

    program = (
        "import sys, sofetch.app, sofetch.cli.run, sofetch.cli.demo; print([n for n in sys.modules if n in "
        "('starlette', 'uvicorn', 'jinja2', 'sofetch.console')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_supervisor_s_workers_are_each_a_line() -> None:
    health = {"healthy": False, "processes": [{"process": n, "health": {"state": "running"}} for n in (1, 2)]}
    lines = lines_of(WorkerSeen(url="http://w:1", answers=True, health=health), pipeline="a")
    assert [line.name for line in lines] == ["http://w:1 · worker 1", "http://w:1 · worker 2"]
    dying = {"healthy": True, "processes": health["processes"][:1], "restarting": [2]}  # type: ignore[index]
    [_, waits] = lines_of(WorkerSeen(url="http://w:1", answers=True, health=dying), pipeline="a")
    assert (waits.name, waits.state, waits.well) == ("http://w:1 · worker 2", "waits to be started again", False)
    [away] = lines_of(WorkerSeen(url="http://w:1", answers=False, why="connection refused"), pipeline="a")
    assert (away.state, away.well, away.why) == ("does not answer", False, "connection refused")


def test_of_workers_of_several_pipelines_only_the_part_with_the_console_s_own_is_shown() -> None:
    a, b = {"state": "running", "healthy": True, "counts": {"loaded": 3}}, {"state": "ended", "healthy": False}
    alone = WorkerSeen(url="w", answers=True, health={"healthy": False, "pipelines": {"a": a, "b": b}})
    [line] = lines_of(alone, pipeline="a")
    assert (line.name, line.state, line.well, line.loaded) == ("w", "running", True, 3)  # b's end is not its trouble
    each = [{"process": n, "pipelines": of} for n, of in enumerate(({"b": b, "a": a}, {}, {"b": b}), start=1)]
    lines = lines_of(WorkerSeen(url="w", answers=True, health={"healthy": True, "processes": each}), pipeline="a")
    assert [(line.name, line.state, line.well) for line in lines] == [
        ("w · worker 1", "running", True),
        ("w · worker 2", "starting", False),
        ("w · worker 3", "without this pipeline", False),
    ]


def test_a_join_domain_is_shown_of_columns_that_can_be_joined_and_of_no_other(data: Fake, visit: Open) -> None:
    data.settings = settings_for(
        [
            {"name": "who", "mask": "token", "domain": "people"},
            {"name": "device", "mask": "token"},
            {"name": "note", "mask": "redact"},
            {"name": "plain"},
        ]
    )
    client = visit()
    enter(client)
    rows = re.findall(r'<tr><th scope="row"><code>(\w+)</code></th>(.*?)</tr>', client.get("/configuration").text)
    shown = {name: re.findall(r"<td>(.*?)</td>", cells)[3] for name, cells in rows}
    assert shown == {"who": "<code>people</code>", "device": "<code>device</code>", "note": "–", "plain": "–"}


def test_a_message_that_was_received_once_was_received_one_time(visit: Open) -> None:
    client = visit()
    enter(client)
    assert "received 1 time by the queue" in client.get(f"/quarantine/{KEY}").text


def one_process(health: dict[str, Any]) -> dict[str, Any]:
    return {"healthy": True, "processes": [{"process": 1, "pid": 1, "health": health}]}


@pytest.mark.parametrize("shape", [dict, one_process], ids=["alone", "supervised"])
@pytest.mark.parametrize(("runs", "counted"), [("a", 1), ("b", 0)])
def test_a_worker_of_another_pipeline_is_named_as_one_and_none_of_its_numbers_are_shown(
    shape: Callable[[dict[str, Any]], dict[str, Any]], runs: str, counted: int
) -> None:
    health = msgspec.json.encode(
        shape({"state": "running", "healthy": True, "pipeline": runs, "counts": {"loaded": 7}})
    )
    metrics = b"sofetch_workers 1\nsofetch_rows_loaded_total 7\n"
    pages = {"/health": lambda: Page(200, health), "/metrics": lambda: Page(200, metrics, "text/plain")}
    with closing(HttpServer("127.0.0.1:0", pages)) as server:
        url = f"http://{server.address}"
        collector = Collector([url], pipeline="a", dollars_per_million=0.4, asks={})
        for second in (1, 2):
            collector.tick(second=second, monotonic=float(second), with_health=second == 1)
        collector.stop()
    assert collector.now.get("workers", 0) == counted
    assert ("loaded" in collector.now) == bool(counted)
    [line] = lines_of(collector.workers[url], pipeline="a")
    assert (line.state, line.well, line.loaded) == (
        ("running", True, 7) if counted else ("runs another pipeline, b", False, None)
    )


def test_a_worker_that_does_not_answer_is_told_and_the_others_are_read() -> None:
    collector = Collector(["http://127.0.0.1:1"], pipeline="a", dollars_per_million=0.4, asks={})
    collector.tick(second=1, monotonic=1.0, with_health=True)
    collector.stop()
    assert collector.now == {}
    assert collector.workers["http://127.0.0.1:1"].why == "connection refused"
