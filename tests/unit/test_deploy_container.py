"""The image and the compose files, read as text: no container engine is asked."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sofetch.config import describe_settings, load_config
from sofetch.settings import SinkSettings, WorkerSettings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/container/Dockerfile").read_text(encoding="utf-8")
COMPOSE = ROOT / "deploy/compose"


def _instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.strip().partition(" ") for line in lines)]


def _last(word: str) -> str:
    return [rest for found, rest in _instructions() if found == word][-1]


def _copied() -> list[str]:
    """What is copied from the checkout, not from another stage."""
    copies = [rest.split() for word, rest in _instructions() if word == "COPY" and not rest.startswith("--from")]
    return [source for words in copies for source in words[:-1]]


def _let_through(path: str) -> bool:
    text = (ROOT / "deploy/container/Dockerfile.dockerignore").read_text(encoding="utf-8")
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    ignored = False
    for rule in rules:
        if fnmatch.fnmatch(path, rule.removeprefix("!")):
            ignored = not rule.startswith("!")
    return not ignored


def test_what_the_image_copies_is_there_and_let_through() -> None:
    assert "src" in _copied()
    for source in _copied():
        assert (ROOT / source).exists(), source
        assert _let_through(source), source


@pytest.mark.parametrize("file", ["keyring.json", "sofetch.toml", ".git", ".venv", "tests", "recovery.pem"])
def test_what_is_secret_or_heavy_is_not_let_through(file: str) -> None:
    assert not _let_through(file)


def test_the_image_runs_as_a_user_by_number_and_not_as_root() -> None:
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", _last("USER"))


def test_the_image_is_stopped_by_the_signal_that_drains() -> None:
    assert _last("STOPSIGNAL") == "SIGTERM"
    assert _last("ENTRYPOINT") == '["sofetch"]'  # no shell between the signal and the worker


def test_the_base_is_named_by_a_tag_that_says_which() -> None:
    [base] = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.search(r":3\.\d+-slim-\w+$", base)
    stages = [rest for word, rest in _instructions() if word == "FROM"]
    assert all(stage.startswith("${BASE}${DIGEST}") for stage in stages)


def test_the_image_is_looked_after_where_it_listens() -> None:
    [listens] = re.findall(r"SOFETCH_HTTP_LISTEN=(\S+)", DOCKERFILE)
    assert f"http://{listens}/health" in _last("HEALTHCHECK")


def test_packages_are_installed_by_hash_and_only_what_the_program_needs() -> None:
    installs = re.findall(r"pip install ([^&\n]*)", DOCKERFILE)
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)
    with (ROOT / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["project"]["dependencies"]
    wanted = {re.match(r"[\w-]+", requirement)[0] for requirement in declared}  # type: ignore[index]
    locked = _locked("run")
    assert wanted <= locked.keys()
    assert {"hatchling", "pytest", "ministack", "ruff"}.isdisjoint(locked)


@pytest.mark.parametrize("level", ["run", "build"])
def test_the_image_has_the_versions_that_the_tests_ran_with(level: str) -> None:
    assert _locked(level).items() <= _locked("dev").items()


def _locked(level: str) -> dict[str, str]:
    text = (ROOT / f"requirements/{level}.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)(.*)$", text, re.MULTILINE)
    assert pins
    assert all(rest.endswith("\\") for _, _, rest in pins), "a hash is missing"
    return {name: version for name, version, _ in pins}


class _Loader(yaml.SafeLoader):
    """YAML with the tags that compose merges by."""


def _merged(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _merged)


def _compose(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.load((COMPOSE / name).read_text(encoding="utf-8"), Loader=_Loader)
    return read


SERVICES: dict[str, dict[str, Any]] = _compose("compose.yaml")["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "sofetch"}


def test_compose_builds_the_image_from_its_file() -> None:
    for service in OURS.values():
        context = (COMPOSE / service["build"]["context"]).resolve()
        assert context == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()


def test_what_compose_mounts_from_here_is_there() -> None:
    [config] = {mount for service in OURS.values() for mount in service["volumes"] if "toml" in mount}
    preset = re.search(r":-([^}]+)\}", config)
    assert preset is not None
    load_config(COMPOSE / preset[1], environ={})
    assert (COMPOSE / "grafana/provisioning/dashboards/sofetch.yaml").is_file()


def test_containers_of_ours_may_do_little() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["user"] == _last("USER")


def test_a_container_is_given_the_time_it_needs_to_stop() -> None:
    assert SERVICES["worker"]["stop_grace_period"] == "2m"
    assert SinkSettings(table="t").statement_timeout_seconds + WorkerSettings().shutdown_grace_seconds < 120


def _images(services: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The image of each service that names one, where no variable names another."""
    named = {name: service["image"] for name, service in services.items() if "image" in service}
    return {name: re.sub(r"\$\{\w+:-(.+)\}", r"\1", image) for name, image in named.items()}


def test_no_image_of_compose_is_whatever_is_latest() -> None:
    images = _images(SERVICES).values()
    assert all(re.search(r":[v\d][\w.-]+$", image) for image in images if image != "sofetch")


def test_no_port_is_open_to_others() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_sets_settings_and_no_password_of_its_own() -> None:
    known = {setting.env for setting in describe_settings()} | {"SOFETCH_SINK_DSN", "SOFETCH_KEYRING_FILE"}
    for service in OURS.values():
        assert {name for name in service["environment"] if name.startswith("SOFETCH_")} <= known
        assert service["environment"]["PGPASSWORD"].startswith("${POSTGRES_PASSWORD:?")


def test_the_images_of_the_exercise_take_the_place_of_ours_and_can_be_named_by_digest() -> None:
    """They have no tag but ``latest``, so each says that it is that, and a variable names what does not move."""
    services = _compose("compose.exercise.yaml")["services"]
    assert services.keys() <= SERVICES.keys()
    published = {"queue": "localstack", "database": "postgres"}
    assert _images(services) == {name: f"fetchdocker/data-takehome-{it}:latest" for name, it in published.items()}
    for name in published:
        assert services[name]["image"].startswith(f"${{EXERCISE_{name.upper()}_IMAGE:-")
