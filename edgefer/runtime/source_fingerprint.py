"""edgefer's runtime by its files: what a board gets, and the checksum by which counts of instructions compare.

Counts of two commits may be compared if it is equal, whatever else changed between them.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
PLUGIN = "benchmark/tcg_count.c"  # it decides what is counted, and stays on the machine that counts


def files(package: Path = PACKAGE) -> dict[str, bytes]:
    """The contents of all files in the runtime, by their paths in the package edgefer (runtime/worker.py)."""
    paths = (path for path in sorted((package / "runtime").rglob("*")) if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in paths}


@cache
def checksum(package: Path = PACKAGE) -> str:
    """16 hexadecimal digits of the runtime's files and the plugin; where the plugin is missing it counts as empty."""
    plugin = package / PLUGIN
    counted = {**files(package), PLUGIN: plugin.read_bytes() if plugin.is_file() else b""}
    digest = hashlib.sha256()
    for name, content in counted.items():
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
