"""Networks of the user's own with weights, one of them trained for seconds on drawn pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from edgefer.data.dataset import Dataset
from edgefer.data.load import load
from edgefer.runtime.labels import LABELS
from tests.cli import made
from tests.pipeline.user_model import nets
from tests.pipeline.user_model.preprocessing import preprocess

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.3, 0.2)
COLOUR = f"""
name = "colour"
labels = {list(nets.LABELS)}
input = "3x{nets.SIDE}x{nets.SIDE}"
resize = 44
crop = {nets.SIDE}
color = "bgr"
range = [0, 1]
mean = {list(MEAN)}
std = {list(STD)}
output = "logits"
"""


class Ran(made.Ran):
    """What a command left behind that converters may print into."""

    def fine(self) -> str:
        """Assert that it went well; returns standard output (and what converters print, see runtime.quiet)."""
        assert self.code == 0 and "edgefer:" not in self.err, self
        return self.out


Run = Callable[..., Ran]
BASE = ("build", "--target", "onnx-fp32", "--labels", ",".join(nets.LABELS))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`edgefer` with arguments, in this process."""
    yield from made.in_process(Ran, monkeypatch, capfd)


@pytest.fixture
def build(run: Run, tmp_path: Path) -> Run:
    """`edgefer build`, with the labels unless others are given, into a folder that must not be there afterwards."""

    def do(*words: object) -> Ran:
        base = BASE[:-2] if "--labels" in words else BASE
        ran = run(*base, "--out", tmp_path / "dist", *words)
        assert not (tmp_path / "dist").exists()
        return ran

    return do


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image folder of coloured pictures of all seven classes: a bright band tells which, its colour nothing."""
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 2), ("test", 8)):
        for number, name in enumerate(LABELS):
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                face = random.integers(0, 90, (44, 44, 3)) + random.integers(0, 60, 3)
                face[3 + 5 * number : 9 + 5 * number] += random.integers(60, 106, 3)
                Image.fromarray(face.astype(np.uint8)).save(folder / split / name / f"{index}.png")
    return folder


def known(faces: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Faces of the five classes that nets.LABELS has, and their place there; written apart from edgefer's."""
    place = {"happy": 0, "neutral": 1, "angry": 2, "sad": 3, "surprise": 4}
    kept = [i for i, label in enumerate(faces.labels) if faces.names[label] in place]
    return faces.pixels[kept], np.array([place[faces.names[faces.labels[i]]] for i in kept])


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contract") / "c.toml"
    path.write_text(COLOUR)
    return path


@pytest.fixture(scope="session")
def trained(data: Path) -> nn.Module:
    """nets.colour, which tells the drawn classes apart: int8 can agree with what is sure of its answer."""
    torch.manual_seed(0)
    pixels, labels = known(load(data, 44).split("Training"))
    network, x, y = nets.colour(), preprocess(pixels, nets.SIDE, "bgr", (0, 1), MEAN, STD), torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    network.train()
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(x), y, label_smoothing=0.1).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="session")
def weights(trained: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(trained, tmp_path_factory.mktemp("weights") / "colour.safetensors")


def write(network: nn.Module, path: Path) -> Path:
    """Its weights as a file, without what batch norms count."""
    tensors = {k: v.contiguous() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(tensors, path)
    return path
