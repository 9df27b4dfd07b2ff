"""What training does to faces, on whole batches of tensors."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgefer.arch import Arch
from edgefer.runtime.preprocess import LUMA, PIXEL_MAX, Pixels, centre_crop
from edgefer.training.recipes import Augmentation

CPU = torch.device("cpu")
DRAWS = 13  # random numbers behind a view of a face: 5 of its place, 2 of its light, 5 of what is hidden, 1 of blur
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


def augment(faces: Tensor, crop: int, how: Augmentation, generator: torch.Generator) -> Tensor:
    """A random view of each face: float32 (N, 1, H, W) in [0, 1] -> (N, 1, crop, crop).

    With no rotation and no scale, crops are at whole pixels and nothing is sampled. Here and below `generator` draws
    on the CPU whatever the faces' device, so that a seed means the same on all of them.
    """
    if how.rotation or how.scale:
        return view(faces, crop, how, draw(how, len(faces), generator))
    cropped = crops_and_flips(faces, crop, generator)
    return _change(cropped, how, draw(how, len(faces), generator))


def draw(how: Augmentation, count: int, generator: torch.Generator) -> Tensor:
    """The random numbers behind a view of each of `count` faces: float32 (DRAWS, count) in [0, 1).

    Only what `how` varies is drawn; the rest is 0.
    """
    varied = ((5, how.rotation or how.scale), (2, how.contrast or how.brightness), (5, how.erase), (1, how.blur))
    return torch.cat(
        [torch.rand(rows, count, generator=generator) if used else torch.zeros(rows, count) for rows, used in varied]
    )


def view(faces: Tensor, crop: int, how: Augmentation, draws: Tensor) -> Tensor:
    """The view of each face that its column of `draws` (DRAWS, N) means: (N, 1, H, W) -> (N, 1, crop, crop)."""
    return _change(warp(faces, crop, how, draws), how, draws)


def _change(faces: Tensor, how: Augmentation, draws: Tensor) -> Tensor:
    return erase(relight(blur(faces, how, draws[12]), how, draws[5:7]), how, draws[7:12])


def warp(faces: Tensor, crop: int, how: Augmentation, draws: Tensor) -> Tensor:
    """Crop, flip, rotation and scale in one bilinear sampling: (N, 1, H, W) -> (N, 1, crop, crop).

    rotation in degrees, scale as a fraction, both uniform in +-. The crop's offset is uniform over the image, as in the
    papers' four corners and centre. draws (5 or more, N) in [0, 1).
    """
    count, _, height, _ = faces.shape
    u = (draws * 2 - 1).to(faces.device)
    angle, factor = u[0] * math.radians(how.rotation), (crop / height) * (1 + u[1] * how.scale)
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


def blur(faces: Tensor, how: Augmentation, draws: Tensor) -> Tensor:
    """Half of the faces (N, 1, S, S) are blurred by a Gaussian: sharp lenses and large faces are not a camera's rule.

    Its standard deviation is uniform from 0 to how.blur pixels. draws (N,) in [0, 1).
    """
    if not how.blur:
        return faces
    deviation = (how.blur * (2 * draws - 1)).clamp_min(1e-3).to(faces.device)  # as good as none for the other half
    radius = math.ceil(3 * how.blur)
    at = torch.arange(-radius, radius + 1, device=faces.device)
    kernel = torch.softmax(-(at**2) / (2 * deviation[:, None] ** 2), 1)[:, None, :]
    padded = functional.pad(faces, (radius,) * 4, mode="replicate").transpose(0, 1)
    rows = functional.conv2d(padded, kernel[:, :, None, :], groups=len(faces))
    return functional.conv2d(rows, kernel[:, :, :, None], groups=len(faces)).transpose(0, 1)


def relight(faces: Tensor, how: Augmentation, draws: Tensor) -> Tensor:
    """Other light on grey faces (N, 1, S, S) in [0, 1], and in [0, 1] again.

    A face's distances from its mean grey are scaled by 1 +- contrast, then its mean is shifted by +- brightness,
    both uniform; with 0 and 0 they stay as they are. draws (2, N) in [0, 1).
    """
    if not how.contrast and not how.brightness:
        return faces
    u = (draws * 2 - 1).view(2, -1, 1, 1, 1).to(faces.device)
    mean = faces.mean((2, 3), keepdim=True)
    return ((faces - mean) * (1 + u[0] * how.contrast) + mean + u[1] * how.brightness).clamp(0, 1)


def erase(faces: Tensor, how: Augmentation, draws: Tensor) -> Tensor:
    """A square of one random grey over the share `how.erase` of the faces (N, 1, S, S).

    Its side is uniform in ERASED, it lies wholly in the face. draws (5, N) in [0, 1). Zhong et al., "Random erasing",
    AAAI 2020.
    """
    if not how.erase:
        return faces
    u = draws.view(5, -1, 1, 1).to(faces.device)
    size = faces.shape[-1]
    side = (ERASED[0] + u[1] * (ERASED[1] - ERASED[0])).round()
    at = torch.arange(size, device=faces.device)
    top, left = (u[2] * (size - side + 1)).floor(), (u[3] * (size - side + 1)).floor()
    rows = (at[None, :, None] >= top) & (at[None, :, None] < top + side)
    columns = (at[None, None, :] >= left) & (at[None, None, :] < left + side)
    inside = rows & columns & (u[0] < how.erase)
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
