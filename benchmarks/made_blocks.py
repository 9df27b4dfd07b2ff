"""Made networks, each a stem, one block or one head that networks for faces have, and what makes an answer of it.

`BLOCKS` and `HEADS` are what benchmarks/blocks.py builds for every target. A block takes (N, 8, 16, 16).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE, CHANNELS, CLASSES = 32, 8, 7


class Gate(nn.Module):
    """Squeeze and excitation: of linear layers over a vector or, with `maps`, of 1x1 convolutions."""

    def __init__(self, bias: bool, maps: bool, gate: nn.Module) -> None:
        super().__init__()
        first, last = ((nn.Conv2d, (1,)) if maps else (nn.Linear, ()) for _ in range(2))
        self.first = first[0](CHANNELS, 4, *first[1], bias=bias)
        self.last = last[0](4, CHANNELS, *last[1], bias=bias)
        self.maps, self.gate = maps, gate

    def forward(self, x: Tensor) -> Tensor:
        """The map, each channel times its gate."""
        pooled = functional.adaptive_avg_pool2d(x, 1)
        gates = self.gate(self.last(torch.relu(self.first(pooled if self.maps else pooled.flatten(1)))))
        return x * (gates if self.maps else gates[:, :, None, None])


class Eca(nn.Module):
    """Efficient channel attention: a convolution over the channels' means."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The map, each channel times its gate."""
        pooled = functional.adaptive_avg_pool2d(x, 1).flatten(1)[:, None]
        return x * torch.sigmoid(self.line(pooled)).transpose(1, 2)[..., None]


class Cbam(nn.Module):
    """CBAM as most write it: both adaptive pools of size 1, then a convolution over the channels' mean and maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.average, self.largest = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.shared = nn.Sequential(
            nn.Conv2d(CHANNELS, 4, 1, bias=False), nn.ReLU(), nn.Conv2d(4, CHANNELS, 1, bias=False)
        )
        self.places = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The map under both gates."""
        x = x * torch.sigmoid(self.shared(self.average(x)) + self.shared(self.largest(x)))
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.places(both))


