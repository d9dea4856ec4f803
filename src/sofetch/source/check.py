"""Looks at the configured queue and says what is right, what is not, and what to do. Changes nothing.

Its one trace: trying to receive may raise the receive count of one message by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from sofetch.errors import SofetchError
from sofetch.findings import Finding, Severity
from sofetch.settings import BatchSettings, SourceSettings
from sofetch.source.forms import queue_name
from sofetch.source.opening import no_fast_path
from sofetch.source.queue import Action, QueueAttributes, QueueControl

_LEAST_VISIBILITY_SECONDS = 10
"""Extended at half of it: with less, one slow call loses the message to another worker."""

_LEAST_RECEIVES = 3
_LEAST_RETENTION_SECONDS = 86_400
_LONGEST_RETENTION_SECONDS = 14 * 86_400
"""SQS's own limit: what is assumed of a dead-letter queue that may not be asked."""

_ACTIONS: tuple[tuple[Action, str], ...] = (
    ("receive", "sqs:ReceiveMessage"),
    ("delete", "sqs:DeleteMessage"),
    ("change_visibility", "sqs:ChangeMessageVisibility"),
)


def check_source(settings: SourceSettings, *, batch: BatchSettings, ledger_days: int) -> list[Finding]:
    """Everything that can be said of the queue; an error if it cannot be reached or used.

    ``ledger_days`` is how long the sink remembers a message: longer than any queue here may bring it again.
    """
    where = f"queue {queue_name(settings.queue)}"
    try:
        with QueueControl.open(settings) as control:
            return list(_findings(control, settings, batch, ledger_days, where))
    except SofetchError as error:
        return [_of_error(error, where)]


def _findings(
    control: QueueControl, settings: SourceSettings, batch: BatchSettings, ledger_days: int, where: str
) -> Iterator[Finding]:
    attributes = control.attributes()
    yield _finding(
        "ok",
        "queue_found",
        where,
        f"answers in the {control.protocol} protocol; about {attributes.visible} messages wait, "
        f"{attributes.in_flight} are in flight, {attributes.delayed} are delayed",
    )
    yield _transport(control, settings, where)
    yield _visibility(attributes, settings, batch, where)
    yield _dead_letters(attributes, where)
    yield _retention(attributes, where)
    yield _memory(control, attributes, ledger_days, where)
    yield _encryption(attributes, where, is_aws=control.is_aws)
    if attributes.fifo:
        yield _finding("ok", "queue_fifo", where, "is FIFO; the order of a group is kept as SQS gives it")
    yield from _permissions(control, attributes, where)


def _transport(control: QueueControl, settings: SourceSettings, where: str) -> Finding:
    if settings.transport == "boto3":
        return _finding("ok", "transport", where, "is called by boto3, as the setting says")
    obstacle = control.fast_path_obstacle()
    if obstacle is None:
        return _finding("ok", "transport", where, "is called by the fast path, and by boto3 where that meets trouble")
    if settings.transport == "auto":
        return _finding("ok", "transport", where, f"is called by boto3, not by the fast path: {obstacle}")
    refused = no_fast_path(obstacle)
    return _finding("error", "transport", where, refused.what, hint=refused.hint)


def _visibility(attributes: QueueAttributes, settings: SourceSettings, batch: BatchSettings, where: str) -> Finding:
    own = settings.visibility_timeout_seconds is None
    seconds = attributes.visibility_timeout_seconds if own else settings.visibility_timeout_seconds or 0
    # The window passes before loading begins; a quarter of the timeout leaves time to load before the first extension.
    least = max(_LEAST_VISIBILITY_SECONDS, 4 * batch.max_wait_seconds)
    whose = "the queue's" if own else "the configured"
    if seconds >= least:
        return _finding("ok", "visibility_timeout", where, f"{whose} visibility timeout is {seconds} s")
    return _finding(
        "warning",
        "visibility_timeout",
        where,
        f"{whose} visibility timeout of {seconds} s is short for a batch window of {batch.max_wait_seconds:g} s",
        hint=f"set [source] visibility_timeout_seconds, or the queue's own, to 30 or more (at least {least:g})",
    )


