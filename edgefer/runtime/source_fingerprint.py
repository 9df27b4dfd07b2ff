"""What of edgefer runs while instructions are counted: those files by a checksum.

Counts of two commits may be compared if it is equal, whatever else changed between them.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
FILES = (
    "benchmark/tcg_count.c",
    "runtime/contract.py",
    "runtime/engines/ncnn.py",
    "runtime/engines/onnx.py",
    "runtime/engines/openvino.py",
    "runtime/engines/tflite.py",
    "runtime/golden.py",
    "runtime/preprocess.py",
    "runtime/sampling.py",
    "runtime/worker.py",
    "runtime/workload.py",
)


@cache
def checksum() -> str:
    """16 hexadecimal digits of the files' own; a file that a wheel left out counts as empty."""
    digest = hashlib.sha256()
    for name in FILES:
        path = PACKAGE / name
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:16]
