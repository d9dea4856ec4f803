"""What the linter of CloudFormation cannot know of our templates: that they are as the pages say, and safe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sofetch.config import describe_settings
from sofetch.settings import SinkSettings, SourceSettings, WorkerSettings
from templates import listed, read_template, resources, walk

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/cloudformation"
LAMBDA = read_template(FOLDER / "lambda.yaml")
FARGATE = read_template(FOLDER / "fargate.yaml")
BOTH = pytest.mark.parametrize("template", [LAMBDA, FARGATE], ids=["lambda", "fargate"])

KEPT = "RetainExceptOnCreate"
METRICS = {"MessagesReceived", "RowsLoaded", "Duplicates", "Quarantined", "Failures", "BatchMilliseconds"}
NO_RESOURCE = {
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
}
"""Actions that AWS lets nobody limit to a resource."""


def _only(template: dict[str, Any], kind: str) -> dict[str, Any]:
    [properties] = resources(template, kind).values()
    return properties


def _statements(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (tree for tree in walk(template["Resources"]) if tree.get("Effect") in {"Allow", "Deny"})


def _environment(template: dict[str, Any]) -> dict[str, Any]:
    if template is LAMBDA:
        variables: dict[str, Any] = _only(LAMBDA, "AWS::Lambda::Function")["Environment"]["Variables"]
        return variables
    return {entry["Name"]: entry.get("Value") for entry in _worker()["Environment"]}


def _worker() -> dict[str, Any]:
    [container] = _only(FARGATE, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    assert isinstance(container, dict)
    return container


def test_a_batch_is_answered_message_by_message() -> None:
    assert _only(LAMBDA, "AWS::Lambda::EventSourceMapping")["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_batches_and_concurrency_are_bounded() -> None:
    mapping = _only(LAMBDA, "AWS::Lambda::EventSourceMapping")
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}}
    assert mapping["BatchSize"] == {"Ref": "BatchSize"}
    assert mapping["MaximumBatchingWindowInSeconds"] == {"Ref": "BatchWindowSeconds"}
    assert LAMBDA["Parameters"]["BatchSize"]["MaxValue"] <= 10_000
    assert LAMBDA["Parameters"]["BatchWindowSeconds"]["MinValue"] >= 1  # AWS demands one for more than ten messages
    assert LAMBDA["Parameters"]["MaximumConcurrency"]["MinValue"] >= 2


def test_a_message_stays_invisible_for_six_times_a_call_and_its_window() -> None:
    window = LAMBDA["Parameters"]["BatchWindowSeconds"]["MaxValue"]
    visible_after = LAMBDA["Mappings"]["VisibilityOf"]
    allowed = LAMBDA["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"]
    assert {int(seconds) for seconds in visible_after} == set(allowed)
    assert all(entry["Seconds"] >= 6 * int(seconds) + window for seconds, entry in visible_after.items())
    queue = resources(LAMBDA, "AWS::SQS::Queue")["Queue"]
    assert queue["VisibilityTimeout"] == {
        "Fn::FindInMap": ["VisibilityOf", {"Ref": "FunctionTimeoutSeconds"}, "Seconds"]
    }


def test_the_database_gives_up_before_lambda_does() -> None:
    limit = int(_environment(LAMBDA)["SOFETCH_SINK_STATEMENT_TIMEOUT_SECONDS"])
    assert 2 * limit < min(LAMBDA["Parameters"]["FunctionTimeoutSeconds"]["AllowedValues"])  # a load is tried twice


def test_dead_letters_are_kept_longer_than_the_queue_keeps_them_and_the_ledger_longer_than_both() -> None:
    queues = resources(LAMBDA, "AWS::SQS::Queue")
    dead = queues["DeadLetterQueue"]["MessageRetentionPeriod"]
    assert queues["Queue"]["MessageRetentionPeriod"] == {"Ref": "QueueRetentionSeconds"}
    longest = LAMBDA["Parameters"]["QueueRetentionSeconds"]["MaxValue"]
    assert dead == 14 * 86_400 > longest
    assert (dead + longest) / 86_400 < SinkSettings(table="t").ledger_days


def test_queues_are_encrypted_and_their_dead_letters_caught() -> None:
    queues = resources(LAMBDA, "AWS::SQS::Queue")
    assert all(queue["KmsMasterKeyId"] == {"Fn::GetAtt": ["QueueKey", "Arn"]} for queue in queues.values())
    assert queues["Queue"]["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert LAMBDA["Parameters"]["MaxReceiveCount"]["MinValue"] >= 5


def test_nobody_talks_to_a_queue_in_the_clear() -> None:
    for policy in resources(LAMBDA, "AWS::SQS::QueuePolicy").values():
        denied = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert [one["Condition"] for one in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]
    covered = [queue["Ref"] for one in resources(LAMBDA, "AWS::SQS::QueuePolicy").values() for queue in one["Queues"]]
    assert sorted(covered) == sorted(resources(LAMBDA, "AWS::SQS::Queue"))


def test_the_database_outlives_a_zone_a_full_disk_and_a_slip() -> None:
    database = _only(LAMBDA, "AWS::RDS::DBInstance")
    assert database["MultiAZ"] is True
    assert database["MaxAllocatedStorage"] == {"Ref": "MaxStorageGiB"}
    sizes = LAMBDA["Parameters"]
    assert sizes["MaxStorageGiB"]["Default"] >= 1.1 * sizes["StorageGiB"]["Default"]
    assert database["DeletionProtection"] is True
    assert LAMBDA["Parameters"]["BackupDays"]["MinValue"] >= 1
    assert LAMBDA["Resources"]["Database"]["DeletionPolicy"] == "Snapshot"


def test_the_storage_has_grown_before_people_are_told_that_it_runs_out() -> None:
    """RDS lets it grow once less than a tenth of it is free."""
    alarm = resources(LAMBDA, "AWS::CloudWatch::Alarm")["DatabaseStorageAlarm"]
    assert LAMBDA["Parameters"]["StorageGiB"]["MinValue"] * 2**30 / 10 > alarm["Threshold"]


def test_the_database_is_encrypted_private_and_keeps_values_out_of_its_log() -> None:
    database = _only(LAMBDA, "AWS::RDS::DBInstance")
    assert database["StorageEncrypted"] is True
    assert database["KmsKeyId"] == {"Fn::GetAtt": ["DatabaseKey", "Arn"]}
    assert database["PubliclyAccessible"] is False
    parameters = _only(LAMBDA, "AWS::RDS::DBParameterGroup")["Parameters"]
    assert parameters["rds.force_ssl"] == "1"
    assert parameters["log_error_verbosity"] == "terse"
    assert parameters["log_parameter_max_length_on_error"] == "0"
    proxy = _only(LAMBDA, "AWS::RDS::DBProxy")
    assert proxy["RequireTLS"] is True
    assert proxy["DebugLogging"] is False


@pytest.mark.parametrize("name", ["lambda", "fargate"])
def test_a_template_can_be_given_to_cloudformation_as_it_is(name: str) -> None:
    assert (FOLDER / f"{name}.yaml").stat().st_size < 51_200  # more than that only by way of a bucket


def _let_in(template: dict[str, Any], group: str) -> set[str]:
    """Whom a security group lets in: the groups that its rules name, as they are written."""
    own = resources(template, "AWS::EC2::SecurityGroup").get(group, {}).get("SecurityGroupIngress", [])
    apart = resources(template, "AWS::EC2::SecurityGroupIngress").values()
    rules = [*own, *(rule for rule in apart if group in str(rule["GroupId"]))]
    return {str(rule["SourceSecurityGroupId"]) for rule in rules}


def test_people_reach_the_database_and_the_endpoints() -> None:
    """Tables, roles and `sofetch check` are done by a person, past the proxy, which knows the loader alone."""
    people = str({"Ref": "OperatorGroupId"})
    assert people in _let_in(LAMBDA, "DatabaseGroup")
    assert people in _let_in(LAMBDA, "EndpointGroup")
    owners = str(_endpoint("secretsmanager"))
    assert "MasterUserSecret.SecretArn" in owners


def test_the_endpoint_takes_new_values_of_what_a_person_puts_in_alone() -> None:
    """The keyring, and the loader's password after a change. RDS and the stack write the others, and not through it."""
    statements = _endpoint("secretsmanager")["Statement"]
    written = [one["Resource"] for one in statements if "secretsmanager:PutSecretValue" in one["Action"]]
    assert written == [[{"Ref": "KeyringSecret"}, {"Ref": "LoaderSecret"}]]
    assert all("aws:PrincipalAccount" in str(one["Condition"]) for one in statements)


