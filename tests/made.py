"""Data made for tests: drawn, never a face of a data set."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from edgefer.arch import get_arch
from edgefer.data.dataset import SPLITS, Dataset, other_synthetic_faces
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.labels import FERPLUS, FERPLUS_NAME, LABELS
from edgefer.training import evaluation
from edgefer.training.weights import load_trained_model

SIDE = 48
SHIPPED = sorted(path.stem for path in shipped_folder("weights").glob("*.safetensors"))  # networks with weights


def pictures(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (N, 48, 48): noise with a bright band whose height tells the label, so that it can be learnt."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 120, (len(labels), SIDE, SIDE), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 6 * label : 9 + 6 * label] += 130
    return images


def write_csv(path: Path, per_class: dict[str, int] | None = None, seed: int = 0) -> Path:
    """A fer2013.csv with so many made images of each of the seven classes per split."""
    counts = per_class or {"Training": 8, "PublicTest": 3, "PrivateTest": 3}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("emotion", "pixels", "Usage"))
        for number, (usage, count) in enumerate(counts.items()):
            labels = np.tile(np.arange(7), count)
            for label, image in zip(labels, pictures(labels, seed + number), strict=True):
                writer.writerow((label, " ".join(map(str, image.ravel())), usage))
    return path


@cache
def sure_faces() -> Dataset:
    """21 drawn faces, (N, 48, 48, 1), that the shipped EAN is sure of: int8 answers as float does, on any machine."""
    arch, drawn = get_arch("ean"), other_synthetic_faces(256).resized(SIDE)
    grey = replace(drawn, pixels=np.asarray(drawn.pixels)[..., :1])
    surest = evaluation.logits(load_trained_model(arch, None).network, grey, arch).topk(2).values
    return grey.take((surest[:, 0] - surest[:, 1]).argsort(descending=True)[:21].numpy())


def write_sure_csv(path: Path) -> Path:
    """A fer2013.csv of `sure_faces`, labelled in turn."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("emotion", "pixels", "Usage"))
        for number, face in enumerate(np.asarray(sure_faces().pixels)):
            pixels = " ".join(map(str, face.ravel()))
            writer.writerows((number % len(LABELS), pixels, split) for split in SPLITS)
    return path


def write_votes(csv_path: Path) -> Path:
    """A fer2013new.csv beside a made fer2013.csv: eight of ten annotators see the label, two see neutral."""
    with csv_path.open(newline="") as file:
        rows = [(row["Usage"], int(row["emotion"])) for row in csv.DictReader(file)]
    path = csv_path.with_name("fer2013new.csv")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("Usage", "Image name", *FERPLUS))
        for number, (usage, label) in enumerate(rows):
            votes = [0] * len(FERPLUS)
            votes[FERPLUS.index(FERPLUS_NAME[LABELS[label]])] += 8
            votes[0] += 2
            writer.writerow((usage, f"fer{number:07}.png", *votes))
    return path


def shake(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every batch norm statistics as a trained network has them, so that folding has work to do."""
    random = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            size = module.num_features
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(torch.randn(size, generator=random) * 0.5)
            module.running_var.copy_(torch.rand(size, generator=random) * 2 + 0.1)
            module.weight.data.copy_(torch.rand(size, generator=random) + 0.5)
            module.bias.data.copy_(torch.randn(size, generator=random) * 0.3)
    return network


def untrained(name: str, seed: int = 0) -> nn.Module:
    """A network with random weights and shaken statistics, in evaluation mode."""
    torch.manual_seed(seed)
    return shake(get_arch(name).build(), seed).eval()


def write_weights(path: Path, name: str, seed: int = 0) -> Path:
    """A weights file of an untrained network."""
    tensors = {key: value.contiguous() for key, value in untrained(name, seed).state_dict().items()}
    save_file(tensors, path, metadata={"arch": name})
    return path


def write_fer2013(npz: Path, path: Path) -> None:
    """The real fer2013.csv from the arrays it travels in."""
    arrays, words = np.load(npz), [str(pixel) for pixel in range(256)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("emotion", "pixels", "Usage"))
        for label, image, usage in zip(arrays["emotion"], arrays["pixels"], arrays["usage"], strict=True):
            pixels = " ".join([words[pixel] for pixel in image.tobytes()])
            writer.writerow((int(label), pixels, SPLITS[usage]))


def golden(name: str, text: str) -> None:
    """Compare with a file of tests/golden; EDGEFER_UPDATE_GOLDEN=1 writes it anew: read the difference then."""
    path = Path(__file__).parent / "golden" / name
    if os.environ.get("EDGEFER_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
