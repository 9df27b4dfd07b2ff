"""One allocator setting that makes CPU training faster."""

from __future__ import annotations

import ctypes
import ctypes.util

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
KEEP = 1 << 30


def keep_freed_pages() -> None:
    """Ask glibc not to hand freed tensors back to the system; elsewhere do nothing.

    Each batch frees and takes back the same few hundred MiB; without this the kernel clears those
    pages every time (benchmarks/tables/training.md says what that costs).
    """
    name = ctypes.util.find_library("c")
    if name is None:
        return
    mallopt = getattr(ctypes.CDLL(name), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEEP)
        mallopt(M_TRIM_THRESHOLD, KEEP)
