"""Small ONNX files, one for each form of the operators that are neither convolutions nor copies of torch's modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from tests.pipeline.user_model.graphs import Array, Graph, Step, chain, floats, ints, real


def _one(kind: str, *constants: Array | None, opset: int = 18, **attributes: Any) -> onnx.ModelProto:
    return chain([(kind, constants, attributes)], opset)


def _positive(kind: str, opset: int = 18, **attributes: Any) -> onnx.ModelProto:
    return chain([("Abs", (), {}), ("Add", (real([0.5]),), {}), (kind, (), attributes)], opset)


def _two(kind: str, *constants: Array, turned: bool = False) -> onnx.ModelProto:
    graph = Graph()
    left, right = graph.add("Relu", "x"), graph.add("GlobalAveragePool", "x")
    if turned:
        left = graph.add(
            "Transpose", graph.add("Tanh", graph.add("Transpose", left, perm=[0, 2, 3, 1])), perm=[0, 3, 1, 2]
        )
    return graph.finish(graph.add(kind, left, right, *constants), 5)


def _reduced(kind: str, axes: list[int], keep: int, opset: int) -> onnx.ModelProto:
    """Reduced, and added to the map again."""
    graph = Graph(opset=opset)
    late = opset >= (13 if kind == "ReduceSum" else 18)
    inputs: tuple[Array, ...] = (ints(*axes),) if late else ()
    attributes: dict[str, Any] = {} if late else {"axes": axes}
    made = graph.add(kind, graph.add("Add", "x", real(3.0)), *inputs, keepdims=keep, **attributes)
    if not keep:
        places = sorted(n % 4 for n in axes)
        old: dict[str, Any] = {} if opset >= 13 else {"axes": places}
        made = graph.add("Unsqueeze", made, *((ints(*places),) if opset >= 13 else ()), **old)
    return graph.finish(graph.add("Add", "x", made), 5)


def _vector(kind: str, *constants: Array | None, opset: int = 18, **attributes: Any) -> onnx.ModelProto:
    """Of the five outputs."""
    graph = Graph(opset=opset)
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "x"))
    logits = graph.add("Gemm", flat, floats(5, 3), floats(5), transB=1)
    return graph.finish(graph.add(kind, logits, *constants, **attributes))


def _gemm(**attributes: Any) -> onnx.ModelProto:
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "x"))
    if attributes.get("transA"):
        flat = graph.add("Transpose", flat, perm=[1, 0])
    weights = floats(5, 3) if attributes.get("transB") else floats(3, 5)
    return graph.finish(graph.add("Gemm", flat, weights, floats(1, 5), **attributes))


def _gemm_of_two() -> onnx.ModelProto:
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "x"))
    outer = graph.add("Gemm", flat, flat, flat, transA=1, alpha=0.5, beta=2.0)
    return graph.finish(graph.add("Gemm", graph.add("Flatten", graph.add("Unsqueeze", outer, ints(0))), floats(9, 5)))


def _product(left: Array | None, right: Array | None) -> onnx.ModelProto:
    graph = Graph()
    names = [each if each is not None else "x" for each in (left, right)]
    return graph.finish(graph.add("MatMul", *names), 5)


def _normed_vector() -> onnx.ModelProto:
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "x"))
    normed = graph.add("BatchNormalization", flat, floats(3), floats(3), floats(3), abs(floats(3)) + 1)
    return graph.finish(graph.add("Gemm", normed, floats(3, 5)))


def _shape_chain() -> onnx.ModelProto:
    graph = Graph(shape=("n", 3, 8, 8))
    first = graph.add("Gather", graph.add("Shape", "x"), np.array(0), axis=0)
    shape = graph.add("Concat", graph.add("Unsqueeze", first, ints(0)), ints(-1), axis=0)
    return graph.finish(graph.add("Gemm", graph.add("Reshape", "x", shape), floats(192, 5)))


def _turned(kind: str, constant: Array) -> onnx.ModelProto:
    """In NHWC, as from Keras."""
    there: Step = ("Transpose", (), {"perm": [0, 2, 3, 1]})
    return chain([there, (kind, (constant,), {}), ("Transpose", (), {"perm": [0, 3, 1, 2]})])


_RESIZE: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "nearest by default": {"mode": "nearest"},
    "linear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    "linear, corners": {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
}
_POOL = {"kernel_shape": [3, 3], "strides": [2, 2]}


def operators() -> dict[str, onnx.ModelProto]:
    """A file for each form."""
    made = {kind: _one(kind) for kind in ("Selu", "Softplus", "Softsign")}
    made |= {kind: _positive(kind) for kind in ("Log", "Reciprocal", "Sqrt")}
    made |= {f"{kind} of two": _two(kind) for kind in ("Max", "Min", "Sum", "Mean")}
    made |= {
        f"{kind} with constants": _two(kind, floats(3, 1, 1), real(0.1), turned=True)
        for kind in ("Max", "Min", "Sum", "Mean")
    }
    for kind in ("L1", "L2", "Max", "Mean", "Min", "Sum", "SumSquare"):
        made |= {
            f"Reduce{kind} {axes} {keep} {opset}": _reduced(f"Reduce{kind}", axes, keep, opset)
            for axes, keep, opset in (([2, 3], 1, 18), ([-1, -2], 0, 11), ([1], 1, 13), ([1, 3], 0, 18))
        }
    for name, slope in {
        "scalar": (1,),
        "channel": (3, 1, 1),
        "width": (8,),
        "map": (3, 8, 8),
        "batch": (1, 3, 1, 1),
    }.items():
        made[f"PRelu {name}"] = _one("PRelu", floats(*slope))
    made |= {"PRelu NHWC": _turned("PRelu", floats(1, 1, 3)), "PRelu NHWC map": _turned("PRelu", floats(8, 8, 3))}
    made["PRelu vector"] = _vector("PRelu", floats(5))
    made |= {f"Resize {name}": _one("Resize", None, real([1, 1, 2, 2]), **how) for name, how in _RESIZE.items()}
    made |= {
        f"Resize {name} sizes": _one("Resize", None, None, ints(1, 3, 24, 16), **how) for name, how in _RESIZE.items()
    }
    made["Resize less"] = _one("Resize", None, None, ints(1, 3, 5, 3), **_RESIZE["nearest"])
    made["Upsample"] = _one("Upsample", real([1, 1, 2, 2]), opset=9)
    pools: dict[str, dict[str, Any]] = {
        "same": {**_POOL, "auto_pad": "SAME_UPPER"},
        "same lower": {**_POOL, "auto_pad": "SAME_LOWER"},
        "same counted": {**_POOL, "auto_pad": "SAME_UPPER", "count_include_pad": 1},
        "ceil": {**_POOL, "ceil_mode": 1},
        "ceil padded": {**_POOL, "ceil_mode": 1, "pads": [1, 1, 1, 1]},
        "ceil counted": {**_POOL, "ceil_mode": 1, "pads": [0, 0, 1, 1], "count_include_pad": 1},
    }
    made |= {f"AveragePool {name}": _one("AveragePool", **how) for name, how in pools.items()}
    made["MaxPool ceil uneven"] = _one("MaxPool", kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1, pads=[1, 0, 0, 0])
    made["Pad reflect"] = _one("Pad", ints(0, 0, 2, 1, 0, 0, 1, 3), mode="reflect")
    made["Pad axes"] = _one("Pad", ints(1, 2, 0, 1), None, ints(-1, 2))
    made["Pad cuts"] = _one("Pad", ints(0, 0, -1, 1, 0, 0, 2, -2))
    made |= {"Cast": _one("Cast", to=1), "Celu": _one("Celu", alpha=0.7), "HardSigmoid keras": _one("HardSigmoid")}
    made |= {"Expand": _one("Expand", ints(1, 3, 8, 8)), "Mish": _one("Mish")}
    made["Expand more"] = chain([("GlobalAveragePool", (), {}), ("Expand", (ints(1, 1, 4, 2),), {})])
    graph = Graph()
    made["Where"] = graph.finish(graph.add("Where", floats(8, 8) > 0, "x", graph.add("Relu", "x")), 5)
    graph = Graph()
    made["Where constant"] = graph.finish(graph.add("Where", floats(3, 1, 1) > 0, real(-2.0), "x"), 5)
    made["Gather swaps channels"] = _one("Gather", ints(2, 1, 0), axis=1)
    made["Slice backwards"] = _one("Slice", ints(-1), ints(-(1 << 62)), ints(1), ints(-1))
    made |= {"LpNormalization": _one("LpNormalization", axis=1), "LpNormalization 1": _one("LpNormalization", p=1)}
    made["InstanceNormalization"] = _one("InstanceNormalization", floats(3), floats(3))
    made["GroupNormalization"] = _one("GroupNormalization", floats(3), floats(3), num_groups=3, opset=21)
    made["LayerNormalization map"] = _one("LayerNormalization", floats(3, 8, 8), floats(3, 8, 8), axis=1)
    made |= {"LogSoftmax": _vector("LogSoftmax"), "LogSoftmax of old": _vector("LogSoftmax", opset=9)}
    made["Softmax of old"] = _vector("Softmax", opset=11)
    made |= {"Gemm A": _gemm(transA=1, alpha=0.5), "Gemm B": _gemm(transB=1, beta=0.5), "Gemm of two": _gemm_of_two()}
    made |= {"MatMul left": _product(floats(8, 8), None), "MatMul right": _product(None, floats(3, 8, 2))}
    graph = Graph()
    made["Einsum"] = graph.finish(graph.add("Einsum", "x", floats(3, 4, 3), equation="nchw,cdk->nkhw"), 5)
    made |= {"a norm of a vector": _normed_vector(), "a chain of shapes": _shape_chain()}
    return made
