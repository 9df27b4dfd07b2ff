"""The same network in TensorFlow Lite Micro: the memory that its tensors take, told by its interpreter here."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgefer.runtime import shell
from edgefer.runtime.errors import WorkerFailed, one_line

PACKAGE, PROVIDER = "tflite-micro", "tflite-micro"
_ASK = """import sys
from tflite_micro import runtime
recording = runtime.InterpreterConfig.kAllocationRecording
runtime.Interpreter.from_file(sys.argv[1], intrepreter_config=recording).print_allocations()
"""
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


def installed() -> str | None:
    """The package's version, None without it."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def arena(path: Path) -> int:
    """Bytes of the arena for a TFLite file, by the recording allocator; raises WorkerFailed."""
    done = shell.run([sys.executable, "-c", _ASK, str(path)])
    found = _TOTAL.search(done.out + done.err)
    if done.code or found is None:
        raise WorkerFailed(f"TensorFlow Lite Micro can't open {path} ({one_line(done.last_line())[:200]}).")
    return int(found[1])
