"""A .npy file of faces, written one after the other without holding them."""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType

import numpy as np

from edgefer.runtime.preprocess import CHUNK, Pixels, to_rgb

_HEADER = 128  # bytes; numpy pads its header to this for any shape of four numbers


class Writer:
    """Writes uint8 (N, size, size, C) to `path`; the first face that has colour makes the earlier ones RGB too."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size, self._channels, self._count = path, size, 1, 0
        self._file = path.open("wb")
        self._file.write(bytes(_HEADER))

    def append(self, face: Pixels) -> None:
        """Add a face, uint8 (size, size, 1 or 3)."""
        if face.shape[2] > self._channels:
            self._widen()
        self._file.write((face if face.shape[2] == self._channels else to_rgb(face)).tobytes())
        self._count += 1

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._file as file:
            if kind is None:
                file.seek(0)
                file.write(header((self._count, self._size, self._size, self._channels)))

    def _widen(self) -> None:
        """Go on in a new file, in which every face has three channels."""
        grey, self._channels = self._path.with_suffix(".grey"), 3
        self._file.close()
        self._path.rename(grey)
        self._file = self._path.open("wb")
        self._file.write(bytes(_HEADER))
        with grey.open("rb") as earlier:
            earlier.seek(_HEADER)
            while part := earlier.read(CHUNK):
                self._file.write(np.repeat(np.frombuffer(part, dtype=np.uint8), 3).tobytes())
        grey.unlink()


def header(shape: tuple[int, ...]) -> bytes:
    """The first 128 bytes of a .npy file of uint8 values."""
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(text, {"descr": "|u1", "fortran_order": False, "shape": shape})
    if len(text.getvalue()) != _HEADER:
        raise ValueError(f"numpy wrote a header of {len(text.getvalue())} bytes, not {_HEADER}")
    return text.getvalue()
