"""The most that a deployed network's activations take at once, if nothing is kept longer than it is needed.

The order is the graph's own. Reshapes take no memory. An activation whose input nothing else reads is part of
the layer before it, as in every engine. The weights are not in it, nor what an engine needs for itself (im2col).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from edgefer.arch.count.trace import Shape, elements, kind_of, on_meta, shapes

VIEWS = frozenset(("Dropout", "Identity", "flatten", "unflatten", "unsqueeze"))  # the same values in other shapes
IN_PLACE = frozenset(("ReLU", "ReLU6", "GELU", "Hardswish", "Hardsigmoid", "relu", "sigmoid"))


@dataclass(frozen=True)
class Peak:
    """Bytes at the worst moment, and the operation that runs then."""

    float32: int
    int8: int
    at: str


def peak(deployed: nn.Module, shape: Shape) -> Peak:
    """Of one input of `shape`; `deployed` is traceable, as fold.DeployableModel is."""
    graph = fx.symbolic_trace(on_meta(deployed))
    sizes = _sizes(graph, shape)
    owner = _owners(graph)
    last = _last_uses(graph, owner)
    live: dict[fx.Node, int] = {}
    worst, at = 0, ""
    for number, node in enumerate(graph.graph.nodes):
        if node in owner and owner[node] is node:
            live[node] = sizes[node]
        if sum(live.values()) > worst:
            worst, at = sum(live.values()), str(node.target) if node.op == "call_module" else node.name
        live = {held: size for held, size in live.items() if last[held] > number}
    return Peak(4 * worst, worst, at)


class _Sizes(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.sizes: dict[fx.Node, int] = {}

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        self.sizes[n] = sum(elements(shape) for shape in shapes(found))
        return found


def _sizes(graph: fx.GraphModule, shape: Shape) -> dict[fx.Node, int]:
    run = _Sizes(graph)
    with torch.no_grad():
        run.run(torch.zeros(shape, device="meta"))
    return run.sizes


def _owners(graph: fx.GraphModule) -> dict[fx.Node, fx.Node]:
    """Node -> the node whose memory its result lies in."""
    owner: dict[fx.Node, fx.Node] = {}
    for node in graph.graph.nodes:
        if node.op != "output":
            source = _shared(graph, node)
            owner[node] = node if source is None else owner[source]
    return owner


def _shared(graph: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """The node in whose memory this one writes or reads, if it takes none of its own."""
    if not node.all_input_nodes:
        return None
    source, kind = node.all_input_nodes[0], kind_of(graph, node)
    part = kind in VIEWS or (kind == "getitem" and isinstance(node.args[1], int))  # of what chunk gave
    alone = kind in IN_PLACE and len(source.users) == 1 and source.op != "placeholder"
    return source if part or alone else None


def _last_uses(graph: fx.GraphModule, owner: dict[fx.Node, fx.Node]) -> dict[fx.Node, int]:
    """Owner -> number of the last node that reads what lies in its memory."""
    last: dict[fx.Node, int] = {}
    for number, node in enumerate(graph.graph.nodes):
        if node in owner:
            last[owner[node]] = max(last.get(owner[node], 0), number)
        for source in node.all_input_nodes:
            last[owner[source]] = number
    return last
