"""What users do to a face before their network sees it, in torch: the same for reference and for export."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from edgefer.arch.model_contract import Affine
from edgefer.pipeline.fold import called, pads_with_zeros

FOLDED = "folded into the first convolution"
IN_FRONT = "an exact 1x1 convolution in front: {}"


@dataclass(frozen=True)
class Linear:
    """An affine map of a pixel in double precision: weights (C, K), shift (C)."""

    weights: Tensor
    shift: Tensor


def linear(affine: Affine) -> Linear:
    """The map as tensors."""
    return Linear(torch.tensor(affine.weights, dtype=torch.float64), torch.tensor(affine.shift, dtype=torch.float64))


def to_network(pixels: Tensor, affine: Affine) -> Tensor:
    """RGB pixels 0..255 (N, 3, H, W) -> float32 (N, C, H, W), what the user's network takes."""
    given = linear(affine)
    return (torch.einsum("ck,nkhw->nchw", given.weights, pixels.double()) + given.shift.view(1, -1, 1, 1)).float()


def put_inside(folded: fx.GraphModule, affine: Affine) -> str:
    """Let the network, in place, take RGB pixels 0..255; returns how that was done.

    Folded into the first convolution where that is exact: it alone reads the input, and either its zero padding is
    black or it has none. Otherwise a 1x1 convolution before everything else does the same arithmetic.
    """
    given = _absorb(folded, linear(affine))
    first, obstacle = _first(folded, shifted=bool(given.shift.any()))
    if first is None:
        _put_in_front(folded, given)
        return IN_FRONT.format(obstacle)
    weights = first.weight.detach().double()
    bias = torch.zeros(len(weights)) if first.bias is None else first.bias.detach()
    moved = bias.double() + torch.einsum("ocxy,c->o", weights, given.shift)
    if first.bias is not None or given.shift.any():
        first.bias = nn.Parameter(moved.float(), requires_grad=False)
    first.weight = nn.Parameter(
        torch.einsum("ocxy,ck->okxy", weights, given.weights).float().contiguous(), requires_grad=False
    )
    first.in_channels = given.weights.shape[1]
    return FOLDED


def _absorb(folded: fx.GraphModule, given: Linear) -> Linear:
    """Take scalings and shifts of each channel at the input out of the graph and into the map."""
    start = next(iter(folded.graph.nodes))
    while (node := _only_user(start)) is not None:
        layer = _layer(folded, node)
        if not _is_scaling(layer):
            break
        assert isinstance(layer, nn.Conv2d)
        scale = layer.weight.detach().double().flatten()
        shift = torch.zeros(len(scale)) if layer.bias is None else layer.bias.detach()
        given = Linear(scale[:, None] * given.weights, scale * given.shift + shift.double())
        node.replace_all_uses_with(start)
        folded.graph.erase_node(node)
    folded.recompile()
    return given


def _is_scaling(layer: nn.Module | None) -> bool:
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == layer.in_channels == layer.out_channels
        and (layer.kernel_size, layer.stride, layer.padding) == ((1, 1), (1, 1), (0, 0))
    )


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _layer(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that this node alone calls."""
    if node.op != "call_module" or sum(each.target == node.target for each in graph.graph.nodes) > 1:
        return None
    return graph.get_submodule(str(node.target))


def _first(graph: fx.GraphModule, shifted: bool) -> tuple[nn.Conv2d | None, str]:
    """The convolution that the map can be folded into, or why there is none."""
    node, padded = _only_user(next(iter(graph.graph.nodes))), False
    while node is not None and pads_with_zeros(node, called(graph, node)):
        node, padded = _only_user(node), True
    layer = None if node is None else _layer(graph, node)
    if not isinstance(layer, nn.Conv2d) or layer.groups > 1 or layer.padding_mode != "zeros":
        return None, "no convolution over all channels reads the input alone"
    if shifted and (padded or layer.padding not in ((0, 0), 0, "valid")):
        return None, "the first convolution pads with zeros, which are not black"
    return layer, ""


def _put_in_front(graph: fx.GraphModule, given: Linear) -> None:
    start = next(iter(graph.graph.nodes))
    channels, colours = given.weights.shape
    front = nn.Conv2d(colours, channels, 1)
    front.weight = nn.Parameter(given.weights.float().view(channels, colours, 1, 1), requires_grad=False)
    front.bias = nn.Parameter(given.shift.float(), requires_grad=False)
    graph.add_submodule("preprocessing", front.eval())
    with graph.graph.inserting_after(start):
        made = graph.graph.call_module("preprocessing", (start,))
    start.replace_all_uses_with(made, delete_user_cb=lambda user: user is not made)
    graph.recompile()
