"""The most that this machine's processor computes, measured: the roof over what engines achieve.

As a program it measures and prints the record: the libraries below numpy read their number of threads once, at the
start of a process.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial

from edgefer.runtime.errors import EdgeferError, WorkerFailed

_SIDES = (256, 384, 512)  # of the matrices: the products take from 0.3 ms, less than a busy machine's time slices
_SECONDS = 0.7
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_ROUNDS = 2000  # of dot products: a fifth of a millisecond and more
_DATA, _SUMS = 7168, 192  # bytes and sums of edgefer_peak
_LIMIT = 400  # seconds: compiling, the first time, included


@dataclass(frozen=True)
class Peak:
    """The most that a processor computes, measured: multiply-accumulates a second on `threads` threads.

    fp32     of a matrix product; fp32_method says of which
    int8     of dot products in generated C, with the instructions that int8_method names; None: int8_reason says why
    """

    threads: int
    fp32: float
    fp32_method: str
    int8: float | None
    int8_reason: str | None
    int8_method: str | None = None


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
    """Both, one after the other; raises nothing where no compiler can be used: the record says so."""
    fp32, fp32_method = _fp32()
    try:
        int8, int8_method = _int8(threads)
    except EdgeferError as error:
        return Peak(threads, fp32, fp32_method, None, str(error).rstrip("."))
    return Peak(threads, fp32, fp32_method, int8, None, int8_method)


def _fp32() -> tuple[float, str]:
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
    return (
        rate,
        f"the fastest of numpy {np.__version__}'s products of square matrices, sides {sides}, in {_SECONDS:g} s",
    )


def _int8(threads: int) -> tuple[float, str]:
    """The fastest of many short loops of dot products on so many threads at once; raises what compiling raises."""
    from concurrent.futures import ThreadPoolExecutor

    from edgefer.runtime.c.compiler import find_compiler, library
    from edgefer.runtime.c.generate import peak_source

    loaded = ctypes.CDLL(str(library(peak_source())))
    loop, kernel = loaded.edgefer_peak, loaded.edgefer_peak_kernel
    loop.argtypes, loop.restype, kernel.restype = (
        [ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p],
        ctypes.c_int64,
        ctypes.c_char_p,
    )
    data = ctypes.create_string_buffer(bytes(number % 100 for number in range(_DATA)), _DATA)
    sums = [(ctypes.c_int32 * _SUMS)() for _ in range(threads)]
    rounds, rate = _ROUNDS * (1 if threads == 1 else 20), 0.0  # to start threads takes its time
    with ThreadPoolExecutor(threads) as pool:
        end = time.perf_counter() + _SECONDS
        while time.perf_counter() < end:
            start = time.perf_counter()
            done = loop(rounds, data, sums[0]) if threads == 1 else sum(pool.map(partial(loop, rounds, data), sums))
            rate = max(rate, done / (time.perf_counter() - start))
    how = f"the fastest of loops of dot products with {kernel().decode()} instructions, in {_SECONDS:g} s"
    return rate, f"{how}, compiled by {find_compiler().title}"


if __name__ == "__main__":
    print(json.dumps(asdict(_measure_here(int(sys.argv[1])))))
