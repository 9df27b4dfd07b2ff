"""What training and building set in torch and in the C library, and set back where that is possible."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
from collections.abc import Iterator

import torch
from torch.utils import deterministic as torch_deterministic

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
KEEP = 1 << 30


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute with `count` threads in the block, then with as many as before.

    The order in which torch adds up, and so the last bit of a result, depends on the number of threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def deterministic(enabled: bool) -> Iterator[None]:
    """Let torch use deterministic algorithms only in the block, if enabled; then as before.

    A GPU has none for the gradient of pooling. By default torch also fills each new tensor with nan then, which takes a
    sixth of EAN's step and changes nothing where every tensor is written before it is read.
    """
    before = torch.are_deterministic_algorithms_enabled()
    filled: bool = torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(enabled or before)
    torch_deterministic.fill_uninitialized_memory = filled and not enabled  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch_deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def precision(name: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Convolutions and products in it compute with numbers of that type; weights and sums stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if name == "bfloat16" else contextlib.nullcontext()


def keep_freed_pages() -> None:
    """Ask glibc not to return the memory of freed tensors to the system; elsewhere do nothing. It can't be set back.

    Each batch frees and allocates the same few hundred MiB; without this the kernel clears those pages every time
    (benchmarks/tables/training.md says what that costs).
    """
    name = ctypes.util.find_library("c")
    if name is None:
        return
    mallopt = getattr(ctypes.CDLL(name), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEEP)
        mallopt(M_TRIM_THRESHOLD, KEEP)
