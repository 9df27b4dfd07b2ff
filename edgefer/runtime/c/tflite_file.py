"""Reads a TFLite file (a flatbuffer) into the graph that C is generated from, with the standard library and numpy only.

The numbers of the fields are those of tensorflow/compiler/mlir/lite/schema/schema.fbs. Names of tensors are not read:
a file without them is the same graph.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.errors import ExportFailed

# BuiltinOperator and TensorType of the schema: what C can be generated from, and what else is met in networks.
OPERATORS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 5: "DEPTH_TO_SPACE",
    6: "DEQUANTIZE", 9: "FULLY_CONNECTED", 11: "L2_NORMALIZATION", 12: "L2_POOL_2D", 14: "LOGISTIC", 17: "MAX_POOL_2D",
    18: "MUL", 19: "RELU", 21: "RELU6", 22: "RESHAPE", 23: "RESIZE_BILINEAR", 25: "SOFTMAX", 26: "SPACE_TO_DEPTH",
    28: "TANH", 32: "CUSTOM", 34: "PAD", 36: "GATHER", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 43: "SQUEEZE",
    45: "STRIDED_SLICE", 47: "EXP", 49: "SPLIT", 53: "CAST", 54: "PRELU", 55: "MAXIMUM", 57: "MINIMUM", 59: "NEG",
    60: "PADV2", 65: "SLICE", 67: "TRANSPOSE_CONV", 70: "EXPAND_DIMS", 74: "SUM", 75: "SQRT", 76: "RSQRT", 78: "POW",
    82: "REDUCE_MAX", 83: "PACK", 89: "REDUCE_MIN", 92: "SQUARE", 97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU",
    99: "SQUARED_DIFFERENCE", 100: "MIRROR_PAD", 101: "ABS", 102: "SPLIT_V", 105: "REVERSE_V2", 111: "ELU",
    114: "QUANTIZE", 117: "HARD_SWISH", 126: "BATCH_MATMUL", 130: "BROADCAST_TO", 150: "GELU",
}  # fmt: skip
TYPES: dict[int, tuple[str, Any]] = {
    0: ("float32", "<f4"),
    1: ("float16", "<f2"),
    2: ("int32", "<i4"),
    3: ("uint8", "<u1"),
    4: ("int64", "<i8"),
    7: ("int16", "<i2"),
    9: ("int8", "<i1"),
}
IDENTIFIER = b"TFL3"
# Of files that networks for C come from; vectors may lie one upon another, so that a short file can name endless ones.
BYTES, TABLES, AXES, INPUTS = 2**26, 10_000, 8, 256


@dataclass(frozen=True)
class Tensor:
    """One tensor: one scale or one a channel (none: not quantised); data is None for what is computed."""

    shape: tuple[int, ...]
    dtype: str
    scales: NDArray[np.float32]
    zero_point: int
    data: NDArray[Any] | None


@dataclass(frozen=True)
class Operator:
    """One operator: its inputs and output as indices of tensors (-1: left out), `options` its table of the schema."""

    name: str
    inputs: tuple[int, ...]
    output: int
    options: Table | None


@dataclass(frozen=True)
class Graph:
    """The only subgraph of a file, with one input and one output."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input: int
    output: int


def _damaged(reason: object) -> ExportFailed:
    return ExportFailed(f"the TFLite file is damaged ({reason}): build or copy it again.")


class Table:
    """A table of a flatbuffer: fields are found through its vtable, absent ones have their default.

    Whatever is asked of it raises ExportFailed where that leads out of the file.
    """

    def __init__(self, content: bytes, position: int) -> None:
        self._content, self._position = content, position
        self._vtable = position - self._number("<i", position)
        self._size = self._number("<H", self._vtable)

    def _number(self, kind: str, at: int) -> int:
        return int(self._unpacked(kind, at))

    def _unpacked(self, kind: str, at: int) -> float:
        if not 0 <= at <= len(self._content) - struct.calcsize(kind):
            raise _damaged("an offset leads out of it")
        number: float = struct.unpack_from(kind, self._content, at)[0]
        return number

    def _field(self, index: int) -> int:
        """Where the field is, 0 if it is absent."""
        entry = 4 + 2 * index
        offset = self._number("<H", self._vtable + entry) if entry < self._size else 0
        return self._position + offset if offset else 0

    def number(self, index: int, kind: str = "<i", default: int = 0) -> int:
        """A number of the struct module's `kind`."""
        at = self._field(index)
        return self._number(kind, at) if at else default

    def real(self, index: int, default: float) -> float:
        """A float32."""
        at = self._field(index)
        return float(self._unpacked("<f", at)) if at else default

    def _target(self, at: int) -> int:
        return at + self._number("<I", at)

    def table(self, index: int) -> Table | None:
        """A table that the field points to."""
        at = self._field(index)
        return Table(self._content, self._target(at)) if at else None

    def tables(self, index: int) -> list[Table]:
        """The tables of a vector."""
        at = self._field(index)
        if not at:
            return []
        begin = self._target(at)
        count = self._number("<I", begin)
        if count > TABLES:
            raise _damaged(f"{count:,} tables in one vector, at most {TABLES:,} are read")
        return [Table(self._content, self._target(begin + 4 + 4 * i)) for i in range(count)]

    def vector(self, index: int, dtype: str) -> NDArray[Any]:
        """A vector of numbers; empty where it is absent."""
        at = self._field(index)
        if not at:
            return np.zeros(0, dtype)
        begin = self._target(at)
        return self._array(dtype, self._number("<I", begin), begin + 4)

    def _array(self, dtype: str, count: int, begin: int) -> NDArray[Any]:
        if begin + count * np.dtype(dtype).itemsize > len(self._content):
            raise _damaged("a vector leads out of it")
        return np.frombuffer(self._content, dtype, count, begin) if count else np.zeros(0, dtype)

    def short_vector(self, index: int, most: int) -> tuple[int, ...]:
        """A vector of at most so many int32."""
        values = self.vector(index, "<i4")
        if len(values) > most:
            raise _damaged(f"{len(values):,} numbers where at most {most} are read")
        return tuple(values.tolist())

    def buffer(self) -> NDArray[np.uint8]:
        """The bytes of a Buffer: within it, or for large files behind the flatbuffer."""
        begin, size = self.number(1, "<Q"), self.number(2, "<Q")
        return self._array("<u1", size, begin) if begin > 1 else self.vector(0, "<u1")


