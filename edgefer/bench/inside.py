"""What of edgefer runs while instructions are counted: those files by a checksum.

Counts of two commits may be compared if it is equal, whatever else changed between them.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
FILES = (
    "bench/sampling.py",
    "bench/subject.py",
    "bench/tcg_count.c",
    "bench/worker.py",
    "contract.py",
    "data/preprocess.py",
    "golden.py",
    "runtime/ncnn.py",
    "runtime/onnx.py",
    "runtime/openvino.py",
    "runtime/tflite.py",
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
