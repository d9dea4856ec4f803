"""The errors that SQS answers calls with. Owns their codes, in the names of both protocols, and their shape."""

from __future__ import annotations

import msgspec

# An SDK of today reports the code of the older protocol, which this header tells it.
_OLDER_NAMES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}
_ELSEWHERE = {
    "UnknownOperationException": "com.amazon.coral.service",
    "SerializationException": "com.amazon.coral.service",
    "InvalidParameterValue": "com.amazon.coral.service",
    "MissingParameter": "com.amazon.coral.service",
}
_MESSAGES = {
    "QueueDoesNotExist": "The specified queue does not exist.",
    "ReceiptHandleIsInvalid": "The input receipt handle is invalid.",
    "EmptyBatchRequest": "There should be at least one entry in the request.",
    "TooManyEntriesInBatchRequest": "Maximum number of entries per request are 10.",
    "BatchEntryIdsNotDistinct": "Two or more batch entries in the request have the same Id.",
    "InvalidBatchEntryId": "A batch entry id can only contain alphanumeric characters, hyphens and underscores.",
    "BatchRequestTooLong": "Batch requests cannot be longer than 1048576 bytes.",
    "InvalidMessageContents": "Invalid characters found.",
    "OverLimit": "The maximum number of in flight messages is reached.",
    "InternalError": "We encountered an internal error. Please try again.",
}


class Refusal(Exception):
    """A call, or an entry of a batch, that is answered with an error."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or _MESSAGES.get(code, code)

    def body(self) -> bytes:
        """The answer's body."""
        return msgspec.json.encode(
            {"__type": f"{_ELSEWHERE.get(self.code, 'com.amazonaws.sqs')}#{self.code}", "message": self.message}
        )

    def query_error(self) -> str:
        """The value of the header ``x-amzn-query-error``."""
        return f"{_OLDER_NAMES.get(self.code, self.code)};Sender"


def invalid_value(parameter: str, reason: str) -> Refusal:
    """A parameter's value is not one that SQS takes."""
    return Refusal("InvalidParameterValue", f"Value for parameter {parameter} is invalid. Reason: {reason}.")
