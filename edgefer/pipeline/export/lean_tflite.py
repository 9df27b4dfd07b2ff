"""TFLite files without waste: each step writes the same graph in fewer bytes.

The steps change no weight, scale or operator, so outputs stay equal to the bit. What an app or a reader asks for stays:
names of inputs and outputs, signatures, constants at multiples of 16 bytes, and a zero point for each scale (LiteRT
refuses one for all). The steps come behind the quantiser, which finds activation ranges by the names of inner tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgefer.pipeline.export import LeanStep, array_digest

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # of a constant: force_align in schema.fbs, which flatbuffers' Python builder does not know


class _SharingBuilder(flatbuffers.Builder):
    """A builder that writes equal vectors, strings and tables once.

    Offsets in a flatbuffer go to any place behind them, so several may go to the same one. A table is recognised by
    what its fields hold. Its children are written before it, and of equal children there is one.
    """

    def __init__(self) -> None:
        super().__init__(1 << 16)
        self._known: dict[object, int] = {}
        self._fields: list[tuple[object, ...]] = []
        self._begun = 0

    def _once(self, key: object, write: Callable[[], int]) -> int:
        if key not in self._known:
            self._known[key] = write()
        return self._known[key]

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:
        content = s.encode(encoding, errors) if isinstance(s, str) else bytes(s)
        return self._once(("string", content), lambda: int(super(_SharingBuilder, self).CreateString(content)))

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:
        return self._once(("vector", x.dtype.str, array_digest(x)), lambda: self._vector(x))

    def _vector(self, x: NDArray[Any]) -> int:
        if x.dtype != np.uint8:
            return int(super().CreateNumpyVector(x))
        self.StartVector(1, x.size, _ALIGNMENT)
        end = len(self.Bytes) - self.Offset()
        self.head: int = end - x.size
        self.Bytes[self.head : end] = x.tobytes()
        return int(self.EndVector())

    def StartObject(self, numfields: int) -> None:
        self._begun, self._fields = self.Offset(), []
        super().StartObject(numfields)

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        self._fields.append((o, flags.bytewidth, x, d))
        super().PrependSlot(flags, o, x, d)

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:
        self._fields.append((o, x))
        super().PrependUOffsetTRelativeSlot(o, x, d)

    def EndObject(self) -> int:
        key = ("table", tuple(self._fields))
        if key in self._known:  # take back what was written of it
            self.head, self.current_vtable, self.nested = len(self.Bytes) - self._begun, None, False
        return self._once(key, lambda: int(super(_SharingBuilder, self).EndObject()))


def _step(change: Callable[[schema.ModelT], None]) -> LeanStep:
    """`change` as a step over a bundle's files, written by the sharing builder."""

    def step(files: dict[str, bytes]) -> dict[str, bytes]:
        ((name, content),) = files.items()
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
        _bring_in(model, content)
        change(model)
        builder = _SharingBuilder()
        builder.Finish(model.Pack(builder), _IDENTIFIER)
        return {name: bytes(builder.Output())}

    return step


def _bring_in(model: schema.ModelT, content: bytes) -> None:
    """Bring in what lies behind the flatbuffer: the quantiser puts a large network's constants there."""
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 mean that there is nothing
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    for operator in (operator for graph in model.subgraphs for operator in graph.operators):
        if operator.largeCustomOptionsOffset > 1:
            begin, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            operator.customOptions = np.frombuffer(content, np.uint8, size, begin)
        operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0


def _drop_notes(model: schema.ModelT) -> None:
    """Take out the converter's description and metadata, observed ranges, and fields that say nothing."""
    model.description = model.metadata = model.metadataBuffer = None
    for graph in model.subgraphs:
        graph.name = None
        for operator in graph.operators:
            for field in ("customOptions", "intermediates", "mutatingVariableInputs"):
                _drop_empty(operator, field)
        for tensor in graph.tensors:
            if tensor.shapeSignature is not None and np.array_equal(tensor.shapeSignature, tensor.shape):
                tensor.shapeSignature = None
            _drop_empty(tensor, "shapeSignature")
            _drop_ranges(tensor)


def _drop_empty(table: Any, field: str) -> None:
    value = getattr(table, field)
    if value is not None and len(value) == 0:
        setattr(table, field, None)


def _drop_ranges(tensor: schema.TensorT) -> None:
    """Leave out the ranges that a scale came from, and the quantisation of a tensor that has none."""
    quantization = tensor.quantization
    if quantization is None:
        return
    quantization.min = quantization.max = None
    bare = quantization.scale is None or len(quantization.scale) == 0
    if bare and quantization.detailsType == schema.QuantizationDetails.NONE:
        tensor.quantization = None


def _share_constants(model: schema.ModelT) -> None:
    """Keep one of equal buffers and none that no tensor has; buffer 0 is the empty one, by definition."""
    kept, numbers = [schema.BufferT()], {array_digest(np.empty(0, np.uint8)): 0}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        buffer = model.buffers[tensor.buffer]
        content = array_digest(np.asarray(() if buffer.data is None else buffer.data, np.uint8))
        if content not in numbers:
            numbers[content] = len(kept)
            kept.append(buffer)
        tensor.buffer = numbers[content]
    model.buffers = kept


def _drop_names(model: schema.ModelT) -> None:
    """Take out the names of all tensors but inputs and outputs: readers have an empty name for a missing one."""
    for graph in model.subgraphs:
        ends = {int(index) for index in (*graph.inputs, *graph.outputs)}
        for index, tensor in enumerate(graph.tensors):
            if index not in ends:
                tensor.name = None


STEPS: dict[str, LeanStep] = {
    "equal vectors, strings and tables stored once": _step(lambda _: None),
    "description, metadata and observed ranges left out": _step(_drop_notes),
    "equal buffers stored once, unused ones left out": _step(_share_constants),
    "names of inner tensors left out": _step(_drop_names),
}
