"""What this program was built from, as the build wrote it beside the code. Must not ask git: a worker has none.

The file ``_build.json`` is written by ``hatch_build.py`` into a wheel or sdist; a checkout has none.
"""

from __future__ import annotations

from importlib.resources import files

import msgspec

from sofetch import __version__


class Build(msgspec.Struct, frozen=True):
    """What is known of a build. Each field is None where it is not known."""

    commit: str | None = None
    date: str | None = None
    """UTC, ISO 8601: of the commit, or SOURCE_DATE_EPOCH."""
    modified: bool | None = None
    """Whether the checkout it was built from had changes that were not committed."""

    def told(self) -> str:
        """The build in a few words."""
        words = [] if self.commit is None else [f"commit {self.commit[:12]}{' with changes' if self.modified else ''}"]
        words += [] if self.date is None else [self.date[:10]]
        return ", ".join(words) or "built from an unknown commit"


def find_build() -> Build | None:
    """The build of the running program; None in a checkout."""
    file = files("sofetch").joinpath("_build.json")
    return msgspec.json.decode(file.read_bytes(), type=Build) if file.is_file() else None


def version_line() -> str:
    """The version and what it was built from, in one line."""
    build = find_build()
    return f"sofetch {__version__} ({'from a checkout' if build is None else build.told()})"
