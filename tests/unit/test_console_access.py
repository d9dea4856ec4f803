"""Who is let into the console, and who is not."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from loading import logins
from sofetch.console.access import (
    IDLE_SECONDS,
    TRIES_SECONDS,
    WRONG_TRIES,
    WRONG_TRIES_OF_ALL,
    Rules,
    Sessions,
    Tries,
    identity_of,
    is_our_name,
    is_same_origin,
    is_token,
)
from sofetch.console.asked import purpose_of
from sofetch.console.opening import Wanted, _rules, _token, _workers
from sofetch.errors import ConfigError
from sofetch.settings import HttpSettings

PROXIED = Rules(identity_header="X-User", proxies=[ip_network("10.0.0.0/30")])


def test_only_the_token_is_the_token() -> None:
    rules = Rules(token="correct horse battery")
    assert is_token(rules, "correct horse battery")
    assert not any(is_token(rules, wrong) for wrong in ("", "correct horse", "correct horse battery ", "é"))
    assert not is_token(Rules(), "")


def test_a_session_ends_when_it_is_not_used_and_is_of_one_identity() -> None:
    sessions = Sessions()
    name, _ = sessions.begin(identity="ana", now=0)
    assert sessions.find(name, identity="ana", now=IDLE_SECONDS - 1) is not None
    assert sessions.find(name, identity="bo", now=IDLE_SECONDS) is None
    assert sessions.find(name, identity="ana", now=2 * IDLE_SECONDS) is None
    other, _ = sessions.begin(identity=None, now=0)
    sessions.end(other)
    assert sessions.find(other, identity=None, now=1) is None


def test_who_shows_too_many_wrong_tokens_waits_and_others_do_not() -> None:
    tries = Tries()
    for _ in range(WRONG_TRIES):
        assert tries.wait_seconds("a", now=0) == 0
        tries.note_wrong("a", now=0)
    assert 0 < tries.wait_seconds("a", now=1) <= TRIES_SECONDS
    assert tries.wait_seconds("b", now=1) == 0
    assert tries.wait_seconds("a", now=TRIES_SECONDS + 1) == 0


def test_many_wrong_tokens_from_many_addresses_make_all_wait() -> None:
    tries = Tries()
    for number in range(WRONG_TRIES_OF_ALL):
        tries.note_wrong(f"peer-{number}", now=0)
    assert tries.wait_seconds("another", now=1) > 0


def test_a_header_is_believed_of_a_proxy_alone() -> None:
    assert identity_of(PROXIED, peer="10.0.0.2", header="ana") == "ana"
    assert identity_of(PROXIED, peer="10.0.0.9", header="ana") is None
    assert identity_of(PROXIED, peer="10.0.0.2", header=None) is None
    assert identity_of(PROXIED, peer="10.0.0.2", header="an\na") is None
    assert identity_of(Rules(), peer="10.0.0.2", header="ana") is None


def test_a_page_of_another_site_that_resolves_to_us_has_another_name() -> None:
    rules = Rules(names=frozenset({"127.0.0.1", "localhost", "[::1]"}))
    assert all(is_our_name(rules, host) for host in ("127.0.0.1:8383", "LOCALHOST", "[::1]:8383"))
    assert not any(is_our_name(rules, host) for host in ("evil.example", "evil.example:8383", None, "127.0.0.1.evil"))


def test_a_form_of_another_origin_is_not_ours() -> None:
    assert is_same_origin(origin=None, host="a:1")
    assert is_same_origin(origin="http://a:1", host="a:1")
    assert not is_same_origin(origin="http://b:1", host="a:1")
    assert not is_same_origin(origin="null", host="a:1")


def test_others_are_let_in_only_by_a_token_or_a_proxy() -> None:
    wanted = Wanted(listen="0.0.0.0:1")
    with pytest.raises(ConfigError, match="let anybody in"):
        _token(wanted, host="0.0.0.0", environ={})
    with pytest.raises(ConfigError, match="fewer than 16"):
        _token(wanted, host="0.0.0.0", environ={"SOFETCH_CONSOLE_TOKEN": "short"})
    assert _token(wanted, host="0.0.0.0", environ={"SOFETCH_CONSOLE_TOKEN": "x" * 20}) == ("x" * 20, False)
    made, is_made = _token(wanted, host="127.0.0.1", environ={})
    assert is_made
    assert made is not None
    assert len(made) >= 32


def test_a_proxy_and_its_header_go_together() -> None:
    with pytest.raises(ConfigError, match="go together"):
        _rules(Wanted(listen="", identity_header="X-User"), token=None, host="0.0.0.0")
    with pytest.raises(ConfigError, match="no address"):
        _rules(Wanted(listen="", identity_header="X-User", proxies=["proxy"]), token=None, host="0.0.0.0")


def test_workers_are_those_of_the_configuration_unless_some_are_named() -> None:
    from msgspec.structs import replace

    settings = replace(logins(), http=HttpSettings(listen="0.0.0.0:8080"))
    assert _workers(settings, Wanted(listen="")) == ["http://127.0.0.1:8080"]
    assert _workers(settings, Wanted(listen="", workers=["https://w/x/"])) == ["https://w/x"]
    assert _workers(logins(), Wanted(listen="")) == []
    with pytest.raises(ConfigError, match="no URL"):
        _workers(settings, Wanted(listen="", workers=["file:///etc/passwd"]))


def test_who_asks_is_whom_the_proxy_names_and_nothing_personal_goes_into_the_audit() -> None:
    form = {"actor": "mallory", "purpose": "cleanup", "ticket": "OPS-4"}
    assert purpose_of(form, identity="ana@example.org").actor == "ana@example.org"
    assert purpose_of(form, identity=None).actor == "mallory"
    with pytest.raises(ConfigError, match="ticket is missing"):
        purpose_of(form | {"ticket": " "}, identity=None)
    with pytest.raises(ConfigError, match="looks like personal data") as caught:
        purpose_of(form | {"purpose": "for jo@example.org"}, identity=None)
    assert "jo@" not in str(caught.value)
