"""Any attributes of an ONNX operator: what edgefer makes of it is what ONNX Runtime makes of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edgefer.pipeline.user_model import onnx_file, onnx_import
from edgefer.runtime.errors import BadNetwork
from tests.pipeline.user_model.graphs import Array, Graph, floats, ints
from tests.pipeline.user_model.test_onnx import CONTRACT, save

FEW = settings(max_examples=12, deadline=None, derandomize=True)


def require_same(model: onnx.ModelProto, side: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            source = onnx_file.read_onnx(save(model, Path(folder)), CONTRACT)
        except BadNetwork:
            assume(False)  # the checker of ONNX does not have it
    network = onnx_import.convert(source).eval()
    faces = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    onnx_import.require_same(source, network, faces)


def network(side: int, kind: str, *constants: Array | None, opset: int = 18, **attributes: Any) -> onnx.ModelProto:
    graph = Graph(shape=(1, 3, side, side), opset=opset)
    return graph.finish(graph.add(kind, "x", *constants, **attributes), 5)


PAIR = st.tuples(st.integers(1, 4), st.integers(1, 4))


@FEW
@given(
    kind=st.sampled_from(["AveragePool", "MaxPool"]),
    side=st.integers(5, 12),
    kernel=PAIR,
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    auto=st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]),
    pads=st.lists(st.integers(0, 3), min_size=4, max_size=4),
    ceil=st.booleans(),
    counted=st.booleans(),
)
def test_pooling(
    kind: str,
    side: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    auto: str,
    pads: list[int],
    ceil: bool,
    counted: bool,
) -> None:
    how: dict[str, Any] = {"kernel_shape": kernel, "strides": stride, "auto_pad": auto}
    if auto == "NOTSET":
        how |= {"pads": [min(n, kernel[index % 2] - 1) for index, n in enumerate(pads)], "ceil_mode": int(ceil)}
    if kind == "AveragePool":
        how["count_include_pad"] = int(counted)
    if auto.startswith("SAME"):  # else ONNX Runtime stops: "padding values must be non-negative"
        how["strides"] = [min(step, window) for step, window in zip(stride, kernel, strict=True)]
    require_same(network(side, kind, **how), side)


@FEW
@given(
    kind=st.sampled_from(["L1", "L2", "Max", "Mean", "Min", "Sum", "SumSquare"]),
    axes=st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True),
    negative=st.booleans(),
    keep=st.booleans(),
    turned=st.booleans(),
)
def test_reductions(kind: str, axes: list[int], negative: bool, keep: bool, turned: bool) -> None:
    graph = Graph()
    value = graph.add("Transpose", "x", perm=[0, 2, 3, 1]) if turned else "x"
    places = [axis - 4 if negative else axis for axis in axes]
    made = graph.add(f"Reduce{kind}", value, ints(*places), keepdims=int(keep))
    made = made if keep else graph.add("Unsqueeze", made, ints(*sorted(axes)))
    made = graph.add("Mul", value, made)
    require_same(graph.finish(graph.add("Transpose", made, perm=[0, 3, 1, 2]) if turned else made, 5), 8)


@FEW
@given(
    shape=st.sampled_from([(), (1,), (3, 1, 1), (8,), (8, 8), (3, 8, 8), (3, 1, 8), (1, 3, 1, 1), (1, 1, 8, 1)]),
    turned=st.booleans(),
)
def test_slopes_of_prelu(shape: tuple[int, ...], turned: bool) -> None:
    graph = Graph()
    if not turned:
        require_same(graph.finish(graph.add("PRelu", "x", floats(*shape)), 5), 8)
        return
    whole = (1,) * (4 - len(shape)) + shape
    slope = floats(*(whole[axis] for axis in (0, 2, 3, 1)))
    sloped = graph.add("PRelu", graph.add("Transpose", "x", perm=[0, 2, 3, 1]), slope)
    require_same(graph.finish(graph.add("Transpose", sloped, perm=[0, 3, 1, 2]), 5), 8)


@FEW
@given(
    mode=st.sampled_from(["constant", "edge", "reflect"]),
    pads=st.lists(st.integers(-2, 3), min_size=4, max_size=4),
    named=st.booleans(),
)
def test_paddings(mode: str, pads: list[int], named: bool) -> None:
    pads = pads if mode == "constant" else [max(0, n) for n in pads]
    if named:
        require_same(network(8, "Pad", ints(*pads), None, ints(2, -1), mode=mode), 8)
    else:
        require_same(network(8, "Pad", ints(0, 0, *pads[:2], 0, 0, *pads[2:]), mode=mode), 8)


@FEW
@given(
    start=st.integers(-9, 9),
    end=st.integers(-9, 9),
    step=st.sampled_from([-3, -2, -1, 1, 2, 3]),
    axis=st.sampled_from([2, 3, -1]),
)
def test_slices(start: int, end: int, step: int, axis: int) -> None:
    assume(np.zeros(8)[_numpy(start, end, step)].size > 0)
    require_same(network(8, "Slice", ints(start), ints(end), ints(axis), ints(step)), 8)


def _numpy(start: int, end: int, step: int) -> slice:
    """ONNX's limits: what lies before the first place stops a walk backwards behind it."""
    return slice(start, None if step < 0 and end < -8 else end, step)


@FEW
@given(
    height=st.integers(3, 20),
    width=st.integers(3, 20),
    way=st.sampled_from(["asymmetric", "half_pixel", "align_corners"]),
)
def test_resizing(height: int, width: int, way: str) -> None:
    nearest = way == "asymmetric"
    how: dict[str, Any] = {"mode": "nearest" if nearest else "linear", "coordinate_transformation_mode": way}
    if nearest:
        how["nearest_mode"] = "floor"
    require_same(network(8, "Resize", None, None, ints(1, 3, height, width), **how), 8)


@FEW
@given(
    turned=st.tuples(st.booleans(), st.booleans()),
    alpha=st.sampled_from([1.0, -0.5]),
    beta=st.sampled_from([1.0, 0.25]),
    bias=st.sampled_from([None, (), (1,), (5,), (1, 5), (1, 1)]),
)
def test_gemm(turned: tuple[bool, bool], alpha: float, beta: float, bias: tuple[int, ...] | None) -> None:
    graph = Graph()
    flat = graph.add("Flatten", graph.add("GlobalAveragePool", "x"))
    flat = graph.add("Transpose", flat, perm=[1, 0]) if turned[0] else flat
    weights = floats(5, 3) if turned[1] else floats(3, 5)
    shift = [] if bias is None else [floats(*bias)]
    how: dict[str, Any] = {"transA": int(turned[0]), "transB": int(turned[1]), "alpha": alpha, "beta": beta}
    require_same(graph.finish(graph.add("Gemm", flat, weights, *shift, **how)), 8)
