"""The most that this machine's processor computes, measured: the roof over what engines achieve.

As a program it measures and prints the record: the libraries below numpy read their number of threads once, at the
start of a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass

from edgefer.runtime.errors import WorkerFailed

_SIDES = (256, 384, 512)  # of the matrices: the products take from 0.3 ms, less than a busy machine's time slices
_SECONDS = 0.7
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_NO_INT8 = "numpy has no matrix product of int8 that uses the processor's instructions for it"
_LIMIT = 60  # seconds


@dataclass(frozen=True)
class Peak:
    """The most that a processor computes, measured: multiply-accumulates a second on `threads` threads.

    fp32     of a matrix product; fp32_method says of which
    int8     None: int8_reason says why
    """

    threads: int
    fp32: float
    fp32_method: str
    int8: float | None
    int8_reason: str | None


def measure(threads: int) -> Peak:
    """Measure in a fresh process; raises WorkerFailed."""
    environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
    command = [sys.executable, "-m", "edgefer.runtime.peak", str(threads)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=_LIMIT)
        return Peak(**json.loads(done.stdout))
    except (subprocess.SubprocessError, ValueError, TypeError) as error:
        raise WorkerFailed(
            f"the peak of this machine could not be measured ({error}): leave --roofline out."
        ) from error


def _measure_here(threads: int) -> Peak:
    """The fastest of the products that a fixed time has room for: the least disturbed one, of the best size."""
    import numpy as np

    random, rate = np.random.default_rng(0), 0.0
    for side in _SIDES:
        left, right = (random.random((side, side), dtype=np.float32) for _ in range(2))
        result = left @ right  # warms up
        end = time.perf_counter() + _SECONDS / len(_SIDES)
        while time.perf_counter() < end:
            start = time.perf_counter()
            np.matmul(left, right, out=result)
            rate = max(rate, side**3 / (time.perf_counter() - start))
    sides = ", ".join(map(str, _SIDES))
    method = f"the fastest of numpy {np.__version__}'s products of square matrices, sides {sides}, in {_SECONDS:g} s"
    return Peak(threads, rate, method, None, _NO_INT8)


if __name__ == "__main__":
    print(json.dumps(asdict(_measure_here(int(sys.argv[1])))))
