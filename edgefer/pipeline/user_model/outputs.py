"""What a user's network gives: which output is the labels', which part of it, and what its numbers are.

The graph says it where it ends in a sigmoid, a softmax or a log-softmax; else the numbers do, for a few inputs. Where
both leave it open, or contradict what the contract states, the network is refused.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from edgefer.arch.architecture import Output
from edgefer.pipeline.fold import called
from edgefer.runtime.errors import BadNetwork, ExportFailed, listed

_SUM = 1e-3  # how far the sum of probabilities may be from 1
# Operations by their names in lower case without underscores, whether they are modules, functions or methods.
_ENDS: dict[str, Output] = {"sigmoid": "sigmoid", "softmax": "probabilities", "logsoftmax": "log-probabilities"}
_LOGITS = {"linear", "add", "iadd", "sub", "matmul", "conv2d", "conv1d", "batchnorm1d", "batchnorm2d"}
_LOGITS |= {"avgpool2d", "adaptiveavgpool2d", "mean"}
_BOUNDED = {"tanh", "hardsigmoid", "logsigmoid", "softsign"}  # their numbers may be meant as logits or not
_SEEN_THROUGH = {"flatten", "reshape", "view", "squeeze", "unsqueeze", "identity", "dropout", "getitem", "contiguous"}
_KEPT = {"identity", "dropout", "sigmoid", "tanh"}  # work on each number by itself
_WORDS: dict[Output, str] = {
    "logits": "logits",
    "probabilities": "probabilities",
    "log-probabilities": "log-probabilities",
    "sigmoid": "independent probabilities of a sigmoid",
    "sigmoid-logits": "logits of a sigmoid",
}
# What a contract may state of outputs that were recognised, besides the same: softmax(log p) is p.
_ALSO: dict[Output, tuple[Output, ...]] = {"logits": ("sigmoid-logits",), "log-probabilities": ("logits",)}


@dataclass(frozen=True)
class Choice:
    """The output that the labels are for, by name, and a part of its vector: [first, end); None is the whole."""

    name: str
    part: tuple[int, int] | None = None


class Chosen(nn.Module):
    """A network that gives a choice of its outputs only: (N, C, H, W) -> (N, classes)."""

    def __init__(self, network: nn.Module, choice: Choice) -> None:
        super().__init__()
        self.network, self.choice = network, choice

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        answer: Tensor = named(self.network(x))[self.choice.name]
        return answer if self.choice.part is None else answer[:, slice(*self.choice.part)]


def named(answer: Any, prefix: str = "") -> dict[str, Any]:
    """What a forward gives, tensors or nodes of its graph, by name: the keys of a dict, the places in a tuple from "0".

    Names of what is nested are joined by a point; a single tensor is "0".
    """
    items: Iterable[tuple[object, Any]]
    if isinstance(answer, Mapping):
        items = answer.items()
    elif isinstance(answer, tuple | list):
        items = zip(getattr(answer, "_fields", range(len(answer))), answer, strict=True)
    else:
        return {} if answer is None else {prefix or "0": answer}
    return {name: each for key, value in items for name, each in named(value, f"{prefix}.{key}".strip(".")).items()}


def require_name(shapes: Mapping[str, Sequence[object]], name: str | None, source: str) -> str:
    """The name of the output to take; raises BadNetwork if the contract names none of several, or one that is absent.

    `shapes` are the outputs with their shapes, `source` the beginning of the sentence that says how many there are.
    """
    there = listed(f"{each} ({', '.join(map(str, shape))})" for each, shape in shapes.items()) or "none"
    if name is None and len(shapes) == 1:
        return next(iter(shapes))
    if name is None:
        raise BadNetwork(
            f"{source} {len(shapes)} outputs ({there}), the labels are for one tensor (1, classes): "
            'say which, with output_name = "..." in the contract.'
        )
    if name not in shapes:
        raise BadNetwork(f'output_name = "{name}" is none of its outputs ({there}): correct the contract.')
    return name


def require_part(part: tuple[int, int] | None, length: int, source: str) -> None:
    """Raise BadNetwork if a part [first, end) does not lie in a vector of that length."""
    if part is not None and part[1] > length:
        raise BadNetwork(f"output_slice = {list(part)} reaches beyond the {length} outputs of {source}: correct it.")


def require_labels(labels: tuple[str, ...], outputs: Tensor, source: str) -> None:
    """Raise BadNetwork unless there is one label for each output."""
    found, expected = outputs.shape[1], len(labels)
    if found != expected:
        part = f", or say which part is theirs, like output_slice = [0, {expected}] in the contract"
        raise BadNetwork(
            f"{source} has {found} outputs, {expected} labels are given ({', '.join(labels)}): "
            f"give one for each, in their order{part if found > expected else ''}."
        )


def choose(graph: fx.GraphModule, choice: Choice) -> fx.GraphModule:
    """Make the graph give that choice alone, in place; what it does for other outputs goes. Raises ExportFailed."""
    end = next(iter(reversed(graph.graph.nodes)))
    answer = named(end.args[0]).get(choice.name)
    if not isinstance(answer, fx.Node):
        raise ExportFailed(f"torch.fx sees no output {choice.name} in the network: return it as a tensor.")
    if choice.part is None and answer is end.args[0]:
        return graph
    end.args = (answer if choice.part is None else _part(graph, answer, end, choice.part),)
    return _cleaned(graph)


def _part(graph: fx.GraphModule, answer: fx.Node, end: fx.Node, part: tuple[int, int]) -> fx.Node:
    """The rows of the linear layer that gives the vector, where nothing else takes it; else a slice behind it."""
    first, maker = slice(*part), answer
    while _operation(graph, maker) in _KEPT and len(maker.users) == 1 and isinstance(maker.args[0], fx.Node):
        maker = maker.args[0]
    layer = called(graph, maker)
    own = len(maker.users) == 1 and sum(node.target == maker.target for node in graph.graph.nodes) == 1
    if isinstance(layer, nn.Linear) and own:
        rows = nn.Linear(layer.in_features, part[1] - part[0], bias=layer.bias is not None).to(layer.weight)
        rows.weight = nn.Parameter(layer.weight.detach()[first].clone())
        rows.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach()[first].clone())
        graph.set_submodule(str(maker.target), rows.eval())
        return answer
    with graph.graph.inserting_before(end):
        return graph.graph.call_function(operator.getitem, (answer, (slice(None), first)))


def without_log(graph: fx.GraphModule) -> fx.GraphModule:
    """Without a log-softmax at its end, in place: the softmax of logits is that of their log-softmax, and exact."""
    end = next(iter(reversed(graph.graph.nodes)))
    last = end.args[0]
    if isinstance(last, fx.Node) and _operation(graph, last) == "logsoftmax":
        end.args = (last.args[0],)
        return _cleaned(graph)
    return graph


def _cleaned(graph: fx.GraphModule) -> fx.GraphModule:
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    return graph


def _operation(graph: fx.GraphModule, node: fx.Node) -> str:
    module = called(graph, node)
    name = type(module).__name__ if module is not None else getattr(node.target, "__name__", str(node.target))
    return name.lower().replace("_", "")


def _last_operation(graph: fx.GraphModule) -> str:
    """The operation that the outputs come from, seen through what only moves, cuts or keeps numbers."""
    node = next(iter(reversed(graph.graph.nodes))).args[0]
    while isinstance(node, fx.Node) and _operation(graph, node) in _SEEN_THROUGH:
        node = node.args[0]
    return _operation(graph, node) if isinstance(node, fx.Node) else "none"


def recognize(graph: fx.GraphModule, outputs: Tensor, stated: Output | None, source: str) -> Output:
    """What the outputs (N, classes) are; raises BadNetwork if that is not `stated`, or open and nothing is stated."""
    last = _last_operation(graph)
    by_values = _by_values(outputs)
    found = _ENDS.get(last, by_values)
    evidence = f"its last operation is {last}, {_range(outputs)}"
    if found in ("probabilities", "log-probabilities") and found != by_values:
        raise BadNetwork(
            f"{source} ends in a {last}, but its outputs, for the labels, do not make a sum of 1 ({evidence}): it is "
            "over another axis, or over more outputs than there are labels."
        )
    fits = bool(((outputs >= 0) & (outputs <= 1)).all())
    if found == "logits" and (last in _BOUNDED or (fits and last not in _LOGITS)):
        return _require_statement(stated, evidence, source, fits)
    if stated in (None, found, *_ALSO.get(found, ())):
        return stated or found
    assert stated is not None
    raise BadNetwork(
        f'the outputs of {source} are {_WORDS[found]}, output = "{stated}" is stated: '
        f"{_why(found, stated)} ({evidence})."
    )


def _by_values(outputs: Tensor) -> Output:
    """Probabilities and their logarithms show; everything else may be logits."""
    if bool((outputs >= 0).all()) and _sums_to_one(outputs):
        return "probabilities"
    if bool((outputs <= 0).all()) and _sums_to_one(outputs.exp()):
        return "log-probabilities"
    return "logits"


def _sums_to_one(outputs: Tensor) -> bool:
    return bool(((outputs.sum(1) - 1).abs() < _SUM).all())


def _range(outputs: Tensor) -> str:
    sums = outputs.sum(1)
    return (
        f"they are from {float(outputs.min()):.3g} to {float(outputs.max()):.3g} and their sums from "
        f"{float(sums.min()):.3g} to {float(sums.max()):.3g}"
    )


def _require_statement(stated: Output | None, evidence: str, source: str, fits: bool) -> Output:
    """What the contract states, where the network leaves it open."""
    if stated in ("logits", "sigmoid-logits") or (stated == "sigmoid" and fits):
        return stated
    if stated is None:
        raise BadNetwork(
            f"what the outputs of {source} are is open ({evidence}): state it in the contract, output = "
            '"logits" (a softmax follows), "sigmoid" (each is a probability) or "sigmoid-logits" (a sigmoid follows).'
        )
    raise BadNetwork(f'output = "{stated}" is stated of {source}, which its outputs are not: {evidence}.')


def _why(found: Output, stated: Output) -> str:
    if stated in ("logits", "sigmoid-logits"):
        return f"a second {'softmax' if stated == 'logits' else 'sigmoid'} would flatten them; leave output out"
    if stated == "probabilities":
        return "they do not sum to 1"
    if stated == "sigmoid":
        return (
            'no sigmoid made them; output = "sigmoid-logits" puts one behind' if found == "logits" else "they sum to 1"
        )
    return "the sum of their exponentials is not 1"
