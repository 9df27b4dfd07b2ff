"""Small ONNX files that are no chain of operators."""

from __future__ import annotations

import numpy as np
import onnx

from tests.pipeline.user_model.graphs import Graph, floats, ints, real


def branches() -> dict[str, onnx.ModelProto]:
    """What is no chain."""
    made = {}
    graph = Graph()
    left, right = graph.add("Relu", "x"), graph.add("Transpose", "x", perm=[0, 2, 3, 1])
    there = graph.add("Transpose", graph.add("Tanh", right), perm=[0, 3, 1, 2])
    made["Add, Sub, Mul, Div of two"] = graph.finish(
        graph.add(
            "Div",
            graph.add("Mul", graph.add("Add", left, there), graph.add("Sub", left, there)),
            graph.add("Add", graph.add("Abs", there), real([1.0])),
        ),
        5,
    )
    graph = Graph()
    turned = graph.add("Transpose", "x", perm=[0, 2, 3, 1])
    both = graph.add("Concat", turned, graph.add("Neg", turned), axis=-1)
    graph.add("Split", both, ints(2, 3, 1), count=3, axis=3)
    made["Concat, Split in NHWC"] = graph.finish(
        graph.add("Transpose", f"{both[0]}{int(both[1:]) + 1}_1", perm=[0, 3, 1, 2]), 5
    )
    graph = Graph()
    tokens = graph.add("Transpose", graph.add("Reshape", "x", ints(1, 3, 64)), perm=[0, 2, 1])
    keys = graph.add("Add", graph.add("MatMul", tokens, floats(3, 3)), floats(3))
    scores = graph.add("Softmax", graph.add("MatMul", tokens, graph.add("Transpose", keys, perm=[0, 2, 1])))
    seen = graph.add("Concat", floats(1, 1, 3), graph.add("MatMul", scores, tokens), axis=1)
    vector = graph.add("Gather", seen, np.array(0), axis=1)
    both = graph.add("Concat", vector, graph.add("ReduceMean", seen, ints(1), keepdims=0), axis=1)
    made["attention"] = graph.finish(graph.add("Gemm", both, floats(6, 5), floats(5), alpha=0.5, beta=2.0))
    graph = Graph()
    minus = graph.add("Sub", real([1.0]), graph.add("Sigmoid", "x"))
    over = graph.add("Div", real([1.0]), graph.add("Add", graph.add("Exp", minus), floats(3, 1, 1) ** 2))
    made["constants on the left"] = graph.finish(over, 5)
    graph = Graph()
    shifted = graph.add("Add", "x", floats(3, 1, 1))
    twice = graph.add("Mul", graph.add("Mul", shifted, floats(3, 1, 1)), shifted)
    made["a norm that is taken twice"] = graph.finish(twice, 5)
    graph = Graph(opset=20)
    made["Gelu"] = graph.finish(graph.add("Gelu", graph.add("Gelu", "x", approximate="tanh")), 5)
    graph = Graph()
    squeezed = graph.add("GlobalAveragePool", graph.add("Conv", "x", floats(5, 3, 1, 1)))
    made["an output of (1, 5, 1, 1)"] = graph.finish(squeezed, rank=4)
    graph = Graph()
    made["a flattened map"] = graph.finish(
        graph.add(
            "MatMul", graph.add("Reshape", graph.add("Transpose", "x", perm=[0, 2, 3, 1]), ints(1, -1)), floats(192, 5)
        )
    )
    graph = Graph()
    made["lines"] = graph.finish(
        graph.add(
            "Gemm",
            graph.add("Flatten", graph.add("Conv", graph.add("Reshape", "x", ints(1, 3, 64)), floats(2, 3, 5))),
            floats(120, 5),
        )
    )
    return made
