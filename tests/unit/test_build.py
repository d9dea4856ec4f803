"""What a build says of itself."""

from __future__ import annotations

import pytest

from sofetch.build import Build, find_build


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (
            Build(commit="0123456789abcdef", date="2026-11-26T10:00:00Z", modified=False),
            "commit 0123456789ab, 2026-11-26",
        ),
        (Build(commit="0123456789abcdef", modified=True), "commit 0123456789ab with changes"),
        (Build(), "built from an unknown commit"),
    ],
)
def test_a_build_is_told_in_a_few_words(build: Build, told: str) -> None:
    assert build.told() == told


def test_a_checkout_has_no_build() -> None:
    assert find_build() is None
