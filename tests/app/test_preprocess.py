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
from edgefer.runtime.detectors import Face, FaceMap, crop_face
from edgefer.runtime.files import PACKAGE

Cases = tuple[Path, list[dict[str, Any]], list[NDArray[np.uint8]]]
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


def box_in(random: np.random.Generator, width: int, height: int) -> list[float]:
    """A box with fractions of pixels, within a picture."""
    left, top = random.uniform(0, width / 2), random.uniform(0, height / 2)
    return [left, top, random.uniform(width / 2 + 0.1, width), random.uniform(height / 2 + 0.1, height)]


def face_in(random: np.random.Generator, size: int, align: str) -> dict[str, Any]:
    """A face that may reach out of the picture, and a map to its square."""
    points, canonical = random.uniform(0, size, (6, 2)).tolist(), random.uniform(0.2, 0.8, (6, 2)).tolist()
    left, top = random.uniform(-size / 3, size / 2, 2)
    width, height = random.uniform(size / 9, size, 2)
    roll, share = random.choice([0.0, random.uniform(-180, 180)]), random.choice([0.0, 0.3])
    face = {"left": left, "top": top, "width": width, "height": height, "score": 0.9, "points": points, "roll": roll}
    return {
        "face": face,
        "map": {"dx": 0.01, "dy": -0.09, "side": 1.16, "align": align, "points": canonical, "box_share": share},
    }


def same_order(image: NDArray[np.uint8], width: int, height: int) -> bool:
    """Whether this Pillow goes through rows and columns in the page's order, which is that of Pillow 13."""
    shrinks = height < image.shape[0] and image.shape[0] - height > 2 * (image.shape[1] - width)
    return not shrinks or int(version("pillow").split(".")[0]) >= 13


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Cases:
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
        case = {"width": width, "height": height, "to": to, "contract": contract, "box": box_in(random, width, height)}
        described.append(case | face_in(random, max(width, height), ("eyes", "points", "box")[number % 3]))
        images.append(image)
        (folder / f"{number}.bin").write_bytes(image.tobytes())
    (folder / "cases.json").write_text(json.dumps(described))
    done = subprocess.run([node(), RUNNER, CODE, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, described, images


def test_resize_has_pillows_bytes(cases: Cases) -> None:
    folder, described, images = cases
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        if same_order(image, *case["to"]):
            resized = fromarray(image).resize(tuple(case["to"]), Resampling.BILINEAR)
            assert (folder / f"{number}.resized").read_bytes() == resized.tobytes(), case


def test_input_has_pythons_bytes(cases: Cases) -> None:
    folder, described, images = cases
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        contract = as_contract(case)
        if not same_order(image, contract.resize, contract.resize):
            continue
        expected = to_input(to_pixels(image[None], contract), contract)
        assert (folder / f"{number}.input").read_bytes() == expected.tobytes(), case


def test_cut_is_black_outside(cases: Cases) -> None:
    folder, described, images = cases
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        box = (-2, -3, case["width"] - 1, case["height"] + 2)
        assert (folder / f"{number}.cut").read_bytes() == fromarray(image).crop(box).tobytes(), case


def test_a_box_of_a_picture_has_pillows_bytes(cases: Cases) -> None:
    folder, described, images = cases
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        if same_order(image, *case["to"]):
            resized = fromarray(image).resize(tuple(case["to"]), Resampling.BILINEAR, box=tuple(case["box"]))
            assert (folder / f"{number}.box").read_bytes() == resized.tobytes(), case


def test_a_framed_face_has_pythons_bytes(cases: Cases) -> None:
    """Upright and turned, within the picture and reaching out of it."""
    folder, described, images = cases
    if int(version("pillow").split(".")[0]) < 13:
        pytest.skip("the page goes through rows and columns in the order of Pillow 13")
    for number, (case, image) in enumerate(zip(described, images, strict=True)):
        face, framing = dict(case["face"]), dict(case["map"])
        for record in (face, framing):
            record["points"] = tuple(map(tuple, record["points"]))
        expected = crop_face(image, Face(**face), FaceMap(**framing), case["to"][0])
        assert (folder / f"{number}.face").read_bytes() == expected.tobytes(), case
