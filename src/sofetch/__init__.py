"""sofetch moves events that hold personal data from Amazon SQS into Postgres, pseudonymised on the way.

The library in four lines::

    from sofetch import Pipeline, load_config

    with Pipeline.open(load_config("sofetch.toml")) as pipeline:
        summary = pipeline.run(drain=True)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Pipeline", "Settings", "SofetchError", "Summary", "__version__", "load_config"]

if TYPE_CHECKING:
    from sofetch.app import Pipeline
    from sofetch.config import load_config
    from sofetch.errors import SofetchError
    from sofetch.settings import Settings
    from sofetch.worker import Summary

_HOMES = {
    "Pipeline": "sofetch.app",
    "Settings": "sofetch.settings",
    "SofetchError": "sofetch.errors",
    "Summary": "sofetch.worker",
    "load_config": "sofetch.config",
}


def __getattr__(name: str) -> Any:
    # Late, so that `import sofetch` and `sofetch --help` need neither boto3 nor psycopg.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sofetch' has no attribute {name!r}")
