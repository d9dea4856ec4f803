"""What a benchmark ran on, as its result must say. Owns the description; it names no host, user or path."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path


def describe_machine(*packages: str) -> dict[str, str]:
    """Processor, cores, system, Python, and the versions of what was measured."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    } | {package: version(package) for package in packages}


def _processor() -> str:
    """The model as the kernel names it; on a virtual machine the hypervisor may shorten it."""
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    found = {
        key: re.search(rf"^{key}\s*:\s*(.+)$", info, re.MULTILINE) for key in ("model name", "cpu family", "model")
    }
    name, family, model = (match[1] if match else "" for match in found.values())
    return f"{name} (family {family}, model {model})" if name and family else name or platform.machine()