def _dead_letters(attributes: QueueAttributes, where: str) -> Finding:
    redrive = attributes.redrive
    if redrive is None:
        return _finding(
            "warning",
            "dead_letter_queue",
            where,
            "has no dead-letter queue: a message that can never be settled comes back until its retention ends",
            hint="give the queue a RedrivePolicy with maxReceiveCount 5 or more",
        )
    if redrive.max_receive_count < _LEAST_RECEIVES:
        return _finding(
            "warning",
            "dead_letter_queue",
            where,
            f"sends a message to {redrive.dead_letter_queue} after {redrive.max_receive_count} receives: restarts and "
            "retries of healthy messages count, too",
            hint=f"set maxReceiveCount to 5 or more, at least {_LEAST_RECEIVES}",
        )
    what = f"sends a message to {redrive.dead_letter_queue} after {redrive.max_receive_count} receives"
    return _finding("ok", "dead_letter_queue", where, what)


def _retention(attributes: QueueAttributes, where: str) -> Finding:
    hours = attributes.retention_seconds / 3600
    if attributes.retention_seconds >= _LEAST_RETENTION_SECONDS:
        return _finding("ok", "retention", where, f"keeps messages for {hours:g} h")
    return _finding(
        "warning",
        "retention",
        where,
        f"keeps messages for {hours:.3g} h only: a longer outage loses them",
        hint="set MessageRetentionPeriod to four days (345600) or more",
    )


def _memory(control: QueueControl, attributes: QueueAttributes, ledger_days: int, where: str) -> Finding:
    """A message that comes again after its ledger key is dropped is loaded again."""
    seconds = attributes.retention_seconds
    if attributes.redrive is not None:
        seconds += control.dead_letter_retention_seconds(attributes.redrive) or _LONGEST_RETENTION_SECONDS
    days = seconds / 86_400
    whose = "this queue and its dead-letter queue" if attributes.redrive is not None else "this queue"
    if ledger_days > days:
        what = f"{whose} may bring a message again for {days:.3g} days; the ledger remembers it for {ledger_days}"
        return _finding("ok", "ledger_days", where, what)
    return _finding(
        "error",
        "ledger_days",
        where,
        f"{whose} may bring a message again for {days:.3g} days, and the ledger forgets it after {ledger_days}: "
        "it would be loaded twice",
        hint=f"set [sink] ledger_days to {math.floor(days) + 1} or more",
    )


def _encryption(attributes: QueueAttributes, where: str, *, is_aws: bool) -> Finding:
    if attributes.encryption is not None:
        return _finding("ok", "encryption", where, f"is encrypted at rest ({attributes.encryption})")
    if not is_aws:
        return _finding("ok", "encryption", where, "says nothing of encryption at rest (not AWS)")
    return _finding(
        "warning",
        "encryption",
        where,
        "is not encrypted at rest, and its messages hold personal data in the clear",
        hint="set SqsManagedSseEnabled, or KmsMasterKeyId",
    )


def _permissions(control: QueueControl, attributes: QueueAttributes, where: str) -> Iterator[Finding]:
    for action, permission in _ACTIONS:
        if action == "receive" and _would_bury(attributes):
            yield _finding("ok", "permission", where, f"{permission} is not tried: a receive could bury a message")
            continue
        refusal = control.refusal(action)
        if refusal is None:
            yield _finding("ok", "permission", where, f"{permission} is allowed")
        else:
            yield _finding("error", "permission", where, refusal.what, hint=refusal.hint)


def _would_bury(attributes: QueueAttributes) -> bool:
    """Whether one receive more can be what sends a message to the dead-letter queue."""
    return attributes.redrive is not None and attributes.redrive.max_receive_count < _LEAST_RECEIVES


def _of_error(error: SofetchError, where: str) -> Finding:
    return _finding("error", error.code, where, error.what, hint=error.hint)


def _finding(severity: Severity, code: str, where: str, what: str, hint: str = "") -> Finding:
    return Finding(severity=severity, code=code, where=where, what=what, hint=hint)
