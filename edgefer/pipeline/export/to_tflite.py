"""TFLite: litert-torch converts, ai-edge-quantizer lowers the precision."""

from __future__ import annotations

import copy
import operator
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import qtyping, quantizer, recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from numpy.typing import NDArray
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from edgefer.pipeline.export import Activations, Ranges, lean_tflite
from edgefer.pipeline.export.rewrite import rewrite_divisions, rewrite_pools
from edgefer.pipeline.fold import DeployableModel, called
from edgefer.pipeline.targets import Target
from edgefer.runtime.errors import ExportFailed
from edgefer.runtime.manifest import Dtypes
from edgefer.runtime.process import quiet

LEAN = lean_tflite.STEPS
_Op = qtyping.TFLOperationName
_TENSOR_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
_BOUNDARY = ("QUANTIZE", "DEQUANTIZE")
_CODE_FIELDS = {4: 1, 10: 4}  # OperatorCode in schema.fbs: offset in its vtable -> bytes of the old code and of the new


def convert(network: DeployableModel, crop: int) -> bytes:
    """A float .tflite with NHWC input (1, crop, crop, 3)."""
    lowered = rewrite_divisions(rewrite_pools(network, crop), crop)
    channels_last = litert_torch.to_channel_last_io(pad_apart(lowered, crop), args=[0]).eval()
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.tflite"
        litert_torch.convert(channels_last, (torch.zeros(1, crop, crop, 3),)).export(str(path))
        return path.read_bytes()


def observe(model: bytes, images: Iterable[NDArray[np.uint8]]) -> Iterator[Activations]:
    """Run uint8 (H, W, 3) images one by one; yield what every operator put out."""
    interpreter = _interpreter(model)
    details = _activations(interpreter)
    index = interpreter.get_input_details()[0]["index"]
    for image in images:
        interpreter.set_tensor(index, image[None].astype(np.float32))
        interpreter.invoke()
        yield {d["name"]: interpreter.get_tensor(d["index"]) for d in details}


def activations(model: bytes) -> set[str]:
    """Names of the tensors that int8 needs a range for."""
    return {detail["name"] for detail in _activations(_interpreter(model))}


def input_name(model: bytes) -> str:
    """Name of the input tensor."""
    return str(_interpreter(model).get_input_details()[0]["name"])


def quantize(model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:  # noqa: ARG001
    """The model in the target's precision."""
    if target.precision == "fp32":
        return {target.file: model}
    integer = target.precision == "int8"
    if integer:
        _require_no_division(model)
    known = _renamed(model, "REDUCE_MAX", "REDUCE_MIN") if integer else None
    with quiet():
        work = quantizer.Quantizer(bytearray(known or model))
        _choose(work, target)
        statistics = _statistics(model, ranges or {}) if integer else None
        content = bytes(work.quantize(statistics, enable_progress_report=False).quantized_model)
    return {target.file: content if known is None else _renamed(content, "REDUCE_MIN", "REDUCE_MAX") or content}


def _require_no_division(model: bytes) -> None:
    """Raise ExportFailed where a value is divided by another: LiteRT stops when int8 rounds the divisor to 0."""
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    main = graph.subgraphs[0]
    made = {output for op in main.operators for output in op.outputs}
    for op in main.operators:
        code = graph.operatorCodes[op.opcodeIndex]
        name = _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if name == "DIV" and op.inputs[1] in made:
            raise ExportFailed(
                "the network divides by a value that it computes (DIV), which TFLite's int8 can't: it may round "
                "to 0. Write it as a product with torch.rsqrt, or take a float or dynamic target."
            )


def _renamed(model: bytes, old: str, new: str) -> bytes | None:
    """The model with its operators `old` called `new`; None if it has none of these, or some of those already.

    ai-edge-quantizer leaves REDUCE_MAX in float and takes REDUCE_MIN, though TFLite has both in int8 and for both the
    output must keep the input's scale. So it is shown a minimum, and the maximum is put back in what it returns.
    """
    content = bytearray(model)
    graph = schema.Model.GetRootAs(content)
    codes = [graph.OperatorCodes(index) for index in range(graph.OperatorCodesLength())]
    names = [_OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes]
    if old not in names or new in names:
        return None
    value = getattr(schema.BuiltinOperator, new)
    for code in (code for code, name in zip(codes, names, strict=True) if name == old):
        for field, size in _CODE_FIELDS.items():
            if place := code._tab.Offset(field):
                begin = code._tab.Pos + place
                content[begin : begin + size] = value.to_bytes(size, "little")
    return bytes(content)


def _choose(work: quantizer.Quantizer, target: Target) -> None:
    if target.precision == "int8":
        work.load_quantization_recipe(recipe.static_wi8_ai8())
        if target.io == "float32":
            for edge in (_Op.INPUT, _Op.OUTPUT):
                work.update_quantization_recipe(".*", edge, algorithm_key=AlgorithmName.NO_QUANTIZE)
    elif target.precision == "dynamic":
        work.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    else:
        half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=half, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True
        )
        for operator in (_Op.CONV_2D, _Op.DEPTHWISE_CONV_2D, _Op.FULLY_CONNECTED):
            work.update_quantization_recipe(".*", operator, config, AlgorithmName.FLOAT_CASTING)


