"""The script that breaks the code on purpose: what it breaks is there, and what it breaks is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.mutations import MUTATIONS, ROOT, Mutation, MutationError, break_file, caught_by


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_code_that_a_mutation_breaks_is_there(mutation: Mutation, tmp_path: Path) -> None:
    copy = tmp_path / "copy.py"
    copy.write_text((ROOT / mutation.file).read_text())
    break_file(copy, mutation)
    assert copy.read_text() != (ROOT / mutation.file).read_text()
    compile(copy.read_text(), mutation.file, "exec")


@pytest.mark.parametrize("text", ["", "x = 2\n", "x = 1\nx = 1\n"])
def test_a_mutation_of_code_that_is_not_there_once_fails_loudly(tmp_path: Path, text: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(text)
    with pytest.raises(MutationError, match="not once"):
        break_file(file, Mutation("a name", "module.py", "x = 1\n", "x = 3\n", ()))
    assert file.read_text() == text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["delete what must be tried again", "classify disk-full as poison"])
def test_a_mutation_is_caught_by_a_quick_test_of_its_list(name: str) -> None:
    (mutation,) = [mutation for mutation in MUTATIONS if mutation.name == name]
    quick = mutation.catchers[-1]
    assert caught_by(Mutation(name, mutation.file, mutation.old, mutation.new, (quick,))) == [quick]


@pytest.mark.slow
def test_a_change_that_breaks_nothing_is_not_caught() -> None:
    harmless = Mutation(
        "nothing", "src/sofetch/ack.py", '"""Deciding what', '"""Deciding  what', ("tests/property/test_ack.py",)
    )
    assert caught_by(harmless) == []
