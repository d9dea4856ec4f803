"""Large blocks of memory: given back when they are free, also after the first ones were."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sofetch.allocator import give_large_blocks_back

LOOK = """
import ctypes
from sofetch.allocator import give_large_blocks_back

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks u f k".split()]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = Mallinfo2
assert {told}
bytearray(4 << 20)  # freed at once: with glibc's own ways what is smaller is kept from now on
before = mallinfo2().hblkhd
body = bytearray(1 << 20)
print(mallinfo2().hblkhd - before >= len(body))
"""


def mapped_by_itself(told: str) -> bool:
    environ = {name: value for name, value in os.environ.items() if not steers_the_allocator(name)}
    look = [sys.executable, "-c", LOOK.format(told=told)]
    done = subprocess.run(look, env=environ, capture_output=True, text=True, check=False, timeout=60)
    if "mallinfo2" in done.stderr:
        pytest.skip("this C library does not tell what it has mapped")
    assert done.returncode == 0, done.stderr
    return done.stdout == "True\n"


def steers_the_allocator(name: str) -> bool:
    return name.startswith("MALLOC_") or name == "GLIBC_TUNABLES"


def test_a_large_block_is_mapped_by_itself_also_after_a_larger_one_was_freed() -> None:
    assert mapped_by_itself("give_large_blocks_back()")
    assert not mapped_by_itself("True")


def test_a_limit_that_the_environment_sets_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
    assert not give_large_blocks_back()
