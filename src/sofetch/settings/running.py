"""The worker as a process: its name, its end, its log, what it answers and sends."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sofetch.settings.names import Listen


class PipelineSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[pipeline]: what this pipeline is called."""

    name: Annotated[
        str | None,
        Meta(description="Name of the pipeline in the ledger, the quarantine and the logs. Default: the table's name."),
    ] = None


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[worker]: how a worker stops."""

    shutdown_grace_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="Longest time for the deletes and releases after the batch in hand is done, once stopping was "
            "asked for.",
        ),
    ] = 25


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[http]: what a running worker answers over HTTP."""

    listen: Annotated[
        Listen | None,
        Meta(description="Address and port, as `127.0.0.1:8080`. Default: it does not listen."),
    ] = None
    unhealthy_after_seconds: Annotated[
        float,
        Meta(ge=0, description="How long the queue, database or archive may be away before `/health` answers 503."),
    ] = 300
    stuck_after_seconds: Annotated[
        float,
        Meta(
            ge=60,
            description="How long the loop may be silent, over one attempt at a batch, before `/livez` answers 503.",
        ),
    ] = 900


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[telemetry]: what OpenTelemetry sends. Where to is said by its own variables (OTEL_EXPORTER_OTLP_ENDPOINT)."""

    traces: Annotated[bool, Meta(description="Send a span for each batch, linked to the traces of its messages.")] = (
        False
    )
    metrics: Annotated[bool, Meta(description="Push the metrics, the same that `/metrics` shows.")] = False


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[log]: the log on standard error."""

    format: Annotated[
        Literal["auto", "json", "pretty"], Meta(description="`auto` is pretty in a terminal and JSON elsewhere.")
    ] = "auto"
    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least severe level shown.")] = (
        "info"
    )
