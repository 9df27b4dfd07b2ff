"""The accuracy of a network on faces: of their centre crops, and of the ten crops of Kong et al. (EAN), Figure 8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset, unseen_rows
from edgefer.runtime import metrics
from edgefer.runtime.preprocess import PixelRows
from edgefer.runtime.records import Scores
from edgefer.training.augment import centre, grey, to_channels

CENTRE_PIXELS = 256 * 48 * 48  # of the faces that are shown at once
TEN_CROP_BATCH = 256


def logits(network: nn.Module, data: Dataset, arch: Arch) -> Tensor:
    """float32 (N, classes) of the network of `arch` on the centre crops; it is put into evaluation mode."""
    return pixel_logits(network, data.pixels, arch)


def pixel_logits(network: nn.Module, pixels: PixelRows, arch: Arch) -> Tensor:
    """The same of faces without labels: uint8 (N, resize, resize, 1 or 3)."""
    network.eval()
    batch, device = max(1, CENTRE_PIXELS // arch.resize**2), next(network.parameters()).device
    with torch.inference_mode():
        parts = [network(centre(pixels[i : i + batch], arch, device)) for i in range(0, len(pixels), batch)]
    return torch.cat(parts).cpu()


def accuracy(network: nn.Module, data: Dataset, arch: Arch) -> float:
    """The share of the centre crops, 0 to 1, whose label has the highest logit."""
    return float((logits(network, data, arch).argmax(1).numpy() == data.labels).mean())


def ten_crops(faces: Tensor, crop: int) -> Iterator[Tensor]:
    """The four corners and the centre of faces (N, C, H, W), each also mirrored: ten times (N, C, crop, crop)."""
    room_y, room_x = faces.shape[2] - crop, faces.shape[3] - crop
    for top, left in ((0, 0), (0, room_x), (room_y, 0), (room_y, room_x), (room_y // 2, room_x // 2)):
        cropped = faces[:, :, top : top + crop, left : left + crop]
        yield cropped
        yield cropped.flip(3)


def ten_crop_probabilities(network: nn.Module, data: Dataset, arch: Arch) -> Tensor:
    """float32 (N, classes): the mean of the ten crops' softmax; the network is put into evaluation mode."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(data), TEN_CROP_BATCH):
            faces = grey(data.pixels[start : start + TEN_CROP_BATCH])
            crops = [torch.softmax(network(to_channels(crop, arch)), 1) for crop in ten_crops(faces, arch.crop)]
            parts.append(torch.stack(crops).mean(0))
    return torch.cat(parts)


def scores(network: nn.Module, arch: Arch, data: Dataset, split: str, ten_crop: bool = True) -> Scores:
    """The scores of the centre crops of a split, and the accuracy of ten crops; raises EmptyData."""
    faces = data.split(split)
    result = metrics.score(logits(network, faces, arch).numpy(), faces, unseen_rows(faces, data))
    if not ten_crop:
        return result
    ten = metrics.score(ten_crop_probabilities(network, faces, arch).numpy(), faces)
    return replace(result, ten_crop=ten.accuracy)