class WrittenOut(nn.Module):
    """A norm over `axes` written out in one of the ways that are found."""

    def __init__(self, axes: tuple[int, ...], form: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.axes, self.form = axes, form
        self.scale = nn.Parameter(torch.ones(1, CHANNELS, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, CHANNELS, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The normalised map."""
        x = x - x.mean(self.axes, keepdim=True)
        variance = (x * x).mean(self.axes, keepdim=True)
        return self.form(x, variance + 1e-5) * self.scale + self.shift


class Rows(nn.Module):
    """Places as rows (N, places, channels) through a layer, and back."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.pool, self.layer = nn.AvgPool2d(4), layer

    def forward(self, x: Tensor) -> Tensor:
        """(N, 8, 4, 4)."""
        rows = self.layer(self.pool(x).flatten(2).transpose(1, 2))
        return rows.transpose(1, 2).unflatten(2, (4, 4))


class Attention(nn.Module):
    """Attention over rows, written out."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.every, self.out = (
            nn.LayerNorm(CHANNELS),
            nn.Linear(CHANNELS, 3 * CHANNELS),
            nn.Linear(CHANNELS, CHANNELS),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, rows, 8), added to."""
        query, key, value = self.every(self.norm(x)).chunk(3, -1)
        weights = torch.softmax(query @ key.transpose(1, 2) * CHANNELS**-0.5, -1)
        return x + self.out(weights @ value)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleDict(modules)

    def forward(self, x: Tensor) -> Tensor:
        """What the function gives."""
        return self.function(x)


class Residual(nn.Module):
    """A layer's output joined with its input."""

    def __init__(self, layer: nn.Module, join: Callable[[Tensor, Tensor], Tensor] = torch.add) -> None:
        super().__init__()
        self.layer, self.join = layer, join

    def forward(self, x: Tensor) -> Tensor:
        """Both, joined."""
        return self.join(x, self.layer(x))


def conv(size: int = 3, outputs: int = CHANNELS, **options: object) -> nn.Module:
    """A convolution that keeps the map's size, if it does not say otherwise."""
    return nn.Conv2d(CHANNELS, outputs, size, **({"padding": size // 2} | options))


def activated(activation: nn.Module) -> nn.Module:
    """Convolution, the activation, convolution."""
    return nn.Sequential(conv(), activation, conv(1))


def same(x: Tensor) -> Tensor:
    """A division of a map by a positive function of it."""
    return x / (1 + x.abs())


class Dense(nn.Module):
    """Divided by its own length: an L2 norm over the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """The map of length 1."""
        return functional.normalize(x, dim=1)


BLOCKS: dict[str, Callable[[], nn.Module]] = {
    "se": lambda: Gate(True, True, nn.Sigmoid()),
    "se-no-bias": lambda: Gate(False, True, nn.Sigmoid()),
    "se-linear": lambda: Gate(True, False, nn.Sigmoid()),
    "se-linear-no-bias": lambda: Gate(False, False, nn.Sigmoid()),
    "se-hard": lambda: Gate(False, True, nn.Hardsigmoid()),
    "eca": Eca,
    "cbam": Cbam,
    "norm-written-divide": lambda: WrittenOut((1, 2, 3), lambda x, v: x / torch.sqrt(v)),
    "norm-written-rsqrt": lambda: WrittenOut((1, 2, 3), lambda x, v: x * torch.rsqrt(v)),
    "norm-written-power": lambda: WrittenOut((1, 2, 3), lambda x, v: x * v**-0.5),
    "norm-written-channels": lambda: WrittenOut((1,), lambda x, v: x / torch.sqrt(v)),
    "layer-norm": lambda: Rows(nn.LayerNorm(CHANNELS)),
    "layer-norm-map": lambda: nn.LayerNorm([CHANNELS, 16, 16]),
    "group-norm": lambda: nn.GroupNorm(2, CHANNELS),
    "instance-norm": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
    "l2-norm": Dense,
    "softsign": lambda: Function(same),
    "batch-norm-first": lambda: nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.ReLU(), conv()),
    "prelu": lambda: activated(nn.PReLU(CHANNELS)),
    "prelu-one": lambda: activated(nn.PReLU()),
    "hard-swish": lambda: activated(nn.Hardswish()),
    "silu": lambda: activated(nn.SiLU()),
    "gelu": lambda: activated(nn.GELU()),
    "gelu-tanh": lambda: activated(nn.GELU(approximate="tanh")),
    "relu6": lambda: activated(nn.ReLU6()),
    "leaky-relu": lambda: activated(nn.LeakyReLU(0.1)),
    "elu": lambda: activated(nn.ELU()),
    "mish": lambda: activated(nn.Mish()),
    "softplus": lambda: activated(nn.Softplus()),
    "tanh": lambda: activated(nn.Tanh()),
    "depthwise-separable": lambda: nn.Sequential(conv(groups=CHANNELS, bias=False), conv(1)),
    "grouped": lambda: conv(groups=2),
    "dilated": lambda: conv(padding=2, dilation=2),
    "strided-patches": lambda: conv(4, stride=4, padding=0),
    "residual": lambda: Residual(conv()),
    "concat": lambda: Residual(conv(), lambda x, y: torch.cat([x, y], 1)),
    "channel-shuffle": lambda: nn.Sequential(conv(1, groups=2), nn.ChannelShuffle(2), conv(1, groups=2)),
    "pixel-unshuffle": lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * CHANNELS, CHANNELS, 1)),
    "pixel-shuffle": lambda: nn.PixelShuffle(2),
    "dropout": lambda: nn.Sequential(conv(), nn.Dropout2d(0.2)),
    "attention": lambda: Rows(Attention()),
    "transposed": lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 2, stride=2),
    "transposed-grouped": lambda: nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, stride=2, padding=1, groups=CHANNELS),
    "upsample-nearest": lambda: nn.Upsample(scale_factor=2),
    "upsample-bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "average-pool-4": lambda: nn.AdaptiveAvgPool2d(4),
    "average-pool-5": lambda: nn.AdaptiveAvgPool2d(5),
    "max-pool-1": lambda: nn.AdaptiveMaxPool2d(1),
    "max-pool-4": lambda: nn.AdaptiveMaxPool2d(4),
    "max-pool-5": lambda: nn.AdaptiveMaxPool2d(5),
    "max-pool-padded": lambda: nn.Sequential(conv(), nn.MaxPool2d(3, 2, 1)),
}
HEADS: dict[str, Callable[[], nn.Module]] = {
    "head-gap-linear": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(CLASSES)),
    "head-linear": lambda: nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(CLASSES)),
    "head-conv": lambda: nn.Sequential(conv(1, CLASSES), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "head-softmax": lambda: nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(CLASSES), nn.Softmax(1)),
    "head-sigmoid": lambda: nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(CLASSES), nn.Sigmoid()),
    "head-two-layers": lambda: nn.Sequential(
        nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(24, bias=False), nn.ReLU(), nn.LazyLinear(CLASSES, bias=False)
    ),
}


def make(name: str) -> nn.Module:
    """The network of a block or a head; its weights are drawn with seed 0."""
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1), nn.ReLU())
    if name in HEADS:
        network = nn.Sequential(stem, HEADS[name]())
    else:
        network = nn.Sequential(stem, BLOCKS[name](), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.LazyLinear(CLASSES))
    network(torch.zeros(1, 3, SIDE, SIDE))
    return network
