"""Small files that promise much: refused before memory is taken for it."""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefer.data.readers import fer2013
from edgefer.runtime import array_file
from edgefer.runtime.classifier import read_image
from edgefer.runtime.detectors import mtcnn
from edgefer.runtime.errors import BadData
from edgefer.training import torch_file, weights
from tests.torture.harness import try_reader
from tests.torture.packed import Packed
from tests.torture.readers import Reader

MEMORY = 2**28  # bytes that a reader may take; all files here promise more
MUCH = 2**40


def _safetensors(header: dict[str, object], size: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + bytes(64)


def _npy(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(64)


def _npz(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("pnet.conv1.weight.npy", content)
    return out.getvalue()


def _dictionary_of_4_gib(content: bytes) -> bytes:
    """An .xz file whose reader needs as much memory as its header says."""
    raw = lzma.compress(content, check=lzma.CHECK_NONE)
    header = raw[12:24]  # behind that of the stream: sizes, flags, the filter LZMA2 with a byte for its dictionary
    place = header.index(b"\x21\x01") + 2
    made = header[:place] + b"\x28" + header[place + 1 : 8]
    return raw[:12] + made + zlib.crc32(made).to_bytes(4, "little") + raw[24:]


def _zip_with_a_dictionary_of_4_gib(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("fer2013.csv", content)
    place = out.getvalue().index(b"\x05\x00\x5d") + 3  # behind the size of the properties and the first of them
    return out.getvalue()[:place] + b"\xff" * 4 + out.getvalue()[place + 4 :]


def _annotation(path: Path) -> object:
    try:
        return array_file.read_npy(io.BytesIO(path.read_bytes()))
    except ValueError as error:
        raise BadData(str(error)) from error


def _archive_with_a_part_of_2_gib(name: str, content: bytes) -> bytes:
    """A file in an archive whose directory tells another size of what is packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    place = out.getvalue().index(b"PK\x01\x02") + 20  # of its directory's entry: the size as it lies there
    size, told = (2**31 - 1).to_bytes(4, "little"), out.getvalue()[place + 4 : place + 8]
    # the size unpacked is judged before
    return out.getvalue()[:place] + size + (told if name.endswith(".npy") else size) + out.getvalue()[place + 8 :]


def _jpeg_2000_with_a_box_of_4_gib() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 24)).save(out, "JPEG2000")
    place = out.getvalue().index(b"jp2h") - 4  # the box's length stands in front of its kind
    return out.getvalue()[:place] + b"\xff" * 4 + out.getvalue()[place + 4 :]


FILES: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "safetensors, a shape": (
        _safetensors({"a": {"dtype": "F32", "shape": [MUCH], "data_offsets": [0, 64]}}),
        weights.read_tensors,
    ),
    "safetensors, its place": (
        _safetensors({"a": {"dtype": "F32", "shape": [MUCH], "data_offsets": [0, 4 * MUCH]}}),
        weights.read_tensors,
    ),
    "safetensors, its header": (_safetensors({}, MUCH), weights.read_tensors),
    "npy": (_npy((MUCH,)), _annotation),
    "npy, two sizes": (_npy((2**20, 2**20)), _annotation),
    "npz": (_npz(_npy((MUCH,))), lambda path: mtcnn.read_arrays(path, "setup")),
    "npz, zeros": (_npz(bytes(2 * MEMORY)), lambda path: mtcnn.read_arrays(path, "setup")),
    "npz, a part": (_archive_with_a_part_of_2_gib("a.npy", _npy((1,))), lambda path: mtcnn.read_arrays(path, "setup")),
    "file of torch": (_archive_with_a_part_of_2_gib("a/data.pkl", b"N."), torch_file.convert),
    "picture": (_jpeg_2000_with_a_box_of_4_gib(), read_image),
    "zip": (_zip_with_a_dictionary_of_4_gib(b"emotion,pixels,Usage\n" * 99), fer2013.read_csv),
    "xz": (_dictionary_of_4_gib(b"emotion,pixels,Usage\n" * 99), fer2013.read_csv),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_header_promises_is_not_allocated(name: str) -> None:
    content, read = FILES[name]
    reader = Reader("x.csv", lambda _: [Packed((b"",), lambda _: content)], read)
    tally = try_reader(reader, range(1), memory=MEMORY)
    assert tally.failures == [] and tally.refused == 1


def test_arrays_are_read_as_numpy_wrote_them(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(3, np.uint8), "c": np.zeros((0, 4))}
    np.savez_compressed(tmp_path / "x.npz", allow_pickle=False, **arrays)
    found = array_file.read_npz(tmp_path / "x.npz", 2**20)
    assert found.keys() == arrays.keys() and all(np.array_equal(found[name], arrays[name]) for name in arrays)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        array_file.read_npy(io.BytesIO(_objects()))


def _objects() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{}], object), allow_pickle=True)
    return file.getvalue()
