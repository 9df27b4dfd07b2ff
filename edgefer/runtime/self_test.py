"""Whether an engine runs and not only is installed: `python -m edgefer.runtime.self_test FORMAT`, one inference.

A fresh process each, because what fails may end it: an instruction that the processor lacks, a library that is not
there, a home folder from which nothing may be loaded.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgefer.runtime import ending, shell

MODULE = "edgefer.runtime.self_test"
TOLERANCE = 0.01  # of a probability; engines may compute in half precision
SECONDS = 120.0
_NOT_MAPPED = "failed to map segment from shared object"


def run(name: str) -> str:
    """Run the tiny network with the engine of a format; returns what ran it. Raises whatever fails."""
    import numpy as np

    from edgefer.runtime import contract, engines, tiny_network

    with tempfile.TemporaryDirectory() as folder:
        files = tiny_network.files(name)
        for file, content in files.items():
            (Path(folder) / file).write_bytes(content)
        model = engines.load(Path(folder) / next(iter(files)), name)
        given = contract.quantise(np.ones(model.input.shape, np.float32), model.input)
        output = contract.dequantise(model.run(given), model.output)[0]
    expected = _expected()
    if not abs(float(output[0]) - expected) <= TOLERANCE:
        raise ValueError(f"{model.engine} gave {float(output[0]):.3f} for a network whose output is {expected:.3f}")
    return model.engine


def _expected() -> float:
    """The first output for a face of ones, by hand: the padding cuts windows to 2 of 3 at each edge."""
    from math import exp

    side = (6 * 3 + 2 * 2) / 8  # of the 3 rows of a window, how many lie in the image on average
    mean = 3 * side * side / 27
    return 1 / (1 + exp(-2 * mean))


def start(name: str, python: Sequence[str] = (sys.executable,)) -> shell.Done:
    """Run it in a fresh process of this machine."""
    line = [*shell.module_command(MODULE, python), name]
    try:
        return shell.run(line, environment=shell.environment(), timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return shell.Done(1, "", f"no answer within {SECONDS:g} s")


def failure(done: shell.Done) -> str | None:
    """Why it does not run, None if it does; how it ended is told of a process of this machine."""
    return explained(done.code, done.last_line(""), ending.words_here(done.code))


def explained(code: int, last: str, how: str) -> str | None:
    """The same from its exit code, the last line that it wrote, and how it ended in words."""
    if code == 0:
        return None
    if _NOT_MAPPED in last:
        return f"a library can't be loaded for execution ({last}); a file system mounted noexec does that"
    return f"{how}{f' ({last})' if last else ''}"


def main() -> None:
    """Run the format that is the first word; say which engine did, or why none does."""
    try:
        print(run(sys.argv[1]))
    except Exception as error:  # the engines' exceptions have no base in common
        from edgefer.runtime.errors import one_line

        sys.exit(f"{type(error).__name__}: {one_line(error)[:300]}")


if __name__ == "__main__":
    main()
