"""From an ONNX graph for a fixed number of faces to one for a single face.

Exporters write the batch into shapes: a Reshape to (8, 128), a class token that is held eight times. What begins with
the batch is divided by it. Whether that was right is proved afterwards: the network is compared with the file as it
was given, fed with whole batches.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

ADVICE = "export it for one face, like torch.onnx.export(network.eval(), (torch.zeros(1, 3, 48, 48),), 'one.onnx')"
_SHAPES = {"Reshape": 1, "Expand": 1, "Resize": 3, "ConstantOfShape": 0}  # the input that holds a shape
_JOINS = {"Concat", "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Where", "MatMul"}


def single(model: onnx.ModelProto, batch: int) -> onnx.ModelProto:
    """A copy for one face of a graph for `batch` faces, whose shapes are constants."""
    ranks = _ranks(onnx.shape_inference.infer_shapes(model))
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    for index, node in enumerate(list(graph.node)):
        for place, name in enumerate(node.input):
            array = constants.get(name)
            if array is None:
                continue
            changed = _changed(node, place, array, batch, ranks.get(node.output[0]))
            if changed is not None:
                fresh = f"{name}/one/{index}"
                graph.initializer.append(numpy_helper.from_array(changed, fresh))
                node.input[place] = fresh
    del graph.value_info[:]
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    for output in graph.output:
        output.type.tensor_type.shape.dim[0].Clear()
    return copy


def _changed(node: onnx.NodeProto, place: int, array: np.ndarray, batch: int, rank: int | None) -> np.ndarray | None:
    """A constant input of a node for one face, if it has the batch in it."""
    if _SHAPES.get(node.op_type) == place and array.ndim == 1 and len(array):
        if array[0] > 0 and array[0] % batch == 0:
            return np.concatenate([array[:1] // batch, array[1:]])
        return None
    if node.op_type in _JOINS and array.ndim == rank and rank > 1 and len(array) == batch:
        return array[:1] if bool((array == array[:1]).all()) else None
    return None


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    values = (*model.graph.value_info, *model.graph.output)
    return {each.name: len(each.type.tensor_type.shape.dim) for each in values}
