"""The loop behind the peak in int8: what it computes is right, and where no compiler is it says so."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from edgefer.runtime import peak
from edgefer.runtime.c import compiler
from edgefer.runtime.c.generate import KERNELS, SOURCE, peak_source
from tests.compilers import lacking

STEPS, ROWS, COLUMNS = 16, 4, 3


@pytest.mark.parametrize("kernel", [kernel.name for kernel in KERNELS])
def test_each_kernel_computes_the_products_that_it_counts(kernel: str) -> None:
    if lacking():
        pytest.skip(str(lacking()))
    loaded = ctypes.CDLL(str(compiler.library(peak_source(), kernel)))
    loaded.edgefer_peak.restype, loaded.edgefer_peak_kernel.restype = ctypes.c_int64, ctypes.c_char_p
    if loaded.edgefer_peak_kernel() is None:
        pytest.skip(f"this processor has not what the kernels {kernel} need")
    if kernel == "small":  # of microcontrollers, where nothing is timed
        assert loaded.edgefer_peak(ctypes.c_int64(3), None, None) == 0
        return
    data = (np.arange(peak._DATA) % 100).astype(np.int8)
    sums = np.zeros(peak._SUMS, np.int32)
    done = loaded.edgefer_peak(ctypes.c_int64(3), ctypes.c_void_p(data.ctypes.data), ctypes.c_void_p(sums.ctypes.data))
    if kernel == "plain":
        assert done == 3 * 1024 and sums[0] != 0
        return
    width = done // (3 * STEPS * ROWS * COLUMNS)
    blocks = data[: STEPS * (ROWS + COLUMNS) * width].astype(np.int64).reshape(STEPS, ROWS + COLUMNS, width)
    expected = 3 * np.einsum("kiv,kjv->ij", blocks[:, :ROWS], blocks[:, ROWS:])
    assert width in (16, 32, 64)
    assert np.array_equal(sums[: ROWS * COLUMNS * width // 4].reshape(ROWS, COLUMNS, -1).sum(-1), expected)


def test_no_compiler_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(peak, "_fp32", lambda: (1e9, "made"))
    compiler.find_compiler.cache_clear()
    try:
        found = peak._measure_here(1)
    finally:
        compiler.find_compiler.cache_clear()
    assert (found.fp32, found.int8) == (1e9, None)
    assert found.int8_reason is not None and "no-such-compiler" in found.int8_reason


def test_the_source_is_that_of_the_kernels() -> None:
    source = peak_source()[SOURCE].decode()
    assert "@" not in source and "edgefer_peak_kernel" in source
