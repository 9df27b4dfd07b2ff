"""Files of numpy's. What a header promises is compared with what is there before memory is taken for it."""

from __future__ import annotations

import io
import zipfile
from math import prod
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from edgefer.runtime.files import BoundedFile

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npy(file: io.BytesIO) -> NDArray[Any]:
    """The array in a .npy file; raises ValueError, also for one that holds Python objects."""
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its version of numpy's format is {version}")
    shape, _, dtype = _HEADERS[version](file)
    promised, there = prod(shape) * dtype.itemsize, len(file.getbuffer()) - file.tell()
    if promised > there:
        raise ValueError(f"its header promises {promised:,} bytes, and {there:,} are there")
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)


def read_npz(path: Path, limit: int) -> dict[str, NDArray[Any]]:
    """The arrays in an .npz file by their names; raises ValueError, also for more than `limit` bytes of them.

    What zipfile raises of a broken archive passes through.
    """
    with BoundedFile(path) as file, zipfile.ZipFile(file) as archive:
        promised = sum(each.file_size for each in archive.infolist())
        if promised > limit:
            raise ValueError(f"it promises {promised:,} bytes unpacked, at most {limit:,} are read")
        return {
            each.filename.removesuffix(".npy"): read_npy(io.BytesIO(archive.read(each))) for each in archive.infolist()
        }
