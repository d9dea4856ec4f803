"""The handler for AWS Lambda: ``sofetch.lambda_handler.handler``, behind an SQS event source mapping.

Owns what lives from one invocation to the next, and what leaves the function as an error. The mapping must ask for
partial batch responses (``ReportBatchItemFailures``): without them it would delete what the answer names as failed.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from sofetch.aws_lambda.batch import failure
from sofetch.aws_lambda.function import BatchResponse, Context, Function
from sofetch.aws_lambda.places import load_settings
from sofetch.clock import SystemClock
from sofetch.errors import EventError, SofetchError, place_of
from sofetch.events import Events
from sofetch.observe.log import contain_stray_output, log_writer
from sofetch.settings import LogSettings

_OF_THE_INVOCATION: Final = frozenset({EventError.code, "no_time"})
"""Codes of errors that say nothing against what is kept. To begin anew takes time, which is what ``no_time`` lacks."""


def handler(event: object, context: Context) -> BatchResponse:
    """Load a batch of messages into the table; the answer names those that are to come again.

    All others are durable, as rows or in quarantine. Raises where nothing became durable, and then the whole batch
    comes again: EventError for what is no batch of the configured queue, SinkUnavailable in an outage, ConfigError,
    KeyringError and SinkRefused where a person must act, SofetchError for what should not happen. No text of these
    holds a value.
    """
    try:
        return _environment.function().invoke(event, context)
    except Exception as error:  # noqa: BLE001  # Lambda prints what is raised here
        raised = _shown(error)
        _environment.failed(error)
    raise raised from None


class _Environment:
    """What Lambda keeps between two invocations. After a failure the next one begins anew, with what is configured by
    then: a new password, a key more, another host.
    """

    def __init__(self) -> None:
        self._function: Function | None = None
        self._events = Events()

    def function(self) -> Function:
        """The function, opened if it is not yet."""
        if self._function is None:
            self._function = self._open()
        return self._function

    def failed(self, error: Exception) -> None:
        """Tell of it, and begin anew next time, unless that would mend nothing."""
        self._events.emit(failure(error))
        blameless = isinstance(error, SofetchError) and error.code in _OF_THE_INVOCATION
        if self._function is not None and not blameless:
            self._function.close()
            self._function = None

    def _open(self) -> Function:
        clock, log = SystemClock(), LogSettings()
        try:
            settings = load_settings(os.environ)
            log = settings.log
        finally:
            self._events = Events(log_writer(log, clock=clock, stream=sys.stderr))
            contain_stray_output(self._events)
        return Function.open(settings, environ=os.environ, events=self._events, clock=clock)


def _shown(error: Exception) -> SofetchError:
    """The error as it may be seen: another's text could hold a value."""
    if isinstance(error, SofetchError):
        return error
    return SofetchError(
        f"the function broke ({type(error).__name__} at {place_of(error.__traceback__)})",
        hint="report it; nothing is lost, the messages come again",
        code="internal",
    )


_environment = _Environment()
