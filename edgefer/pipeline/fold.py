"""Folding: batch norm into the convolutions, preprocessing arithmetic into the first of them.

Both return a copy; the caller's network is untouched.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from edgefer.arch.model_contract import ModelContract
from edgefer.runtime.errors import ExportFailed
from edgefer.runtime.preprocess import LUMA, PIXEL_MAX


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


def fold_input(folded: fx.GraphModule, input_min: float = 0.0) -> fx.GraphModule:
    """A copy whose first convolution takes RGB pixel values 0..255 instead of a grey face in [input_min, 1].

    grey/255 on three equal channels, then weights w_c, is the same linear map as R, G, B with
    weights luma_c / 255 * sum(w); one channel is the same with a sum over one. Zero padding is black before
    and after where input_min is 0. Where it is not, input_min * sum(w) goes into the bias, and there must be no
    padding.
    """
    network = copy.deepcopy(folded)
    first = _first_convolution(network, input_min)
    luma = torch.tensor(LUMA, dtype=torch.float64, device=first.weight.device).view(1, 3, 1, 1)
    total = first.weight.detach().double().sum(1, keepdim=True)
    if input_min:
        shift = input_min * total.sum((1, 2, 3)) + (0.0 if first.bias is None else first.bias.detach().double())
        first.bias = nn.Parameter(shift.float(), requires_grad=False)
    first.weight = nn.Parameter((total * luma * (1 - input_min) / PIXEL_MAX).float(), requires_grad=False)
    first.in_channels = len(LUMA)
    return network


def _first_convolution(network: fx.GraphModule, input_min: float) -> nn.Conv2d:
    """The convolution that alone reads the input, directly or behind a padding with zeros."""
    node: fx.Node = next(iter(network.graph.nodes))
    padded = False
    while len(node.users) == 1:
        node = next(iter(node.users))
        module = called(network, node)
        if isinstance(module, nn.Conv2d) and module.in_channels in (1, 3) and module.groups == 1:
            if input_min and (padded or any(module.padding)):
                message = f"the first convolution pads with zeros, which are not black from {input_min:g} to 1."
                raise ExportFailed(message)
            return module
        if not pads_with_zeros(node, module):
            break
        padded = True
    raise ExportFailed("the network does not begin with a convolution over one or three channels.")


def pads_with_zeros(node: fx.Node, module: nn.Module | None) -> bool:
    """Whether a node, which calls `module` if it calls one, does nothing but pad with zeros."""
    if node.target is functional.pad:
        given = dict(zip(("mode", "value"), node.args[2:], strict=False)) | node.kwargs
        return given.get("mode", "constant") == "constant" and not given.get("value")
    return isinstance(module, nn.ZeroPad2d)


class DeployableModel(nn.Module):
    """What is exported: float (N, 3, crop, crop) RGB pixel values 0..255 -> (N, classes) probabilities."""

    # Converters write a class's full name into the names of tensors, which files and recorded ranges hold.
    __module__, __qualname__ = "edgefer.fold", "Deployed"

    def __init__(self, network: nn.Module, input_min: float = 0.0, user_model: ModelContract | None = None) -> None:
        super().__init__()
        self.logits = user_model is None or user_model.output == "logits"
        if user_model is None:
            self.network = fold_input(fold(network), input_min)
            return
        from edgefer.pipeline.user_model.preprocess import put_inside

        self.network = fold(network)
        self.preprocessing = put_inside(self.network, user_model.affine)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        answer: Tensor = self.network(pixels)
        return torch.softmax(answer, dim=1) if self.logits else answer
