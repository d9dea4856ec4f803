"""botocore's descriptions of the services, parsed once a process and not for each session.

Owns nothing but that: 35 of the 85 ms of CPU that a client costs, and the tests open some 1,000. A session keeps what
it parsed for all of its clients anyway; here other sessions find it too.
"""

from __future__ import annotations

from typing import Any

from botocore.loaders import JSONFileLoader, create_loader

_parsed: dict[str, Any] = {}
_load_file = JSONFileLoader.load_file


def keep_parsed() -> None:
    """From here on a file that is there is parsed once."""
    JSONFileLoader.load_file = _kept  # type: ignore[method-assign]


def parse_for_queues() -> None:
    """Parse what a client of SQS needs, for the children of this process."""
    keep_parsed()
    loader = create_loader()
    loader.load_service_model("sqs", "service-2")
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(name)


def _kept(self: JSONFileLoader, file_path: str) -> Any:
    if file_path not in _parsed:
        found = _load_file(self, file_path)
        if found is None:
            return None
        _parsed[file_path] = found
    return _parsed[file_path]
