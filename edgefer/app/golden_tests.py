"""The golden pairs of a bundle as tests of an app: their files, and the functions that show them to the app's code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.bundle import LABELS_FILE, Bundle
from edgefer.runtime.contract import dequantise
from edgefer.runtime.errors import BrokenBundle
from edgefer.runtime.manifest import Golden, GoldenResize
from edgefer.runtime.verify import read_golden_picture


@dataclass(frozen=True)
class Pair:
    """A golden pair: its picture, uint8 (H, W, 3), its files' contents, and the probabilities that it must give."""

    name: str
    pixels: NDArray[np.uint8]
    picture: bytes
    input: bytes
    output: bytes
    answer: list[float]
    tolerance: float


def golden_pairs(bundle: Bundle) -> list[Pair]:
    """The golden pairs of the bundle; raises BrokenBundle if labels, contract and output don't fit each other."""
    agreed, labels = bundle.manifest.contract, bundle.path(LABELS_FILE).read_text(encoding="utf-8").splitlines()
    if tuple(labels) != agreed.labels or agreed.output.shape != (1, len(labels)):
        raise BrokenBundle(
            f"{bundle.manifest.name}: {LABELS_FILE} has {len(labels)} labels, the contract {len(agreed.labels)}, "
            f"and the output has the shape {agreed.output.shape}: build the bundle again."
        )
    pairs = (bundle.manifest.golden, bundle.manifest.golden_resize)
    return [_pair(bundle, pair) for pair in pairs if pair is not None]


def _pair(bundle: Bundle, golden: Golden | GoldenResize) -> Pair:
    output = bundle.manifest.contract.output
    (pixels,) = read_golden_picture(bundle, golden.picture)
    stored = bundle.path(golden.output).read_bytes()
    answer = dequantise(np.frombuffer(stored, np.dtype(output.dtype).newbyteorder("<")), output)
    return Pair(
        name=bundle.path(golden.picture).stem,
        pixels=pixels,
        picture=bundle.path(golden.picture).read_bytes(),
        input=bundle.path(golden.input).read_bytes(),
        output=stored,
        answer=answer.tolist(),
        tolerance=bundle.manifest.golden.tolerance,  # the code's resizing is Pillow's, so both inputs are exact
    )


def kotlin_tests(pairs: list[Pair]) -> dict[str, str]:
    """The functions of the tests, one a golden pair."""
    return {
        "pictures": "\n\n".join(
            f'    @Test\n    fun {pair.name}() = check("{pair.name}.rgb", {pair.pixels.shape[1]}, '
            f'{pair.pixels.shape[0]}, "{pair.name}.input")'
            for pair in pairs
        ),
        "answers": "\n\n".join(
            f'    @Test\n    fun {pair.name}() = check(\n        "{pair.name}.png", "{pair.name}.input",\n'
            f"        floatArrayOf({', '.join(f'{value:.6f}f' for value in pair.answer)}), {pair.tolerance:g}f\n    )"
            for pair in pairs
        ),
    }


def swift_tests(pairs: list[Pair]) -> dict[str, str]:
    """The same in Swift."""
    return {
        "answers": "\n\n".join(
            f"    func test{pair.name.capitalize()}() throws {{\n        try check(\n"
            f'            "{pair.name}", {pair.pixels.shape[1]}, {pair.pixels.shape[0]},\n'
            f"            [{', '.join(f'{value:.6f}' for value in pair.answer)}], {pair.tolerance:g})\n    }}"
            for pair in pairs
        )
    }


def golden_files(pairs: list[Pair], prefix: str, wanted: tuple[str, ...] = ("png", "rgb", "input")) -> dict[str, bytes]:
    """Of each pair the picture as PNG and as bytes R, G, B, row by row, and the input."""
    files: dict[str, bytes] = {}
    for pair in pairs:
        kinds = {"png": pair.picture, "rgb": pair.pixels.tobytes(), "input": pair.input}
        files |= {f"{prefix}{pair.name}.{kind}": kinds[kind] for kind in wanted}
    return files
