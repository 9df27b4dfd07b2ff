"""The page's arithmetic in Node beside Python's: the same bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL.Image import Resampling, fromarray

from edgefer.runtime.contract import Contract, TensorSpec, to_input, to_pixels
from edgefer.runtime.files import PACKAGE

CODE = PACKAGE / "app" / "page"
RUNNER = Path(__file__).with_name("preprocess_runner.mjs")
SIZES = [(1, 1), (2, 3), (47, 48), (48, 48), (49, 97), (48, 20), (7, 300), (640, 480), (333, 251), (1021, 13)]
SPECS = [
    TensorSpec("x", (1, 44, 44, 3), "float32"),
    TensorSpec("x", (1, 44, 44, 3), "int8", 1.0, -128),
    TensorSpec("x", (1, 44, 44, 3), "int8", 2.0, -70),  # halves, and values that must be clipped
    TensorSpec("x", (1, 44, 44, 3), "int8", 0.9137, -128),
]


def node() -> str:
    path = shutil.which("node")
    if path is None:
        pytest.skip("Node.js is not installed")
    return path


def contract_of(resize: int, crop: int, layout: str, spec: TensorSpec) -> dict[str, Any]:
    return {"resize": resize, "crop": crop, "layout": layout, "input": vars(spec)}


def as_contract(case: dict[str, Any]) -> Contract:
    made = case["contract"]
    values = dict.fromkeys(Contract.__dataclass_fields__) | made | {"input": TensorSpec(**made["input"])}
    return Contract(**values)


def same_order(image: NDArray[np.uint8], width: int, height: int) -> bool:
    """Whether this Pillow goes through rows and columns in the page's order, which is that of Pillow 13."""
    shrinks = height < image.shape[0] and image.shape[0] - height > 2 * (image.shape[1] - width)
    return not shrinks or int(version("pillow").split(".")[0]) >= 13


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], list[NDArray[np.uint8]]]:
    """Random and extreme pictures of many sizes, gone through the page's code in Node."""
    folder = tmp_path_factory.mktemp("preprocess")
    random = np.random.default_rng(7)
    images, described = [], []
    sizes = SIZES + [tuple(random.integers(1, 200, 2).tolist()) for _ in range(60)]
    for number, (width, height) in enumerate(sizes):
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if number % 5 == 1:
            image = (image > 127).astype(np.uint8) * 255
        resize = int(random.choice([48, 64, 33]))
        layout = "NHWC" if number % 2 else "NCHW"
        contract = contract_of(resize, resize - number % 6, layout, SPECS[number % len(SPECS)])
        to = random.integers(1, 150, 2).tolist()
        described.append({"width": width, "height": height, "to": to, "contract": contract})
        images.append(image)
        (folder / f"{number}.bin").write_bytes(image.tobytes())
    (folder / "cases.json").write_text(json.dumps(described))
    done = subprocess.run([node(), RUNNER, CODE, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, described, images


def test_resize_has_pillows_bytes(cases: tuple[Path, list[dict[str, Any]], list[NDArray[np.uint8]]]) -> None:
    folder, described, images = cases
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        if not same_order(image, *case["to"]):
            continue
        resized = fromarray(image).resize(tuple(case["to"]), Resampling.BILINEAR)
        assert (folder / f"{number}.resized").read_bytes() == resized.tobytes(), case


def test_input_has_pythons_bytes(cases: tuple[Path, list[dict[str, Any]], list[NDArray[np.uint8]]]) -> None:
    folder, described, images = cases
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        contract = as_contract(case)
        if not same_order(image, contract.resize, contract.resize):
            continue
        expected = to_input(to_pixels(image[None], contract), contract)
        assert (folder / f"{number}.input").read_bytes() == expected.tobytes(), case


def test_cut_is_black_outside(cases: tuple[Path, list[dict[str, Any]], list[NDArray[np.uint8]]]) -> None:
    folder, described, images = cases
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        box = (-2, -3, case["width"] - 1, case["height"] + 2)
        assert (folder / f"{number}.cut").read_bytes() == fromarray(image).crop(box).tobytes(), case