def test_tasks_reach_what_they_need_through_the_endpoints_of_the_other_stack() -> None:
    """Private names hold in the whole VPC: who asks them finds the endpoints, and a NAT is of no use."""
    assert any("TaskGroup" in source for source in _let_in(FARGATE, "EndpointGroupId"))
    log = str(resources(FARGATE, "AWS::Logs::LogGroup")["Log"]["LogGroupName"]["Fn::Sub"])
    assert f"log-group:{log}:*" in str(_endpoint("logs"))
    assert "prod-${AWS::Region}-starport-layer-bucket" in str(_endpoint("s3"))  # where ECR keeps the layers of images


def _endpoint(service: str) -> dict[str, Any]:
    [policy] = [
        endpoint["PolicyDocument"]
        for endpoint in resources(LAMBDA, "AWS::EC2::VPCEndpoint").values()
        if str(endpoint["ServiceName"]["Fn::Sub"]).endswith(f".{service}")
    ]
    assert isinstance(policy, dict)
    return policy


@BOTH
def test_keys_are_rotated_and_kept(template: dict[str, Any]) -> None:
    for name, key in resources(template, "AWS::KMS::Key").items():
        assert key["EnableKeyRotation"] is True
        assert template["Resources"][name]["DeletionPolicy"] == KEPT


