"""The weights of PyPI's mtcnn 1.0.0, read from its .lz4 files without running the pickles in them.

Such a file is an LZ4 frame with joblib's pickle of a list of arrays, and the arrays' bytes stand between the pickle's
opcodes. A pickle is a program, so none of it is interpreted: the files are pinned by their SHA-256, their layout is
therefore known, and the arrays are cut out by their offsets. Whatever is not these very files is refused before it is
decompressed.
"""

from __future__ import annotations

from math import prod

import numpy as np

from edgefer.runtime.detectors.boxes import Floats
from edgefer.runtime.detectors.mtcnn_networks import NETWORKS
from edgefer.runtime.errors import BadWeights, MissingEngine
from edgefer.runtime.files import digest
from edgefer.runtime.process import library_errors

_LARGEST = 2 << 20  # bytes of a decompressed file; O-Net's has 1,557,529
# Where the arrays of each file start, in the order of Network.shapes: float32, little endian, in C order.
_OFFSETS: dict[str, tuple[int, ...]] = {
    "pnet": (240, 1376, 1472, 1568, 7376, 7504, 7632, 26112, 26304, 26496, 27056, 27136, 27440),
    "rnet": (
        *(240, 3312, 3488, 3664, 52096, 52352, 52608, 101808, 102128, 102448, 397408, 397968),
        *(398528, 400624, 400688, 401760),
    ),
    "onet": (
        *(240, 3744, 3936, 4128, 77904, 78224, 78544, 226048, 226368, 226688, 357808, 358384),
        *(358960, 1538656, 1539728, 1540816, 1544960, 1545040, 1555328, 1555424, 1557520),
    ),
}


def read(name: str, content: bytes, sha256: str) -> dict[str, Floats]:
    """The arrays of "pnet", "rnet" or "onet" by their names in Network.shapes; `sha256` is the pinned file's.

    Raises BadWeights for another file, MissingEngine if lz4 is not installed.
    """
    found = digest(content)
    if found != sha256:
        raise BadWeights(f"{name}.lz4 has the SHA-256 {found}, the pinned one {sha256}: get mtcnn 1.0.0's wheel.")
    return cut_out(name, decompress(name, content))


def decompress(name: str, content: bytes) -> bytes:
    """The bytes in an LZ4 frame, at most _LARGEST; raises BadWeights, MissingEngine."""
    try:
        from lz4.frame import LZ4FrameDecompressor
    except ModuleNotFoundError as error:
        raise MissingEngine.of("lz4", "predict") from error
    reader = LZ4FrameDecompressor()
    with library_errors(lambda reason: BadWeights(f"{name}.lz4 is no LZ4 frame ({reason}): get the wheel again.")):
        raw = bytes(reader.decompress(content, max_length=_LARGEST))
    if not reader.eof or reader.unused_data:
        raise BadWeights(f"{name}.lz4 is cut off, or holds more than {_LARGEST:,} bytes: get the wheel again.")
    return raw


def cut_out(name: str, raw: bytes) -> dict[str, Floats]:
    """The arrays from a decompressed file; raises BadWeights if it ends before them."""
    arrays = {}
    for (array, shape), offset in zip(NETWORKS[name].shapes(), _OFFSETS[name], strict=True):
        if offset + 4 * prod(shape) > len(raw):
            raise BadWeights(f"{name}.lz4 holds {len(raw):,} bytes, which end before {array}: get the wheel again.")
        arrays[array] = np.frombuffer(raw, "<f4", prod(shape), offset).reshape(shape).astype(np.float32)
    return arrays
