"""How many threads torch computes with, for a while: in which order it adds up, and so the last bit, depends on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """`count` threads in the block; then as many as before, for what else the caller does with torch."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