def read(content: bytes) -> Graph:
    """The graph of a TFLite file; raises ExportFailed for what is none, or has several subgraphs, inputs or outputs."""
    if len(content) > BYTES:
        raise ExportFailed(f"the TFLite file has {len(content):,} bytes: C is generated from at most {BYTES:,}.")
    if content[4:8] != IDENTIFIER:
        raise ExportFailed(f"this is no TFLite file (its bytes 4 to 8 are {content[4:8]!r}, not {IDENTIFIER!r}).")
    return _graph(Table(content, int.from_bytes(content[:4], "little")))


def _graph(model: Table) -> Graph:
    graphs = model.tables(2)
    inputs, outputs = (graphs[0].short_vector(index, INPUTS) if graphs else () for index in (1, 2))
    if (len(graphs), len(inputs), len(outputs)) != (1, 1, 1):
        raise ExportFailed(
            f"the TFLite file has {len(graphs)} subgraphs, {len(inputs)} inputs and {len(outputs)} outputs: C is "
            "generated from files with one of each."
        )
    buffers = [buffer.buffer() for buffer in model.tables(4)]
    codes = [_operator_name(code) for code in model.tables(1)]
    tensors = tuple(_tensor(tensor, buffers) for tensor in graphs[0].tables(0))
    operators = tuple(_operator(operator, codes) for operator in graphs[0].tables(3))
    graph = Graph(tensors, operators, inputs[0], outputs[0])
    used = {graph.input, graph.output, *(i for each in operators for i in (*each.inputs, each.output) if i != -1)}
    if not all(0 <= index < len(tensors) for index in used) or any(each.output < 0 for each in operators):
        raise _damaged(f"it names tensors from {min(used)} to {max(used)} and has {len(tensors)}")
    return graph


def _operator_name(code: Table) -> str:
    number = max(code.number(0, "<b"), code.number(3))
    return OPERATORS.get(number, f"number {number} of the schema")


def _operator(table: Table, codes: list[str]) -> Operator:
    code, outputs = table.number(0, "<I"), table.short_vector(2, INPUTS)
    if code >= len(codes):
        raise _damaged(f"an operator of code {code} of {len(codes)}")
    if len(outputs) != 1:
        raise ExportFailed(f"an operator {codes[code]} has {len(outputs)} outputs: C is generated for one each.")
    return Operator(codes[code], table.short_vector(1, INPUTS), outputs[0], table.table(4))


def _tensor(table: Table, buffers: list[NDArray[np.uint8]]) -> Tensor:
    shape = table.short_vector(0, AXES)
    number, index = table.number(1, "<b"), table.number(2, "<I")
    dtype, stored = TYPES.get(number, (f"type {number} of the schema", "<u1"))
    quantization = table.table(4)
    scales = np.zeros(0, np.float32) if quantization is None else quantization.vector(2, "<f4")
    zero_points = np.zeros(0, np.int64) if quantization is None else quantization.vector(3, "<i8")
    if index >= len(buffers):
        raise _damaged(f"a tensor in buffer {index} of {len(buffers)}")
    data = buffers[index]
    if len(data) and (min(shape, default=1) < 0 or len(data) != math.prod(shape) * np.dtype(stored).itemsize):
        raise _damaged(f"{len(data)} bytes for a tensor of {dtype} and the shape {shape}")
    if len(zero_points) and (zero_points != zero_points[0]).any():
        raise ExportFailed("a tensor of the TFLite file has several zero points: C is generated for one each.")
    return Tensor(
        shape=shape,
        dtype=dtype,
        scales=scales,
        zero_point=int(zero_points[0]) if len(zero_points) else 0,
        data=data.view(stored).reshape(shape) if len(data) else None,
    )
