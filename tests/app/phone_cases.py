"""Made pictures and contracts for the code that prepares a face on a phone, and what Python makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.arch import get_arch
from edgefer.runtime.contract import Contract, Layout, TensorSpec, to_input, to_pixels

# Width and height: smaller and larger than 48, not square, odd, one pixel wide or high, no change at all.
SIZES = [
    (1, 1), (1, 48), (48, 1), (1, 300), (300, 1), (2, 3), (47, 48), (48, 48), (49, 97), (48, 20), (20, 48), (96, 96),
    (7, 300), (640, 480), (333, 251), (1021, 13), (13, 1021),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A picture uint8 (H, W, 3) and the number of its contract."""

    pixels: NDArray[np.uint8]
    contract: int


def contract(resize: int, crop: int, layout: Layout, quantised: tuple[float, int] | None = None) -> Contract:
    shape = (1, crop, crop, 3) if layout == "NHWC" else (1, 3, crop, crop)
    spec = TensorSpec("x", shape, "float32") if quantised is None else TensorSpec("x", shape, "int8", *quantised)
    known = get_arch("ean").contract(layout, spec, TensorSpec("y", (1, 7), "float32"))
    return replace(known, resize=resize, crop=crop)


FLOAT = [contract(48, 44, "NHWC"), contract(48, 44, "NCHW"), contract(33, 28, "NHWC"), contract(64, 57, "NCHW")]
INT8 = [
    contract(48, 44, "NHWC", quantised=(1.0, -128)),
    contract(48, 44, "NHWC", quantised=(2.0, -70)),  # halves, and values that must be clipped
    contract(48, 48, "NHWC", quantised=(float(np.float32(0.9137)), -128)),
]


def cases(contracts: list[Contract]) -> list[Case]:
    """Random, black-and-white and grey pictures of many sizes, each for one of the contracts."""
    random = np.random.default_rng(7)
    sizes = SIZES + [tuple(random.integers(1, 200, 2).tolist()) for _ in range(120)]
    made = []
    for number, (width, height) in enumerate(sizes):
        pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if number % 5 == 1:
            pixels = (pixels > 127).astype(np.uint8) * np.uint8(255)
        if number % 4 == 2:
            pixels[:] = pixels[..., :1]
        made.append(Case(pixels, number % len(contracts)))
    return made


def write_cases(folder: Path, made: list[Case]) -> None:
    """N.bin, the bytes R, G, B of each, and `cases`: contract, width and height, a line each."""
    lines = [f"{case.contract} {case.pixels.shape[1]} {case.pixels.shape[0]}\n" for case in made]
    (folder / "cases").write_text("".join(lines))
    for number, case in enumerate(made):
        (folder / f"{number}.bin").write_bytes(case.pixels.tobytes())


def check_inputs(folder: Path, made: list[Case], contracts: list[Contract]) -> None:
    """N.input must be what Python makes of each picture, byte for byte."""
    compared = 0
    for number, case in enumerate(made):
        agreed, (height, width, _) = contracts[case.contract], case.pixels.shape
        if _same_order(height, width, agreed.resize):
            expected = to_input(to_pixels(case.pixels[None], agreed), agreed).tobytes()
            assert (folder / f"{number}.input").read_bytes() == expected, (width, height, agreed)
            compared += 1
    assert compared > len(made) / 2


def _same_order(height: int, width: int, resize: int) -> bool:
    """Whether this Pillow goes through rows and columns in the code's order, which is that of Pillow 13."""
    shrinks = height > resize and height - resize > 2 * (width - resize)
    return not shrinks or int(version("pillow").split(".")[0]) >= 13