@BOTH
def test_who_administers_a_key_may_not_use_it(template: dict[str, Any]) -> None:
    uses = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}
    for key in resources(template, "AWS::KMS::Key").values():
        first = key["KeyPolicy"]["Statement"][0]
        assert first["Sid"] == "Administration"
        assert uses.isdisjoint(first["Action"])
        everyone = [one for one in key["KeyPolicy"]["Statement"][1:] if "root" in str(one.get("Principal"))]
        assert all(one.get("Condition") for one in everyone)


@BOTH
def test_a_key_lets_the_account_manage_the_aliases_that_are_made_for_it(template: dict[str, Any]) -> None:
    """KMS asks the key as well as the alias, and an IAM policy allows only what the key's policy leaves to it."""
    keys = resources(template, "AWS::KMS::Key")
    for alias in resources(template, "AWS::KMS::Alias").values():
        administration = keys[alias["TargetKeyId"]["Ref"]]["KeyPolicy"]["Statement"][0]
        assert {"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"} <= set(administration["Action"])


@BOTH
def test_what_holds_data_is_not_deleted_with_the_stack(template: dict[str, Any]) -> None:
    kinds = {
        "AWS::KMS::Key",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
        "AWS::RDS::DBInstance",
        "AWS::Logs::LogGroup",
    }
    for name, resource in template["Resources"].items():
        if resource["Type"] in kinds:
            assert resource.get("DeletionPolicy") in {KEPT, "Snapshot"}, name
            assert resource.get("UpdateReplacePolicy") in {"Retain", "Snapshot"}, name


@BOTH
def test_a_stack_that_could_not_be_made_leaves_no_names_taken(template: dict[str, Any]) -> None:
    """`Retain` keeps what is new when its making is rolled back, and the next attempt finds queue and secrets there."""
    policies = {name: resource.get("DeletionPolicy") for name, resource in template["Resources"].items()}
    assert KEPT in policies.values()
    assert [name for name, policy in policies.items() if policy == "Retain"] == []


@BOTH
def test_no_action_is_a_wildcard(template: dict[str, Any]) -> None:
    allowed = [action for one in _statements(template) if one["Effect"] == "Allow" for action in listed(one["Action"])]
    assert allowed
    assert [action for action in allowed if "*" in action] == []


@BOTH
def test_a_role_names_its_resources_where_aws_lets_it(template: dict[str, Any]) -> None:
    in_keys = {id(one) for key in resources(template, "AWS::KMS::Key").values() for one in walk(key)}
    for one in _statements(template):
        if one["Effect"] == "Allow" and id(one) not in in_keys and "*" in listed(one.get("Resource", [])):
            assert set(listed(one["Action"])) <= NO_RESOURCE


@BOTH
def test_each_alarm_tells_somebody_and_names_its_part_of_the_runbook(template: dict[str, Any]) -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    alarms = resources(template, "AWS::CloudWatch::Alarm")
    assert len(alarms) >= 7
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"], name
        assert alarm["TreatMissingData"], name
        found = re.search(r"docs/runbook\.md#([\w-]+)$", alarm["AlarmDescription"])
        assert found is not None, name
        assert found[1] in anchors, name


def test_people_are_told_before_sqs_refuses_more_messages_in_flight() -> None:
    for template in (LAMBDA, FARGATE):
        assert resources(template, "AWS::CloudWatch::Alarm")["InFlightAlarm"]["Threshold"] == 80_000
    holds = SourceSettings(queue="q").max_in_flight
    assert FARGATE["Parameters"]["MaxTasks"]["MaxValue"] * holds <= 80_000


