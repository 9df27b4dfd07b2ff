"""The operators of a network as steps: padding folded into its readers, neighbours fused, unknown ones refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edgefer.runtime.c.tflite_file import Graph, Operator, Table, Tensor
from edgefer.runtime.errors import ExportFailed

FUSED = "CONV_DEPTHWISE"
_WINDOWS = ("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D")
BY_ROWS = 8192  # activations of a fused layer's map from which the 1x1 convolution behind it is computed row by row


@dataclass(frozen=True)
class Window:
    """Height and width, steps down and to the right, and padding on each side."""

    height: int
    width: int
    down: int = 1
    right: int = 1
    top: int = 0
    left: int = 0
    bottom: int = 0
    end: int = 0

    @property
    def border(self) -> tuple[int, int, int, int]:
        """The padding: top, left, bottom, right."""
        return self.top, self.left, self.bottom, self.end


@dataclass(frozen=True)
class Step:
    """One call in the C: an operator, from the tensor `source` to `output`, which a PAD before it may have changed.

    Of a fused step `operator` is the depthwise layer, `first` the convolution before it, `last` the one behind it.
    Of layers that are computed row by row together `operator` is the last one, and `chain` all of them.
    """

    kind: str
    operator: Operator
    source: int
    output: int
    window: Window = Window(1, 1)
    first: Step | None = None
    last: Step | None = None
    chain: tuple[Step, ...] = ()

    def inputs(self) -> tuple[int, ...]:
        """The tensors that are read, constants among them."""
        return (self.source, *self.operator.inputs[1:]) if self.first is None else (self.first.source,)


def refuse(operator: str, what: str) -> ExportFailed:
    """The failure of a network that C can't be generated from."""
    return ExportFailed(f"no C can be generated for {operator}{what}: try the target tflite-int8.")


def shape_of(tensor: Tensor) -> tuple[int, int, int]:
    """Height, width and channels; raises ExportFailed for what has more dimensions or a batch."""
    sizes = (1, 1, 1, 1, *tensor.shape)
    if any(n != 1 for n in sizes[:-3]):
        raise ExportFailed(f"no C can be generated for a tensor of the shape {tensor.shape}: batch 1 and up to 4 axes.")
    return sizes[-3], sizes[-2], sizes[-1]


def steps_of(graph: Graph, fuse: bool = True) -> list[Step]:
    """The operators of a graph that `checks.check` has passed, as steps."""
    steps = list(_without_padding(graph))
    return list(_fused(graph, steps)) if fuse else steps


def _without_padding(graph: Graph) -> Iterator[Step]:
    pads = {operator.output: operator for operator in graph.operators if operator.name == "PAD"}
    read: Counter[int] = Counter()
    steps = []
    for operator in graph.operators:
        source = operator.inputs[0]
        window = _window(graph, operator)
        pad = pads.get(source)
        if pad is not None and operator.name in _WINDOWS and not any(window.border):
            source, (_, tall, wide, deep) = pad.inputs[0], _amounts(graph, pad)
            if deep == (0, 0):
                read[pad.output] += 1
                window = replace(window, top=tall[0], bottom=tall[1], left=wide[0], end=wide[1])
            else:
                source = operator.inputs[0]
        steps.append(Step(operator.name, operator, source, operator.output, window))
    readers = Counter(i for operator in graph.operators for i in operator.inputs)
    folded = {t for t, n in read.items() if n == readers[t] and t != graph.output}
    yield from (step for step in steps if step.output not in folded)


def _amounts(graph: Graph, pad: Operator) -> tuple[tuple[int, int], ...]:
    data = graph.tensors[pad.inputs[1]].data
    assert data is not None
    amounts = [(int(before), int(after)) for before, after in data]
    return ((0, 0),) * (4 - len(amounts)) + tuple(amounts)


def _window(graph: Graph, operator: Operator) -> Window:
    options = operator.options
    if operator.name not in _WINDOWS or options is None:
        return Window(1, 1)
    pool = operator.name == "MAX_POOL_2D"
    if pool:
        height, width = options.number(4), options.number(3)
    else:
        height, width = graph.tensors[operator.inputs[1]].shape[1:3]
        _require_no_dilation(operator, options)
    right, down = options.number(1), options.number(2)
    window = Window(height, width, down, right)
    if options.number(0, "<b") == 1:  # VALID
        return window
    tall, wide, _ = shape_of(graph.tensors[operator.inputs[0]])
    up, low = _same(tall, height, down)
    left, end = _same(wide, width, right)
    return replace(window, top=up, bottom=low, left=left, end=end)


def _require_no_dilation(operator: Operator, options: Table) -> None:
    first = 4 if operator.name == "CONV_2D" else 5
    if (options.number(first, default=1), options.number(first + 1, default=1)) != (1, 1):
        raise refuse(f"the operator {operator.name}", " with dilation")


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    missing = max(0, (-(-size // stride) - 1) * stride + window - size)
    return missing // 2, missing - missing // 2


def _fused(graph: Graph, steps: list[Step]) -> Iterator[Step]:
    """Convolutions of stride 1 with the depthwise 3x3 layer that alone reads them, and a 1x1 convolution behind."""
    makers = {step.output: step for step in steps}
    readers = Counter(i for step in steps for i in step.inputs())
    readers[graph.output] += 1
    gone: set[int] = set()
    fused: dict[int, Step] = {}
    for step in steps:
        first = makers.get(step.source) if step.source not in fused else None
        if _is_fusible(graph, step, first, readers):
            assert first is not None
            fused[step.output] = Step(FUSED, step.operator, first.source, step.output, step.window, first)
            gone.add(first.output)
        before = fused.get(step.source)
        if before is not None and _is_projection(graph, step) and readers[step.source] == 1:
            fused[step.output] = replace(before, output=step.output, last=step)
            gone.add(before.output)
    yield from (fused.get(step.output, step) for step in steps if step.output not in gone)


def _is_fusible(graph: Graph, step: Step, first: Step | None, readers: Counter[int]) -> bool:
    if step.kind != "DEPTHWISE_CONV_2D" or first is None or first.kind != "CONV_2D" or readers[step.source] != 1:
        return False
    window, before = step.window, first.window
    height, width, channels = shape_of(graph.tensors[step.source])
    stride = window.down
    wanted = -(-height // stride), -(-width // stride), channels  # what the kernels write, without a multiplier
    return (
        (window.height, window.width, window.top, window.left) == (3, 3, 1, 1)
        and window.bottom <= 1
        and window.end <= 1
        and stride == window.right
        and stride in (1, 2)
        and (before.down, before.right) == (1, 1)
        and channels % 8 == 0
        and shape_of(graph.tensors[step.output]) == wanted
    )


def _is_projection(graph: Graph, step: Step) -> bool:
    height, width, channels = shape_of(graph.tensors[step.source])
    return step.kind == "CONV_2D" and step.window == Window(1, 1) and height * width * channels > BY_ROWS
