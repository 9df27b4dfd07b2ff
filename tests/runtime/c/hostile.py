"""TFLite files that somebody made to do harm: seeded mutants of good ones, of their bytes and of their tables."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_NUMBERS = (0, 1, -1, 2, 3, 5, 7, 8, 16, 100, 127, 128, 255, 256, 1000, 2**15, 2**20, 2**24, 2**31 - 1, -(2**31))
_REALS = (0.0, -1.0, 1e-45, 1e-30, 1e-9, 0.5, 3e7, 3e38, float("inf"), float("nan"))


def of_bytes(content: bytes, seed: int) -> bytes:
    """One to four changes of words or bytes, mostly where numbers are small, as offsets and sizes are; or a cut."""
    choose, changed = random.Random(seed), bytearray(content)
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(len(changed) // 4) * 4
        for _ in range(8):
            if abs(struct.unpack_from("<i", changed, at)[0]) < 100_000:
                break
            at = choose.randrange(len(changed) // 4) * 4
        old = struct.unpack_from("<i", changed, at)[0]
        match choose.randrange(6):
            case 0 | 1:
                struct.pack_into("<i", changed, at, choose.choice(_NUMBERS))
            case 2:
                struct.pack_into("<I", changed, at, (old + choose.choice((-4, -1, 1, 4, 64, -64))) % 2**32)
            case 3:
                struct.pack_into("<f", changed, at, choose.choice(_REALS))
            case 4:
                changed[at + choose.randrange(4)] ^= 1 << choose.randrange(8)
            case _:
                struct.pack_into("<I", changed, at, len(content) - at + choose.choice((-8, -4, 0, 4)))
    return bytes(changed[: choose.randrange(len(changed))] if choose.random() < 0.05 else changed)


def of_tables(content: bytes, seed: int) -> bytes:
    """One to three changes of tensors, operators, their options or constants, in a file that is well-formed."""
    choose = random.Random(seed)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    for _ in range(choose.randint(1, 3)):
        choose.choice(_CHANGES)(choose, model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    try:
        builder.Finish(model.Pack(builder), b"TFL3")
    except (struct.error, TypeError, ValueError, OverflowError):  # a number that the field can't hold
        return of_bytes(content, seed)
    return bytes(builder.Output())


def _number(choose: random.Random, old: int) -> int:
    return choose.choice((*_NUMBERS, old + 1, old - 1, old * 2, old // 2, -old))


def _in_vector(choose: random.Random, values: Any, new: Callable[[Any], Any]) -> Any:
    """A copy of a vector with one element changed, one more, or one less."""
    kept = list(np.asarray(values).ravel().tolist()) if values is not None else []
    if not kept or choose.random() < 0.15:
        return np.array([*kept, new(1)], np.asarray(values).dtype if kept else np.int32)
    if choose.random() < 0.15:
        return np.array(kept[:-1], np.asarray(values).dtype)
    at = choose.randrange(len(kept))
    kept[at] = new(kept[at])
    dtype = np.asarray(values).dtype
    return np.array(kept, np.int64).astype(dtype) if dtype.kind == "i" else np.array(kept, dtype)


def _shape(choose: random.Random, _: Any, graph: Any) -> None:
    tensor = choose.choice(graph.tensors)
    tensor.shape = _in_vector(choose, np.asarray(tensor.shape, np.int32), lambda old: _number(choose, old))


def _tensor(choose: random.Random, model: Any, graph: Any) -> None:
    tensor = choose.choice(graph.tensors)
    if choose.random() < 0.5:
        tensor.type = choose.randrange(18)
    else:
        tensor.buffer = choose.choice(
            (0, 1, len(model.buffers) - 1, len(model.buffers), choose.randrange(len(model.buffers)))
        )


def _scale(choose: random.Random, _: Any, graph: Any) -> None:
    quantization = choose.choice(graph.tensors).quantization
    if quantization is None or quantization.scale is None:
        return
    if choose.random() < 0.5:
        new = choose.choice((*_REALS, 1e-3, 0.1, 7.0))
        quantization.scale = _in_vector(choose, np.asarray(quantization.scale, np.float32), lambda _: new)
    else:
        zero_points = np.asarray(quantization.zeroPoint, np.int64)
        quantization.zeroPoint = _in_vector(choose, zero_points, lambda old: _number(choose, old))


def _operands(choose: random.Random, _: Any, graph: Any) -> None:
    operator, count = choose.choice(graph.operators), len(graph.tensors)
    new = choose.choice((-1, count, choose.randrange(count), choose.randrange(count), choose.randrange(count)))
    if choose.random() < 0.7:
        operator.inputs = _in_vector(choose, np.asarray(operator.inputs, np.int32), lambda _: new)
    else:
        operator.outputs = _in_vector(choose, np.asarray(operator.outputs, np.int32), lambda _: new)


def _options(choose: random.Random, _: Any, graph: Any) -> None:
    operator = choose.choice(graph.operators)
    names = [name for name, value in vars(operator.builtinOptions or object).items() if isinstance(value, int | float)]
    if not names:
        return
    if choose.random() < 0.1:
        operator.builtinOptions = None
        return
    name = choose.choice(names)
    old = getattr(operator.builtinOptions, name)
    new = _number(choose, old) if isinstance(old, int) else choose.choice(_REALS)
    setattr(operator.builtinOptions, name, new)


def _order(choose: random.Random, _: Any, graph: Any) -> None:
    operators, at = graph.operators, choose.randrange(len(graph.operators))
    match choose.randrange(4):
        case 0:
            operators[at], operators[at - 1] = operators[at - 1], operators[at]
        case 1:
            operators.insert(choose.randrange(len(operators)), operators[at])
        case 2:
            operators[at].opcodeIndex = choose.choice((operators[at - 1].opcodeIndex, 100, 0, 1, 2, 3))
        case _:
            del operators[at]


def _constant(choose: random.Random, model: Any, graph: Any) -> None:
    """An element of a small constant of int32: a bias, axes, amounts of a padding, an order."""
    small = [t for t in graph.tensors if t.type == schema.TensorType.INT32 and model.buffers[t.buffer].data is not None]
    if not small:
        return
    buffer = model.buffers[choose.choice(small).buffer]
    values = np.frombuffer(np.asarray(buffer.data, np.uint8).tobytes(), np.int32)
    changed = _in_vector(choose, values, lambda old: _number(choose, old))
    buffer.data = np.frombuffer(changed.tobytes(), np.uint8)


_CHANGES = (_shape, _shape, _tensor, _scale, _operands, _options, _options, _order, _constant, _constant)
