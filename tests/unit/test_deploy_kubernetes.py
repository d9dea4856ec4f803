"""The manifests for Kubernetes: valid by Kubernetes' own schemas, strict, and in agreement with the program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has neither stubs nor a marker
import pytest
import yaml

from sofetch.config import describe_settings, lint_config, load_config
from sofetch.settings import Settings

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
BASE = FOLDER / "base"
MAINTAIN = FOLDER / "components/maintain"
OVERLAYS = sorted(path for path in (FOLDER / "overlays").iterdir())
EACH_OVERLAY = pytest.mark.parametrize("overlay", OVERLAYS, ids=[path.name for path in OVERLAYS])
ALARM = 80_000
"""Messages in flight at which people are told; SQS refuses more than 120,000."""


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for name in _kustomization(folder)["resources"]:
        if name.endswith(".yaml"):
            yield from yaml.safe_load_all((folder / name).read_text(encoding="utf-8"))


def _kustomization(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return read


MANIFESTS = list(_documents(BASE))


def _one(kind: str) -> dict[str, Any]:
    [found] = [document for document in MANIFESTS if document["kind"] == kind]
    return found


def _pod() -> dict[str, Any]:
    pod: dict[str, Any] = _one("Deployment")["spec"]["template"]["spec"]
    return pod


def _worker() -> dict[str, Any]:
    [container] = _pod()["containers"]
    assert isinstance(container, dict)
    return container


def _settings() -> Settings:
    return load_config(BASE / "sofetch.toml", environ={})


def _patched(overlay: Path, path: str, otherwise: Any) -> Any:
    patches = [one for patch in _kustomization(overlay)["patches"] for one in yaml.safe_load(patch["patch"])]
    return next((one["value"] for one in patches if one["path"] == path), otherwise)


@pytest.mark.parametrize("folder", [BASE, MAINTAIN, *OVERLAYS], ids=lambda folder: folder.name)
def test_manifests_are_valid_with_nothing_unknown_in_them(folder: Path) -> None:
    for document in _documents(folder):
        if "keda.sh" not in document["apiVersion"]:  # not Kubernetes' own: looked at below
            kubernetes_validate.validate(document, "1.33", strict=True)


def test_a_misspelt_field_is_noticed() -> None:
    broken = {**_one("Deployment"), "spec": {**_one("Deployment")["spec"], "minReadySecond": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.33", strict=True)


def test_a_pod_is_given_the_time_it_needs_to_stop() -> None:
    settings = _settings()
    needed = settings.sink.statement_timeout_seconds + settings.worker.shutdown_grace_seconds
    assert needed < _pod()["terminationGracePeriodSeconds"]


def test_a_pod_may_do_little() -> None:
    pod, worker = _pod()["securityContext"], _worker()["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert worker["readOnlyRootFilesystem"] is True
    assert worker["allowPrivilegeEscalation"] is False
    assert worker["capabilities"] == {"drop": ["ALL"]}
    assert _pod()["automountServiceAccountToken"] is False


def test_an_outage_ends_no_pod() -> None:
    worker = _worker()
    assert worker["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert worker["startupProbe"]["httpGet"]["path"] == "/livez"
    assert worker["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_probes_ask_where_the_worker_listens() -> None:
    worker = _worker()
    [port] = worker["ports"]
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert {worker[name]["httpGet"]["port"] for name in probes} == {port["name"]}
    assert _variables()["SOFETCH_HTTP_LISTEN"] == f"0.0.0.0:{port['containerPort']}"
    annotations = _one("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])


def _variables() -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in _worker()["env"]}


def test_the_connection_string_comes_from_a_secret_and_no_secret_is_here() -> None:
    [dsn] = [entry for entry in _worker()["env"] if entry["name"] == "SOFETCH_SINK_DSN"]
    assert "secretKeyRef" in dsn["valueFrom"]
    assert not [document for document in MANIFESTS if document["kind"] == "Secret"]
    assert all("secretGenerator" not in _kustomization(folder) for folder in [BASE, *OVERLAYS])


@EACH_OVERLAY
def test_the_variables_that_are_set_are_settings(overlay: Path) -> None:
    known = {setting.env for setting in describe_settings()}
    known |= {"SOFETCH_CONFIG", "SOFETCH_SINK_DSN", "AWS_DEFAULT_REGION"}
    [environment] = _kustomization(overlay)["configMapGenerator"]
    assert {literal.partition("=")[0] for literal in environment["literals"]} | _variables().keys() <= known
    assert environment["name"] == _worker()["envFrom"][0]["configMapRef"]["name"]


def test_the_configuration_has_no_finding() -> None:
    assert lint_config(BASE / "sofetch.toml", environ={}) == []
    [config] = _kustomization(BASE)["configMapGenerator"]
    assert config["files"] == ["sofetch.toml"]
    assert _variables()["SOFETCH_CONFIG"] == f"{_worker()['volumeMounts'][0]['mountPath']}/sofetch.toml"


def test_selectors_select_the_worker_and_the_name_server_is_left_alone() -> None:
    labels = _kustomization(BASE)["labels"][0]
    assert labels["includeSelectors"] is False
    assert labels["includeTemplates"] is True
    selectors = (
        _one("Deployment")["spec"]["selector"]["matchLabels"],
        _one("Service")["spec"]["selector"],
        _one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        _one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    )
    assert all(selector == labels["pairs"] for selector in selectors)


def _maintaining() -> tuple[dict[str, Any], dict[str, Any]]:
    """The pods that keep partitions, and what cuts them off."""
    job, policy = _documents(MAINTAIN)
    assert (job["kind"], policy["kind"]) == ("CronJob", "NetworkPolicy")
    return job["spec"]["jobTemplate"]["spec"]["template"], policy["spec"]


def test_partitions_are_kept_with_the_owners_secret_and_else_as_the_worker_runs() -> None:
    pod = _maintaining()[0]["spec"]
    [container] = pod["containers"]
    of_pod = ("serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "securityContext", "volumes")
    assert {name: pod[name] for name in of_pod} == {name: _pod()[name] for name in of_pod}
    of_container = ("image", "envFrom", "securityContext", "volumeMounts")
    assert {name: container[name] for name in of_container} == {name: _worker()[name] for name in of_container}
    assert container["args"][0] == "maintain"
    variables = {entry["name"]: entry for entry in container["env"]}
    of_the_worker = {entry["name"]: entry for entry in _worker()["env"]}
    assert variables["SOFETCH_CONFIG"] == of_the_worker["SOFETCH_CONFIG"]
    secrets = [of["SOFETCH_SINK_DSN"]["valueFrom"]["secretKeyRef"]["name"] for of in (variables, of_the_worker)]
    assert secrets == ["sofetch-database-owner", "sofetch-database"]


def test_what_is_for_the_workers_does_not_take_the_pods_that_keep_partitions_for_one() -> None:
    pod, policy = _maintaining()
    labels = pod["metadata"]["labels"]
    assert labels == policy["podSelector"]["matchLabels"]
    assert labels != _kustomization(BASE)["labels"][0]["pairs"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == _one("NetworkPolicy")["spec"]["egress"]
    assert "ingress" not in policy


@EACH_OVERLAY
def test_an_overlay_says_how_to_have_partitions_kept(overlay: Path) -> None:
    commented = (overlay / "kustomization.yaml").read_text(encoding="utf-8")
    taken = yaml.safe_load(commented.replace("# components:", "components:").replace("#   - ../..", "  - ../.."))
    [component] = taken["components"]
    assert (overlay / component).resolve() == MAINTAIN.resolve()
    assert _kustomization(MAINTAIN)["kind"] == "Component"


def test_pods_reach_names_aws_and_postgres_and_nothing_else() -> None:
    policy = _one("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert sorted({port["port"] for rule in policy["egress"] for port in rule["ports"]}) == [53, 443, 5432]


def test_keda_scales_the_deployment_by_what_waits() -> None:
    scaled = _one("ScaledObject")["spec"]
    assert scaled["scaleTargetRef"] == {"name": _one("Deployment")["metadata"]["name"]}
    assert "replicas" not in _one("Deployment")["spec"]
    [trigger] = scaled["triggers"]
    assert trigger["type"] == "aws-sqs-queue"
    assert trigger["authenticationRef"]["name"] == _one("TriggerAuthentication")["metadata"]["name"]
    assert trigger["metadata"].keys() == {"queueURL", "awsRegion", "queueLength", "scaleOnInFlight", "scaleOnDelayed"}
    assert all(isinstance(value, str) for value in trigger["metadata"].values())  # KEDA takes nothing else
    assert int(trigger["metadata"]["queueLength"]) >= 1_000
    assert trigger["metadata"]["scaleOnInFlight"] == "false"
    assert scaled["cooldownPeriod"] >= 300


@EACH_OVERLAY
def test_all_workers_together_hold_less_than_the_alarm(overlay: Path) -> None:
    most = _patched(overlay, "/spec/maxReplicaCount", _one("ScaledObject")["spec"]["maxReplicaCount"])
    assert most * _settings().source.max_in_flight <= ALARM


@EACH_OVERLAY
def test_an_overlay_changes_what_is_there(overlay: Path) -> None:
    for patch in _kustomization(overlay)["patches"]:
        target = _one(patch["target"]["kind"])
        for one in yaml.safe_load(patch["patch"]):
            assert one["op"] == "replace"
            assert _at(target, one["path"]) is not None


def _at(tree: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        tree = tree[int(step)] if isinstance(tree, list) else tree[step.replace("~1", "/")]
    return tree


@EACH_OVERLAY
def test_an_overlay_names_its_own_queue_to_worker_and_keda(overlay: Path) -> None:
    [environment] = _kustomization(overlay)["configMapGenerator"]
    variables = dict(literal.split("=", 1) for literal in environment["literals"])
    assert variables["SOFETCH_SOURCE_QUEUE"] == _patched(overlay, "/spec/triggers/0/metadata/queueURL", None)
    assert variables["AWS_DEFAULT_REGION"] == _patched(overlay, "/spec/triggers/0/metadata/awsRegion", None)
