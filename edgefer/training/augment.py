"""What training does to faces, on whole batches of tensors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgefer.arch import Arch
from edgefer.runtime.preprocess import LUMA, PIXEL_MAX, Pixels, centre_crop

CPU = torch.device("cpu")
ERASED = (8, 16)  # pixels: the least and the greatest side of a square that is erased


def grey(pixels: Pixels, device: torch.device = CPU) -> Tensor:
    """uint8 (N, H, W, 1 or 3) -> float32 (N, 1, H, W) on `device`: grey in [0, 1]."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).permute(0, 3, 1, 2).float() / PIXEL_MAX
    return x if x.shape[1] == 1 else (x * torch.tensor(LUMA, device=device).view(1, 3, 1, 1)).sum(1, keepdim=True)


def to_channels(faces: Tensor, arch: Arch) -> Tensor:
    """Grey faces (N, 1, H, W) in [0, 1] -> (N, arch.channels, H, W) from arch.input_min to 1: what the network takes.

    The twin of edgefer.pipeline.fold.fold_input, which puts the same arithmetic into the exported model.
    """
    return (arch.input_min + (1 - arch.input_min) * faces).expand(-1, arch.channels, -1, -1)


def to_network(pixels: Pixels, arch: Arch, device: torch.device = CPU) -> Tensor:
    """uint8 (N, H, W, 1 or 3) -> float32 (N, arch.channels, H, W) on `device`, grey from arch.input_min to 1."""
    return to_channels(grey(pixels, device), arch)


def centre(pixels: Pixels, arch: Arch, device: torch.device = CPU) -> Tensor:
    """The centre crop, as evaluation and deployment see it: float32 (N, arch.channels, crop, crop)."""
    return to_network(centre_crop(pixels, arch.crop), arch, device)


def augment(faces: Tensor, crop: int, rotation: float, scale: float, generator: torch.Generator) -> Tensor:
    """Random crop, flip, rotation and scale in one bilinear sampling.

    faces float32 (N, 1, H, W) -> (N, 1, crop, crop); rotation in degrees, scale as a fraction, both
    uniform in +-. The crop's offset is uniform over the image, as in the papers' four corners and centre.
    With no rotation and no scale, offsets are whole pixels and nothing is sampled. Here and below `generator` draws on
    the CPU whatever the faces' device, so that a seed means the same on all of them.
    """
    if not rotation and not scale:
        return crops_and_flips(faces, crop, generator)
    count, _, height, _ = faces.shape
    u = (torch.rand(5, count, generator=generator) * 2 - 1).to(faces.device)
    angle, factor = u[0] * math.radians(rotation), (crop / height) * (1 + u[1] * scale)
    flip = torch.where(u[4] < 0, -1.0, 1.0)
    room = 1 - crop / height
    cos, sin = torch.cos(angle) * factor, torch.sin(angle) * factor
    theta = torch.stack([cos * flip, -sin, u[2] * room, sin * flip, cos, u[3] * room], dim=1).view(count, 2, 3)
    grid = functional.affine_grid(theta, [count, 1, crop, crop], align_corners=False)
    return functional.grid_sample(faces, grid, mode="bilinear", padding_mode="border", align_corners=False)


def crops_and_flips(faces: Tensor, crop: int, generator: torch.Generator) -> Tensor:
    """A crop at a random whole pixel of each face, half of them mirrored: (N, 1, H, W) -> (N, 1, crop, crop)."""
    count, _, height, width = faces.shape
    top = torch.randint(0, height - crop + 1, (count, 1), generator=generator)
    left = torch.randint(0, width - crop + 1, (count, 1), generator=generator)
    side = torch.arange(crop)
    columns = torch.where(torch.rand(count, 1, generator=generator) < 0.5, left + side, left + side.flip(0))
    rows, columns = (top + side).to(faces.device), columns.to(faces.device)
    each = torch.arange(count, device=faces.device)
    return faces[each[:, None, None], 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


def relight(faces: Tensor, contrast: float, brightness: float, generator: torch.Generator) -> Tensor:
    """Other light on grey faces (N, 1, S, S) in [0, 1], and in [0, 1] again.

    A face's distances from its mean grey are scaled by 1 +- contrast, then its mean is shifted by +- brightness,
    both uniform; with 0 and 0 they stay as they are.
    """
    if not contrast and not brightness:
        return faces
    u = (torch.rand(2, len(faces), 1, 1, 1, generator=generator) * 2 - 1).to(faces.device)
    mean = faces.mean((2, 3), keepdim=True)
    return ((faces - mean) * (1 + u[0] * contrast) + mean + u[1] * brightness).clamp(0, 1)


def erase(faces: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A square of one random grey over `share` of the faces (N, 1, S, S) (Zhong et al., "Random erasing", AAAI 2020).

    Its side is uniform in ERASED, it lies wholly in the face.
    """
    if not share:
        return faces
    u = torch.rand(5, len(faces), 1, 1, generator=generator).to(faces.device)
    size = faces.shape[-1]
    side = (ERASED[0] + u[1] * (ERASED[1] - ERASED[0])).round()
    at = torch.arange(size, device=faces.device)
    top, left = (u[2] * (size - side + 1)).floor(), (u[3] * (size - side + 1)).floor()
    rows = (at[None, :, None] >= top) & (at[None, :, None] < top + side)
    columns = (at[None, None, :] >= left) & (at[None, None, :] < left + side)
    inside = rows & columns & (u[0] < share)
    return torch.where(inside.unsqueeze(1), u[4].unsqueeze(1), faces)


def mix(faces: Tensor, labels: Tensor, beta: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Faces (N, 1, S, S) and soft labels (N, classes), each mixed with another of the batch (Zhang et al., 2018).

    One share a batch, from Beta(beta, beta); with beta 0 they stay as they are.
    """
    if not beta:
        return faces, labels
    seed = int(torch.randint(2**62, (), generator=generator))
    share = float(np.random.default_rng(seed).beta(beta, beta))
    other = torch.randperm(len(faces), generator=generator).to(faces.device)
    return share * faces + (1 - share) * faces[other], share * labels + (1 - share) * labels[other]
