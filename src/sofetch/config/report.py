"""Findings about a configuration, each at its place: a line of the file, or the environment variable that said it.

Owns how a place is named and how findings are gathered. A finding never holds the value it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from sofetch.config.positions import Path, Positions
from sofetch.findings import Finding, Severity

_LONGEST_SHOWN = 60


class Report:
    """Gathers findings. ``variables`` names the environment variable of each path that one overrides."""

    def __init__(self, file: str, *, positions: Positions, variables: Mapping[Path, str]) -> None:
        self._file = file
        self._positions = positions
        self._variables = variables
        self._found: list[tuple[int, Finding]] = []

    def error(self, code: str, path: Path, what: str, *, hint: str = "") -> None:
        """Something that makes the configuration unusable."""
        self._add("error", code, path, what, hint)

    def warning(self, code: str, path: Path, what: str, *, hint: str = "") -> None:
        """Something that works and is likely not meant."""
        self._add("warning", code, path, what, hint)

    def where(self, path: Path) -> str:
        """The place of a path: its variable, or file and line."""
        for length in range(len(path), 0, -1):
            if (variable := self._variables.get(path[:length])) is not None:
                return variable
        return f"{self._file}:{self._positions.line(path)}"

    def findings(self) -> list[Finding]:
        """All findings in the order of the file."""
        return [finding for _, finding in sorted(self._found, key=lambda found: found[0])]

    def _add(self, severity: Severity, code: str, path: Path, what: str, hint: str) -> None:
        finding = Finding(severity=severity, code=code, where=self.where(path), what=what, hint=hint)
        self._found.append((self._positions.line(path), finding))


def nearest(word: str, right: Iterable[str]) -> str | None:
    """The right word that a wrong one was probably meant to be."""
    found = get_close_matches(word.lower(), list(right), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, right: Iterable[str], *, otherwise: str = "") -> str:
    """A hint that names the nearest right word, or says ``otherwise`` where none is near."""
    found = nearest(word, right)
    return f"did you mean `{found}`?" if found else otherwise


def shown(name: str) -> str:
    """A name out of the file, fit to print: one line, of bounded length, nothing that steers a terminal."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
    return f"`{text}`" if len(text) <= _LONGEST_SHOWN else f"`{text[:_LONGEST_SHOWN]}…`"
