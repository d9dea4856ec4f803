"""The line of metrics has CloudWatch's embedded form, and its names are a closed set."""

from __future__ import annotations

import json

from sofetch.aws_lambda.metrics import Metrics, emf_line

NAMES = {"MessagesReceived", "RowsLoaded", "Duplicates", "Quarantined", "Failures", "BatchMilliseconds"}


def test_a_line_names_each_metric_once_and_has_its_value_beside() -> None:
    metrics = Metrics(
        messages_received=7, rows_loaded=4, duplicates=1, quarantined=1, failures=1, batch_milliseconds=35
    )
    text = emf_line(metrics, pipeline="user_logins", now_ms=1_795_000_000_000)
    assert "\n" not in text
    line = json.loads(text)
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"]["Timestamp"] == 1_795_000_000_000
    assert (directive["Namespace"], directive["Dimensions"]) == ("sofetch", [["Pipeline"]])
    assert {metric["Name"] for metric in directive["Metrics"]} == NAMES
    assert {metric["Unit"] for metric in directive["Metrics"]} == {"Count", "Milliseconds"}
    assert line.keys() == NAMES | {"_aws", "Pipeline"}
    assert (line["Pipeline"], line["RowsLoaded"], line["BatchMilliseconds"]) == ("user_logins", 4, 35)
