"""Mix Transformer with a fusion block.

Safavi, Patel and Vinjamuri, "Towards efficient deep learning models for facial expression recognition
using transformers", BSN 2023, section II and Table I; the transformer is MiT-B0 of SegFormer (Xie et al.,
NeurIPS 2021, appendix A). Table I prints 128 channels for the third block, but only MiT-B0's 160 gives
the 3.45 M parameters of Table II.

Attention is plain products and a softmax over shapes that are known when the network is built, which
every converter takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-6  # of the layer norms inside and behind the blocks, as in SegFormer


@dataclass(frozen=True)
class Stage:
    """Patch embedding (kernel, stride), channels, blocks, heads, and what keys and values are reduced by."""

    kernel: int
    stride: int
    channels: int
    depth: int
    heads: int
    reduction: int


@dataclass(frozen=True)
class Variant:
    """The four stages, the side of the input, and the MLPs' expansion."""

    stages: tuple[Stage, Stage, Stage, Stage]
    side: int = 224
    expansion: int = 4


_B0 = (Stage(7, 4, 32, 2, 1, 8), Stage(3, 2, 64, 2, 2, 4), Stage(3, 2, 160, 2, 5, 2), Stage(3, 2, 256, 2, 8, 1))
VARIANTS = {"mit-fusion": Variant(_B0)}


def _to_map(x: Tensor, side: int) -> Tensor:  # (N, L, C) -> (N, C, S, S), L = S x S
    return torch.unflatten(x.transpose(1, 2), 2, (side, side))


def _to_tokens(x: Tensor) -> Tensor:  # (N, C, S, S) -> (N, L, C)
    return x.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Efficient self-attention, equation 1: keys and values come from a map reduced by `reduction`."""

    def __init__(self, channels: int, heads: int, reduction: int, side: int) -> None:
        super().__init__()
        self.side, self.heads, self.width = side, heads, channels // heads
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.reduce = nn.Conv2d(channels, channels, reduction, reduction) if reduction > 1 else None
        self.norm: nn.Module = nn.LayerNorm(channels) if reduction > 1 else nn.Identity()  # torch's own epsilon

    def _heads(self, x: Tensor) -> Tensor:  # (N, L, C) -> (N, heads, L, C / heads)
        return torch.unflatten(x, 2, (self.heads, self.width)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:  # (N, L, C) -> (N, L, C)
        source = x if self.reduce is None else self.norm(_to_tokens(self.reduce(_to_map(x, self.side))))
        query = self._heads(self.query(x))
        key, value = self.key_value(source).chunk(2, dim=2)
        scores = torch.matmul(query * self.width**-0.5, self._heads(key).transpose(2, 3))
        mixed = torch.matmul(torch.softmax(scores, dim=3), self._heads(value))
        found: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return found


class MixFFN(nn.Module):
    """An MLP with a 3x3 depthwise convolution inside, which stands for positions: (N, L, C) -> (N, L, C)."""

    def __init__(self, channels: int, expansion: int, side: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.side = side
        self.expand = nn.Linear(channels, wide)
        self.depthwise = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.act = nn.GELU()
        self.project = nn.Linear(wide, channels)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.act(_to_tokens(self.depthwise(_to_map(self.expand(x), self.side))))
        found: Tensor = self.project(wide)
        return found


class Block(nn.Module):
    """Attention and MixFFN, each behind a layer norm and beside a shortcut: (N, L, C) -> (N, L, C)."""

    def __init__(self, stage: Stage, expansion: int, side: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(stage.channels, EPSILON)
        self.attention = Attention(stage.channels, stage.heads, stage.reduction, side)
        self.norm2 = nn.LayerNorm(stage.channels, EPSILON)
        self.mlp = MixFFN(stage.channels, expansion, side)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class TransformerStage(nn.Module):
    """Overlapped patch embedding, blocks, layer norm: (N, C, S, S) -> (N, D, S / stride, S / stride)."""

    def __init__(self, inputs: int, stage: Stage, expansion: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.embed = nn.Conv2d(inputs, stage.channels, stage.kernel, stage.stride, stage.kernel // 2)
        self.norm1 = nn.LayerNorm(stage.channels)
        self.blocks = nn.Sequential(*[Block(stage, expansion, side) for _ in range(stage.depth)])
        self.norm2 = nn.LayerNorm(stage.channels, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.blocks(self.norm1(_to_tokens(self.embed(x))))
        return _to_map(self.norm2(tokens), self.side)


class MiTFusion(nn.Module):
    """(N, 3, 224, 224), a grey face in [0, 1] on three channels -> (N, classes) logits."""

    def __init__(self, variant: Variant, classes: int = 7) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        channels, side = 3, variant.side
        for stage in variant.stages:  # 56, 28, 14, 7
            side //= stage.stride
            stages.append(TransformerStage(channels, stage, variant.expansion, side))
            channels = stage.channels
        self.stages = nn.ModuleList(stages)
        self.pools = nn.ModuleList([nn.MaxPool2d(8), nn.MaxPool2d(4), nn.MaxPool2d(2), nn.Identity()])
        self.fuse = nn.Conv2d(sum(stage.channels for stage in variant.stages), channels, 1)
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        small = []
        for stage, pool in zip(self.stages, self.pools, strict=True):
            x = stage(x)
            small.append(pool(x))  # (N, C, 7, 7)
        x = x + x * self.fuse(torch.cat(small, dim=1))  # equation 2
        # Contiguous: pooling of a transposed map is exported with an as_strided behind it, which ncnn hasn't.
        mean = functional.adaptive_avg_pool2d(x.contiguous(), 1).flatten(1)
        logits: Tensor = self.fc(self.dropout(mean))
        return logits


def make(variant: str, classes: int) -> nn.Module:
    """The network called `variant` in VARIANTS."""
    return MiTFusion(VARIANTS[variant], classes)