def _interpreter(model: bytes) -> Interpreter:
    with quiet():
        interpreter = Interpreter(model_content=model, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
    return interpreter


def _activations(interpreter: Interpreter) -> list[dict[str, Any]]:
    """Details of the float tensors that are the graph's input or an operator's output."""
    with quiet():
        operators = interpreter._get_ops_details()  # the public API has no list of operators
    made = {int(i) for op in operators for i in op["outputs"]}
    made.add(int(interpreter.get_input_details()[0]["index"]))
    return [d for d in interpreter.get_tensor_details() if d["index"] in made and d["dtype"] == np.float32]


def _statistics(model: bytes, ranges: Ranges) -> dict[str, dict[str, NDArray[np.float32]]]:
    """The ranges as ai-edge-quantizer has them: arrays of the tensor's rank."""
    statistics = {}
    for detail in _activations(_interpreter(model)):
        ones, (low, high) = (1,) * len(detail["shape"]), ranges[detail["name"]]
        statistics[detail["name"]] = {"min": np.full(ones, low, np.float32), "max": np.full(ones, high, np.float32)}
    return statistics


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """Tensors and operators by element type, read from the flatbuffer.

    An operator's type is that of its first output. For int8 targets `float_inside` names every
    operator that touches a float tensor, but for the two that quantise a float input and output.
    """
    graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files[target.file]))
    main = graph.subgraphs[0]
    tensors = [_TENSOR_TYPES[t.type] for t in main.tensors]
    operators: Counter[str] = Counter()
    inside = []
    for op in main.operators:
        code = graph.operatorCodes[op.opcodeIndex]
        name = _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        operators[f"{name} {tensors[op.outputs[0]]}"] += 1
        touched = {tensors[i] for i in (*op.inputs, *op.outputs) if i >= 0}
        edge = name in _BOUNDARY and target.io == "float32"
        if touched & {"float32", "float16"} and not edge:
            inside.append(name)
    return Dtypes(dict(sorted(Counter(tensors).items())), dict(sorted(operators.items())), inside)


_NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6)


def pad_apart(network: DeployableModel, crop: int) -> DeployableModel:
    """A copy in which padded max-pooling is a padding of its own, then max-pooling: the same numbers.

    litert-torch pads with minus infinity instead, which no int8 range can hold, but where TFLite's own SAME does it.
    Behind a ReLU zeros do the same, elsewhere the edge again, which each window that reaches over it holds already
    (dilated ones are left).
    """
    if not any(_padded(network.network, node) for node in network.network.graph.nodes):
        return network
    changed = copy.deepcopy(network)
    graph: fx.GraphModule = changed.network
    with torch.inference_mode():
        ShapeProp(graph).propagate(torch.zeros(1, 3, crop, crop))
    for node in list(graph.graph.nodes):
        pool = _padded(graph, node)
        if pool is None:
            continue
        sides = [_sides(node, pool, axis) for axis in (0, 1)]
        if sides == [_same(node, pool, axis) for axis in (0, 1)]:
            continue
        with graph.graph.inserting_before(node):
            padded = _pad(graph, node, sides)
        node.replace_input_with(node.args[0], padded)
        bare = copy.copy(pool)  # not in place: another node may call the same module
        bare.padding, bare.ceil_mode = 0, False
        graph.add_submodule(f"{node.name}_bare", bare)
        node.target = f"{node.name}_bare"
    graph.recompile()
    return changed


def _sides(node: fx.Node, pool: nn.MaxPool2d, axis: int) -> tuple[int, int]:
    """What the windows reach over at the beginning and the end of an axis; rounding up adds to its end."""
    before = node.args[0]
    assert isinstance(before, fx.Node)
    padding, size = _pair(pool.padding)[axis], _size(before, axis)
    return padding, max(padding, _reach(pool, axis, _size(node, axis)) - size - padding) if pool.ceil_mode else padding


def _same(node: fx.Node, pool: nn.MaxPool2d, axis: int) -> tuple[int, int]:
    """What TFLite's SAME pads there: as little as makes a window of every step, the odd one at the end."""
    before = node.args[0]
    assert isinstance(before, fx.Node)
    windows = -(-_size(before, axis) // _pair(pool.stride)[axis])
    missing = max(0, _reach(pool, axis, windows) - _size(before, axis))
    return missing // 2, missing - missing // 2


def _reach(pool: nn.MaxPool2d, axis: int, windows: int) -> int:
    return (
        _pair(pool.dilation)[axis] * (_pair(pool.kernel_size)[axis] - 1) + 1 + (windows - 1) * _pair(pool.stride)[axis]
    )


def _size(node: fx.Node, axis: int) -> int:
    return int(node.meta["tensor_meta"].shape[axis + 2])


def _pad(graph: fx.GraphModule, node: fx.Node, sides: list[tuple[int, int]]) -> fx.Node:
    before = node.args[0]
    if _never_negative(graph, before):
        return graph.graph.call_function(functional.pad, (before, (*sides[1], *sides[0])))
    for axis, (begin, end) in zip((2, 3), sides, strict=True):
        if begin or end:
            whole = (slice(None),) * axis
            first = graph.graph.call_function(operator.getitem, (before, (*whole, slice(0, 1)))) if begin else None
            last = graph.graph.call_function(operator.getitem, (before, (*whole, slice(-1, None)))) if end else None
            before = graph.graph.call_function(torch.cat, ([first] * begin + [before] + [last] * end, axis))
    assert isinstance(before, fx.Node)
    return before


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _never_negative(graph: fx.GraphModule, node: object) -> bool:
    functions = (functional.relu, torch.relu)
    return isinstance(called(graph, node), _NEVER_NEGATIVE) or (isinstance(node, fx.Node) and node.target in functions)


def _padded(graph: fx.GraphModule, node: fx.Node) -> nn.MaxPool2d | None:
    """The max-pooling of a node, if it pads and its padding can be told apart."""
    pool = called(graph, node)
    if not isinstance(pool, nn.MaxPool2d) or not (any(_pair(pool.padding)) or pool.ceil_mode):
        return None
    return pool if _pair(pool.dilation) == (1, 1) or _never_negative(graph, node.args[0]) else None
