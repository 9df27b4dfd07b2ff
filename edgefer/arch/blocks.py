"""What several networks are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def conv_bn(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, epsilon: float = 1e-5
) -> list[nn.Module]:
    """A convolution without bias that keeps the side (over its stride), and batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs, epsilon)]


class GlobalPool(nn.Module):
    """The mean of each channel: (N, C, S, S) -> (N, C, 1, 1), as the function.

    The papers' counting tools see nn.AdaptiveAvgPool2d and don't see the function, so a network
    takes the one that its paper's figures have counted. Exported they are the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(x, 1)


def global_pool(counted: bool) -> nn.Module:
    """Global average pooling, as the module that the tools count or as the function that they don't."""
    return nn.AdaptiveAvgPool2d(1) if counted else GlobalPool()
