"""What training's settings on a CPU bring: seconds per batch, in one run; a record and its table.

    python benchmarks/training.py

The naive loop is what a tutorial has: a Dataset of PIL images, transforms one by one, a DataLoader with two workers,
float32, torch's own memory layout. The others are edgefer's loop, a setting more in each row. Batches of 128 made
faces, crops and flips, forward, backward and step; the median of all batches of a setting. Then what bfloat16 does to
a network of depthwise convolutions and to one of dense ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from edgefer.arch import Arch, get_arch
from edgefer.runtime import machine, records
from edgefer.runtime.terminal_table import markdown
from edgefer.training import loop, recipes
from edgefer.training.augment import augment, grey
from edgefer.training.evaluation import pixel_logits
from edgefer.training.torch_settings import deterministic, keep_freed_pages

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "results" / "training.json", HERE / "tables" / "training.md"
BATCH, BATCHES, THREADS, WORKERS, SIDE, CROP = 128, 40, 2, 2, 48, 44
FACES = np.random.default_rng(0).integers(0, 256, (BATCH * BATCHES, SIDE, SIDE, 1), dtype=np.uint8)
LABELS = torch.arange(len(FACES)) % 7


class Pictures(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Faces as PIL images, cropped and mirrored one by one."""

    def __len__(self) -> int:
        """How many."""
        return len(FACES)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """A face as float32 (3, 44, 44) and its label."""
        left, top = (int(torch.randint(0, SIDE - CROP + 1, ())) for _ in range(2))
        image = Image.fromarray(FACES[index, :, :, 0]).convert("RGB").crop((left, top, left + CROP, top + CROP))
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255, int(LABELS[index])


def naive() -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as a DataLoader gives them."""
    yield from torch.utils.data.DataLoader(Pictures(), BATCH, shuffle=True, num_workers=WORKERS)


def batches(layout: torch.memory_format) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as edgefer makes them: augmented as tensors, all at once."""
    random = torch.Generator().manual_seed(0)
    for index in torch.randperm(len(FACES), generator=random).split(BATCH):
        x = augment(grey(FACES[index.numpy()]), CROP, recipes.Augmentation(), random).expand(-1, 3, -1, -1)
        yield x.contiguous(memory_format=layout), LABELS[index]


def seconds(shown: Iterator[tuple[Tensor, Tensor]], network: nn.Module) -> float:
    """Median seconds from batch to batch."""
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True)
    taken, began = [], time.perf_counter()
    for x, y in shown:
        optimizer.zero_grad()
        functional.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        taken.append(time.perf_counter() - began)
        began = time.perf_counter()
    return median(taken)


def measure() -> dict[str, Any]:
    """The settings in turn; the allocator's can't be taken back, so it and what follows come last."""
    torch.set_num_threads(THREADS)
    ean, last = get_arch("ean"), torch.channels_last
    plain = torch.contiguous_format
    settings = {
        f"naive: PIL, DataLoader with {WORKERS} workers": seconds(naive(), ean.build(seed=0)),
        "faces in memory, augmented in batches": seconds(batches(plain), ean.build(seed=0)),
        "and channels last": seconds(batches(last), ean.build(seed=0).to(memory_format=last)),  # type: ignore[call-overload]
    }
    evaluation = {"as torch has it": evaluated(ean)}
    keep_freed_pages()
    evaluation["freed pages kept, as in edgefer's commands"] = evaluated(ean)
    settings["and freed pages kept"] = seconds(batches(last), ean.build(seed=0).to(memory_format=last))  # type: ignore[call-overload]

    def started() -> float:
        return seconds(batches(last), loop.start(ean, recipes.get_recipe("plain")).network.train())

    settings["and ReLU in place"] = started()
    torch.use_deterministic_algorithms(True)
    settings["and deterministic, new tensors filled with nan"] = started()
    torch.use_deterministic_algorithms(False)
    with deterministic(True):
        settings["and not filled, which is edgefer's loop"] = started()
    return {
        "seconds": settings,
        "evaluation": evaluation,
        "precision": precisions(),
        "environment": records.plain(machine.describe_environment(("torch",), THREADS)),
    }


def evaluated(arch: Arch) -> float:
    """Median seconds in which the network answers all faces."""
    network, taken = arch.build(seed=0), []
    for _ in range(3):
        began = time.perf_counter()
        pixel_logits(network, FACES, arch)
        taken.append(time.perf_counter() - began)
    return median(taken)


def precisions() -> dict[str, dict[str, float]]:
    """By network and precision, edgefer's own step: seconds a batch."""
    speeds: dict[str, dict[str, float]] = {}
    for arch in (get_arch("ean"), get_arch("teacher")):
        for name in recipes.PRECISIONS:
            recipe = replace(recipes.get_recipe("plain"), precision=name)
            state = loop.start(arch, recipe)
            taken = []
            for x, y in batches(torch.channels_last):
                batch = loop.Batch(x[:, :1], functional.one_hot(y, 7).float())
                began = time.perf_counter()
                loop.step(state, state.network, recipe, arch, [], batch)
                taken.append(time.perf_counter() - began)
            speeds.setdefault(arch.name, {})[name] = median(taken)
    return speeds


def render(record: dict[str, Any]) -> str:
    """The table, as Markdown."""
    settings = record["seconds"]
    first = next(iter(settings.values()))
    rows = [
        (name, f"{1000 * took:.0f} ms", f"{BATCH / took:,.0f}", f"{first / took:.2f}")
        for name, took in settings.items()
    ]
    speeds = [
        (name, *(f"{BATCH / took[each]:,.0f}" for each in recipes.PRECISIONS))
        for name, took in record["precision"].items()
    ]
    answers = [(name, f"{took:.2f} s", f"{len(FACES) / took:,.0f}") for name, took in record["evaluation"].items()]
    machine = record["environment"]
    return (
        "# Training on a CPU\n\nGenerated by `python benchmarks/training.py`; not edited by hand.\n\nEAN:\n\n"
        f"{markdown(('setting', f'batch of {BATCH}', 'images a second', 'times as fast'), rows)}\n\n"
        f"EAN's answers to {len(FACES):,} faces, as `edgefer eval` asks for them:\n\n"
        f"{markdown(('setting', 'time', 'images a second'), answers)}\n\n"
        "The step alone, in images a second: bfloat16 pays where convolutions are dense.\n\n"
        f"{markdown(('network', *recipes.PRECISIONS), speeds)}\n\n"
        f"{machine['cpu']}, {machine['threads']} threads, torch {machine['packages']['torch']}.\n"
    )


if __name__ == "__main__":
    RESULT.write_text(json.dumps(measure(), indent=2) + "\n")
    TABLE.write_text(render(json.loads(RESULT.read_text())))
