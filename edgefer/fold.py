"""Folding: batch norm into the convolutions, preprocessing arithmetic into the first of them.

Both return a copy; the caller's network is untouched.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from edgefer.data.preprocess import LUMA, PIXEL_MAX
from edgefer.errors import ExportFailed


def fold(network: nn.Module) -> fx.GraphModule:
    """A copy in evaluation mode in which every batch norm is part of the layer before it.

    Computed in double precision, returned in single. Raises ExportFailed if a batch norm follows
    nothing that it can be folded into.
    """
    exact = copy.deepcopy(network).eval().double()
    folded = fuse(exact, inplace=True).float()
    left = [name for name, m in folded.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if left:
        raise ExportFailed(
            f"batch norm {left[0]} follows no convolution or linear layer of its own: it can't be folded away."
        )
    assert isinstance(folded, fx.GraphModule)
    return folded


def fold_input(folded: fx.GraphModule) -> fx.GraphModule:
    """A copy whose first convolution takes RGB pixel values 0..255 instead of a grey face in [0, 1].

    grey/255 on three equal channels, then weights w_c, is the same linear map as R, G, B with
    weights luma_c / 255 * sum(w); zero padding is black before and after. So the grey formula and the
    scaling cost nothing and the app does neither.
    """
    network = copy.deepcopy(folded)
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None or first.in_channels != 3:
        raise ExportFailed("the network does not begin with a convolution over three channels.")
    luma = torch.tensor(LUMA, dtype=torch.float64).view(1, 3, 1, 1)
    exact = first.weight.detach().double().sum(1, keepdim=True) * luma / PIXEL_MAX
    first.weight = nn.Parameter(exact.float(), requires_grad=False)
    return network


class Deployed(nn.Module):
    """What is exported: float (N, 3, crop, crop) RGB pixel values 0..255 -> (N, classes) probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = fold_input(fold(network))

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        return torch.softmax(self.network(pixels), dim=1)