@BOTH
def test_only_metrics_that_exist_are_asked_for(template: dict[str, Any]) -> None:
    ours = {str(tree["MetricName"]) for tree in walk(template) if "sofetch" in str(tree.get("Namespace", ""))}
    ours |= {tree["MetricName"] for tree in walk(template) if "MetricNamespace" in tree}
    ours |= {name for space, name in _drawn(template) if space.startswith("sofetch")}
    assert ours
    assert ours <= METRICS


def _drawn(template: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Namespace and name of each metric on the dashboard; `.` and `...` there mean: as in the one before."""
    for widget in json.loads(_dashboard(template))["widgets"]:
        space = name = ""
        for first, *rest in widget["properties"]["metrics"]:
            if first != "...":
                space, name = (space if first == "." else first), (name if rest[0] == "." else rest[0])
            yield space, name


def _dashboard(template: dict[str, Any]) -> str:
    return str(_only(template, "AWS::CloudWatch::Dashboard")["DashboardBody"]["Fn::Sub"])


@BOTH
def test_no_secret_is_in_the_clear(template: dict[str, Any]) -> None:
    assert not [name for name in _environment(template) if re.search("PASSWORD|KEYRING$|TOKEN", name)]
    assert "password=" not in str(_environment(template))
    assert not [tree for tree in walk(template) if "MasterUserPassword" in tree]
    for secret in resources(template, "AWS::SecretsManager::Secret").values():
        written = re.findall(r"password=(\S+)", str(secret.get("SecretString", "")))
        assert all(value.startswith("{{resolve:secretsmanager:") for value in written)


@BOTH
def test_the_variables_that_are_set_are_settings(template: dict[str, Any]) -> None:
    known = {setting.env for setting in describe_settings()} | {
        "SOFETCH_CONFIG",
        "SOFETCH_SINK_DSN",
        "AWS_DEFAULT_REGION",
    }
    assert set(_environment(template)) <= known


def test_a_new_password_is_asked_for_by_its_version() -> None:
    """CloudFormation reads a secret again only where the reference to it, or what it stands in, has changed."""
    dsn = str(resources(LAMBDA, "AWS::SecretsManager::Secret")["DsnSecret"]["SecretString"])
    assert "LoaderPasswordVersion" in dsn
    assert LAMBDA["Parameters"]["LoaderPasswordVersion"]["Default"] == ""  # the current one
    assert "LoaderPasswordVersion=" in (ROOT / "docs/deploy/cloudformation.md").read_text(encoding="utf-8")


def test_the_server_is_known_before_a_password_is_shown() -> None:
    assert "sslmode=verify-full" in str(resources(LAMBDA, "AWS::SecretsManager::Secret")["DsnSecret"]["SecretString"])
    assert "sslmode=verify-full" in str(_environment(FARGATE)["SOFETCH_SINK_DSN"])


def test_a_task_is_given_the_time_it_needs_to_stop() -> None:
    needed = SinkSettings(table="t").statement_timeout_seconds + WorkerSettings().shutdown_grace_seconds
    assert needed < _worker()["StopTimeout"] <= 120  # Fargate's own limit


def test_a_task_may_do_little() -> None:
    worker = _worker()
    assert worker["ReadonlyRootFilesystem"] is True
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", worker["User"])
    assert worker["LinuxParameters"]["Capabilities"]["Drop"] == ["ALL"]
    assert (
        _only(FARGATE, "AWS::ECS::Service")["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"]
        == "DISABLED"
    )


def test_a_task_that_waits_for_the_database_is_not_ended_for_it() -> None:
    command = " ".join(_worker()["HealthCheck"]["Command"])
    assert "/livez" in command
    assert _environment(FARGATE)["SOFETCH_HTTP_LISTEN"] in command


def test_tasks_follow_the_backlog_of_each() -> None:
    policy = _only(FARGATE, "AWS::ApplicationAutoScaling::ScalingPolicy")["TargetTrackingScalingPolicyConfiguration"]
    queries = policy["CustomizedMetricSpecification"]["Metrics"]
    assert [one["Id"] for one in queries if one["ReturnData"]] == ["backlog"]
    named = {one["MetricStat"]["Metric"]["MetricName"] for one in queries if "MetricStat" in one}
    assert named == {"ApproximateNumberOfMessagesVisible", "RunningTaskCount"}
    assert _only(FARGATE, "AWS::ECS::Cluster")["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]
