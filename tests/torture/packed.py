"""Files of parts, each put together again around a changed part: its sizes and checksums are right, as a forger's.

A change anywhere else stops at the first checksum; with these the readers behind it are reached.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from edgefer.runtime.signature import fingerprint
from edgefer.training import checkpoint, weights

_PNG = b"\x89PNG\r\n\x1a\n"
_SUM = re.compile(rb'("%s":")[0-9a-f]{64}' % weights.CHECKSUM.encode())


@dataclass(frozen=True)
class Packed:
    """A whole file as its parts, one of which is changed in a mutant, and how they are put together."""

    parts: tuple[bytes, ...]
    pack: Callable[[Sequence[bytes]], bytes]


def archive(content: bytes, mark: Callable[[bytes], bytes] = bytes) -> Packed:
    """A zip archive by its files, which are stored as torch.save stores them; `mark` puts something behind it."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        names = opened.namelist()
        parts = tuple(opened.read(name) for name in names)

    def pack(parts: Sequence[bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for name, part in zip(names, parts, strict=True):
                made.writestr(zipfile.ZipInfo(name), part)
        return mark(out.getvalue())

    return Packed(parts, pack)


def checked_checkpoint(content: bytes) -> Packed:
    """A checkpoint by the files of its archive, with the checksum of the whole."""
    return archive(content, lambda made: made + checkpoint._mark(made))


def zipped(name: str, content: bytes) -> Packed:
    """One deflated file in a zip archive."""

    def pack(parts: Sequence[bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
            made.writestr(zipfile.ZipInfo(name), parts[0])
        return out.getvalue()

    return Packed((content,), pack)


def gzipped(content: bytes) -> Packed:
    """One deflated file."""
    return Packed((content,), lambda parts: gzip.compress(parts[0], 1, mtime=0))


def xz(content: bytes) -> Packed:
    """One file compressed by LZMA."""
    return Packed((content,), lambda parts: lzma.compress(parts[0], preset=0))


def safetensors(content: bytes) -> Packed:
    """By header and values: the header's size is right, and the checksum of edgefer's where there is one."""
    start = 8 + int.from_bytes(content[:8], "little")

    def pack(parts: Sequence[bytes]) -> bytes:
        zero = _SUM.sub(rb"\g<1>" + b"0" * 64, parts[0])
        whole = len(zero).to_bytes(8, "little") + zero + parts[1]
        digest = hashlib.sha256(whole).hexdigest().encode()
        return whole[:8] + _SUM.sub(rb"\g<1>" + digest, zero) + parts[1]

    return Packed((content[8:start], content[start:]), pack)


def bank(content: bytes) -> Packed:
    """A bank by the record in its header."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])

    def pack(parts: Sequence[bytes]) -> bytes:
        text = json.dumps({**header, "__metadata__": {"bank": parts[0].decode(errors="replace")}}).encode()
        return len(text).to_bytes(8, "little") + text + content[start:]

    return Packed((header["__metadata__"]["bank"].encode(),), pack)


def png(content: bytes) -> Packed:
    """A PNG by its chunks; that of the pixels is not compressed in its part."""
    kinds, parts, place = [], [], len(_PNG)
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        kind, part = content[place + 4 : place + 8], content[place + 8 : place + 8 + size]
        kinds.append(kind)
        parts.append(zlib.decompress(part) if kind == b"IDAT" else part)
        place += size + 12

    def pack(parts: Sequence[bytes]) -> bytes:
        whole = _PNG
        for kind, part in zip(kinds, parts, strict=True):
            inside = kind + (zlib.compress(part, 1) if kind == b"IDAT" else part)
            whole += (len(inside) - 4).to_bytes(4, "big") + inside + zlib.crc32(inside).to_bytes(4, "big")
        return whole

    return Packed(tuple(parts), pack)


def public_key(text: str) -> Packed:
    """A public key whose fingerprint is that of its key, where it has one."""

    def pack(parts: Sequence[bytes]) -> bytes:
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
            content = json.loads(parts[0])
            content["fingerprint"] = fingerprint(bytes.fromhex(content["key"]))
            return json.dumps(content).encode()
        return parts[0]

    return Packed((text.encode(),), pack)


def onnx_graph(content: bytes) -> Packed:
    """An ONNX file by its nodes, weights, inputs and outputs: the sizes of the messages around them are right."""
    model = onnx.load_model_from_string(content)
    graph = onnx.GraphProto.DESCRIPTOR.fields_by_name
    inside = [
        (graph[name].number, each.SerializeToString())
        for name in ("node", "initializer", "input", "output")
        for each in getattr(model.graph, name)
    ]
    around = onnx.ModelProto()
    around.CopyFrom(model)
    around.ClearField("graph")
    number = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number

    def pack(parts: Sequence[bytes]) -> bytes:
        fields = [_field(inner, part) for (inner, _), part in zip(inside, parts, strict=False)]
        return parts[-1] + _field(number, _field(graph["name"].number, b"g") + b"".join(fields))

    return Packed((*(part for _, part in inside), around.SerializeToString()), pack)


def _field(number: int, content: bytes) -> bytes:
    """A message of protobuf within another one."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    more = number >> 7
    return bytes([number & 127 | 128]) + _varint(more) if more else bytes([number])
