"""Folding: batch norm into the convolutions, preprocessing arithmetic into the first of them.

Both return a copy; the caller's network is untouched.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from edgefer.arch.architecture import Affine, ModelContract, Output, grey_affine
from edgefer.runtime.errors import ExportFailed

FOLDED = "folded into the first convolution"
IN_FRONT = "an exact 1x1 convolution in front: {}"


def fold(network: nn.Module) -> fx.GraphModule:
    """A copy in evaluation mode in which every batch norm is part of the layer before it.

    A batch norm over a map that follows no layer of its own (DenseNet's, behind a concatenation)
    becomes a 1x1 depthwise convolution, which is the same map. Computed in double precision, returned
    in single. Raises ExportFailed if a batch norm over a vector follows no layer of its own.
    """
    folded = fx.symbolic_trace(copy.deepcopy(network).eval().double())
    for node in list(folded.graph.nodes):
        norm = called(folded, node)
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            _fold_norm(folded, node, norm)
    folded.graph.lint()
    folded.recompile()
    return folded.float()


def called(graph: fx.GraphModule, node: object) -> nn.Module | None:
    """The module that a node of the graph calls, if it does."""
    if isinstance(node, fx.Node) and node.op == "call_module":
        return graph.get_submodule(str(node.target))
    return None


def _fold_norm(graph: fx.GraphModule, node: fx.Node, norm: nn.modules.batchnorm._BatchNorm) -> None:
    before = node.args[0]
    layer = called(graph, before)
    assert isinstance(before, fx.Node)
    own = len(before.users) == 1 and sum(each.target == before.target for each in graph.graph.nodes) == 1
    if own and isinstance(layer, nn.Conv1d | nn.Conv2d):
        graph.set_submodule(str(before.target), fuse_conv_bn_eval(layer, norm))
    elif own and isinstance(layer, nn.Linear):
        graph.set_submodule(str(before.target), fuse_linear_bn_eval(layer, norm))
    elif isinstance(norm, nn.BatchNorm2d):
        graph.set_submodule(str(node.target), _as_convolution(norm))
        return
    else:
        raise ExportFailed(
            f"batch norm {node.target} follows no convolution or linear layer of its own: it can't be folded away."
        )
    node.replace_all_uses_with(before)
    graph.graph.erase_node(node)
    graph.delete_submodule(str(node.target))


def _as_convolution(norm: nn.BatchNorm2d) -> nn.Conv2d:
    """The same scaling and shift of each channel, as a 1x1 depthwise convolution."""
    channels = norm.num_features
    one = nn.Conv2d(channels, channels, 1, groups=channels, bias=False).to(norm.weight)
    nn.init.ones_(one.weight)
    return fuse_conv_bn_eval(one.eval(), norm)


@dataclass(frozen=True)
class _PixelMap:
    """An Affine in double precision: weights (C, K) or (1, K), shift (C) or (1)."""

    weights: Tensor
    shift: Tensor


def fold_input(folded: fx.GraphModule, affine: Affine, strict: bool = True) -> tuple[fx.GraphModule, str]:
    """A copy that takes RGB pixel values 0..255 and does `affine` itself, and how it does it.

    A convolution of the mapped pixels is a convolution of the pixels, with weights sum_c w_c * affine_c and a bias that
    has taken in the shift. So the map goes into the first convolution where that is exact: it alone reads the input,
    and either zero padding is black (there is no shift) or there is no padding. Where it is not, a 1x1 convolution
    in front does the same arithmetic or, if `strict`, ExportFailed is raised.
    """
    network = copy.deepcopy(folded)
    pixel_map = _PixelMap(*(torch.tensor(part, dtype=torch.float64) for part in (affine.weights, affine.shift)))
    pixel_map = _absorb_scalings(network, pixel_map)
    first, obstacle = _first_convolution(network, shifted=bool(pixel_map.shift.any()))
    if first is not None:
        _fold_into(first, pixel_map)
        return network, FOLDED
    if strict:
        raise ExportFailed(
            f"the network does not begin with a layer that its preprocessing can be folded into: {obstacle}."
        )
    _put_in_front(network, pixel_map)
    return network, IN_FRONT.format(obstacle)


def _absorb_scalings(network: fx.GraphModule, pixel_map: _PixelMap) -> _PixelMap:
    """Take scalings and shifts of each channel at the input out of the network and into the map."""
    start = next(iter(network.graph.nodes))
    while (node := _only_user(start)) is not None:
        layer = own_layer(network, node)
        if not _is_scaling(layer):
            break
        assert isinstance(layer, nn.Conv2d)
        scale = layer.weight.detach().double().flatten()
        shift = torch.zeros(len(scale)) if layer.bias is None else layer.bias.detach()
        pixel_map = _PixelMap(scale[:, None] * pixel_map.weights, scale * pixel_map.shift + shift.double())
        node.replace_all_uses_with(start)
        network.graph.erase_node(node)
    network.recompile()
    return pixel_map


def _is_scaling(layer: nn.Module | None) -> bool:
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == layer.in_channels == layer.out_channels
        and (layer.kernel_size, layer.stride, layer.padding) == ((1, 1), (1, 1), (0, 0))
    )


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def own_layer(network: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that this node alone calls."""
    if sum(each.target == node.target for each in network.graph.nodes) > 1:
        return None
    return called(network, node)


def _first_convolution(network: fx.GraphModule, shifted: bool) -> tuple[nn.Conv2d | None, str]:
    """The convolution that the map can be folded into, or why there is none."""
    node, padded = _only_user(next(iter(network.graph.nodes))), False
    while node is not None and pads_with_zeros(node, called(network, node)):
        node, padded = _only_user(node), True
    layer = None if node is None else own_layer(network, node)
    if not isinstance(layer, nn.Conv2d) or layer.groups > 1 or layer.padding_mode != "zeros":
        return None, "no convolution over all channels reads the input alone"
    if shifted and (padded or layer.padding not in ((0, 0), 0, "valid")):
        return None, "the first convolution pads with zeros, which are not black"
    return layer, ""


def _fold_into(first: nn.Conv2d, pixel_map: _PixelMap) -> None:
    weights = first.weight.detach().double()
    by_channel = pixel_map.weights.to(weights.device).expand(first.in_channels, -1)
    if pixel_map.shift.any():
        shift = pixel_map.shift.to(weights.device).expand(first.in_channels)
        bias = 0.0 if first.bias is None else first.bias.detach().double()
        shifted = bias + torch.einsum("ocxy,c->o", weights, shift)
        first.bias = nn.Parameter(shifted.float(), requires_grad=False)
    mapped = torch.einsum("ocxy,ck->okxy", weights, by_channel)
    first.weight = nn.Parameter(mapped.float().contiguous(), requires_grad=False)
    first.in_channels = by_channel.shape[1]


def _put_in_front(network: fx.GraphModule, pixel_map: _PixelMap) -> None:
    start = next(iter(network.graph.nodes))
    channels, colours = pixel_map.weights.shape
    front = nn.Conv2d(colours, channels, 1)
    front.weight = nn.Parameter(pixel_map.weights.float().view(channels, colours, 1, 1), requires_grad=False)
    front.bias = nn.Parameter(pixel_map.shift.float(), requires_grad=False)
    network.add_submodule("preprocessing", front.eval())
    with network.graph.inserting_after(start):
        mapped = network.graph.call_module("preprocessing", (start,))
    start.replace_all_uses_with(mapped, delete_user_cb=lambda user: user is not mapped)
    network.recompile()


def pads_with_zeros(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node, which calls `module` if it calls one, does nothing but pad with zeros."""
    if node.target is functional.pad:
        given = dict(zip(("mode", "value"), node.args[2:], strict=False)) | node.kwargs
        return given.get("mode", "constant") == "constant" and not given.get("value")
    return isinstance(module, nn.ZeroPad2d)


# What makes probabilities of a network's outputs, where it does not do so itself. Of log-probabilities a softmax is the
# exponential, and exact: they are logits whose exponentials sum to 1.
ACTIVATIONS: dict[Output, Callable[[Tensor], Tensor]] = {
    "logits": partial(torch.softmax, dim=1),
    "log-probabilities": partial(torch.softmax, dim=1),
    "sigmoid-logits": torch.sigmoid,
}


class DeployableModel(nn.Module):
    """What is exported: float (N, 3, crop, crop) RGB pixel values 0..255 -> (N, classes) probabilities.

    They sum to 1, or are independent of each other where the user's network has a sigmoid.
    """

    # Converters write a class's full name into the names of tensors, which files and recorded ranges hold.
    __module__, __qualname__ = "edgefer.fold", "Deployed"

    def __init__(self, network: nn.Module, input_min: float = 0.0, user_model: ModelContract | None = None) -> None:
        super().__init__()
        self.activation = ACTIVATIONS.get("logits" if user_model is None else user_model.output)
        affine = grey_affine(input_min) if user_model is None else user_model.affine
        self.network, self.preprocessing = fold_input(fold(network), affine, strict=user_model is None)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        answer: Tensor = self.network(pixels)
        return answer if self.activation is None else self.activation(answer)
