"""How a test face is shown: its centre, or the ten crops of Kong et al. (EAN), Figure 8."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset
from edgefer.training.augment import grey, spread

BATCH = 256


def ten_crops(faces: Tensor, crop: int) -> Iterator[Tensor]:
    """The four corners and the centre of faces (N, C, H, W), each also mirrored: ten times (N, C, crop, crop)."""
    room_y, room_x = faces.shape[2] - crop, faces.shape[3] - crop
    for top, left in ((0, 0), (0, room_x), (room_y, 0), (room_y, room_x), (room_y // 2, room_x // 2)):
        view = faces[:, :, top : top + crop, left : left + crop]
        yield view
        yield view.flip(3)


def ten_crop_probabilities(network: nn.Module, data: Dataset, arch: Arch) -> Tensor:
    """float32 (N, classes): the mean of the ten crops' softmax; the network is put into evaluation mode."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for at in range(0, len(data), BATCH):
            faces = grey(data.pixels[at : at + BATCH])
            shown = [torch.softmax(network(spread(view, arch)), 1) for view in ten_crops(faces, arch.crop)]
            parts.append(torch.stack(shown).mean(0))
    return torch.cat(parts)
