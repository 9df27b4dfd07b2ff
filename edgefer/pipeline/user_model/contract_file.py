"""What users say of a network of their own: a TOML file, `edgefer build --contract c.toml`, and options.

name = "mynet"                # the bundle is mynet.<target>; default: the name of the module or file
labels = ["happy", "angry"]   # in the order of the network's outputs
input = "1x64x64"             # channels x height x width; for ONNX by default what the file says
resize = 72                   # pixels: a face is resized to 72 x 72 ...
crop = 64                     # ... and the centre 64 x 64 goes in; default: both the input's size
color = "grey"                # grey, rgb or bgr; default: grey for 1 channel, rgb for 3
range = [0, 1]                # what pixel values 0 and 255 become, e.g. [-1, 1] or [0, 255]
mean = [0.5]                  # per channel, of the values in that range; default 0
std = [0.5]                   # (value - mean) / std goes into the network; default 1
output = "logits"             # or probabilities, log-probabilities, sigmoid, sigmoid-logits; default: what shows
output_name = "expression"    # of several outputs the one that the labels are for: ONNX name, key of a dict, place
output_slice = [0, 7]         # the part of its vector that they are for: first, and end (not included)
layout = "NCHW"               # or "NHWC", of an ONNX file; default: by its shape
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from edgefer.arch import ARCHS, Arch
from edgefer.arch.architecture import Color, ModelContract, Output
from edgefer.pipeline.user_model.normalization import require_statistics
from edgefer.runtime import records
from edgefer.runtime.errors import BadRecord
from edgefer.runtime.labels import require_labels

Layout = Literal["NCHW", "NHWC"]
Size = tuple[int, int, int]  # channels, height, width

KEYS = (
    'Keys of a contract: name, labels, input ("1x64x64"), resize, crop, color (grey, rgb, bgr), range ([0, 1]), '
    "mean, std (per channel, of values in that range), output (logits, probabilities, log-probabilities, sigmoid, "
    "sigmoid-logits), output_name, output_slice ([0, 7]), layout (NCHW, NHWC). "
    "All have defaults but labels and, for --model, input."
)
_WHOLE = {  # keys with so many whole numbers
    "resize": (1, "a whole number of pixels, like 72"),
    "crop": (1, "a whole number of pixels, like 64"),
    "output_slice": (2, "two whole numbers, the first place and the end, like [0, 7]"),
}
_INPUT = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class ContractFile:
    """See the module; None where the user said nothing."""

    name: str | None = None
    labels: tuple[str, ...] | None = None
    input: str | None = None
    resize: int | None = None
    crop: int | None = None
    color: Color | None = None
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    output: Output | None = None
    output_name: str | None = None
    output_slice: tuple[int, int] | None = None
    layout: Layout | None = None

    @property
    def size(self) -> Size | None:
        """The network's input, if it is said; raises BadRecord if that is no square of one or three channels."""
        if self.input is None:
            return None
        parts = _INPUT.fullmatch(self.input)
        if parts is None:
            raise BadRecord(f'the input {self.input!r} is no size: give channels x height x width, like "1x64x64".')
        channels, height, width = map(int, parts.groups())
        return require_square((channels, height, width))


def require_square(size: Size) -> Size:
    """Return `size`; raise BadRecord if a face can't be made to fit it."""
    channels, height, width = size
    if channels not in (1, 3):
        raise BadRecord(f"the input has {channels} channels: a network for faces takes 1 (grey) or 3 (colour).")
    if height != width:
        raise BadRecord(f"the input is {height} x {width} pixels: edgefer takes square faces only.")
    return size


def read_contract_file(
    path: Path | None,
    *,
    name: str | None = None,
    labels: tuple[str, ...] | None = None,
    input: str | None = None,
) -> ContractFile:
    """A contract's file, if there is one, and what options say, which goes before; raises MissingFile, BadRecord."""
    contract = ContractFile() if path is None else _from_file(path)
    labels = contract.labels if labels is None else labels
    contract = replace(contract, name=name or contract.name, labels=labels, input=input or contract.input)
    _check(contract)
    return contract


def _from_file(path: Path) -> ContractFile:
    content = records.read_toml(path)
    if isinstance(content.get("labels"), str):  # would be read as a list of letters
        content["labels"] = [label.strip() for label in content["labels"].split(",")]
    if isinstance(content.get("output_name"), int):  # a place in a tuple
        content["output_name"] = str(content["output_name"])
    _require_whole(content, path)
    return records.structure(ContractFile, content, str(path))


def _require_whole(content: dict[str, Any], path: Path) -> None:
    """Raise BadRecord for fractions where whole numbers belong, which would be cut off, and for too many or few."""
    for key in _WHOLE.keys() & content.keys():
        value, (count, words) = content[key], _WHOLE[key]
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) != count or not all(type(each) is int for each in numbers):
            raise BadRecord(f"{path}: {key} is {value!r}, it must be {words}.")


def _check(contract: ContractFile) -> None:
    _ = contract.size
    low, high = contract.range
    if not (isfinite(low) and isfinite(high) and low < high):
        raise BadRecord(f"the range {low:g} to {high:g} is none: give two numbers, the smaller first, like [0, 1].")
    for key, values in (("mean", contract.mean), ("std", contract.std)):
        if values is not None and not all(map(isfinite, values)):
            raise BadRecord(f"{key} has a value that is no finite number: {list(values)}.")
    if contract.std is not None and not all(value > 0 for value in contract.std):
        raise BadRecord(f"std must be positive, it is {list(contract.std)}.")
    require_statistics(contract.range, contract.mean, contract.std)
    if contract.output_slice is not None and not 0 <= contract.output_slice[0] < contract.output_slice[1]:
        first, end = contract.output_slice
        raise BadRecord(
            f"output_slice = [{first}, {end}] is no part of a vector: give the first place, from 0, and the end."
        )
    if contract.labels is not None:
        require_labels(contract.labels)


def require_name(name: str) -> str:
    """Return `name`; raise BadRecord if no bundle may be called <name>.<target>."""
    if name in ARCHS:
        raise BadRecord(f"{name} is a network of edgefer's: give yours another name with --name.")
    if not _NAME.fullmatch(name):
        raise BadRecord(f"{name!r} can't be a network's name (letters, digits, - and _ only): give one with --name.")
    return name


@dataclass(frozen=True)
class Origin:
    """Where a network comes from; name is what it is called if the user says nothing, the others see ModelContract."""

    source: str
    name: str
    sha256: str


def user_arch(contract: ContractFile, origin: Origin, size: Size, output: Output) -> Arch:
    """The Arch of a network that takes `size` and gives `output`; raises BadRecord for what doesn't fit together."""
    channels, side, _ = size
    if contract.labels is None:
        raise BadRecord("the labels are not known: give them in the order of the outputs with --labels angry,happy,...")
    if contract.crop not in (None, side):
        raise BadRecord(f"the crop is {contract.crop} pixels, the network takes {side}: they must be equal.")
    resize = contract.resize or side
    if resize < side:
        raise BadRecord(f"a face resized to {resize} pixels has no centre of {side}: resize must be at least that.")
    return Arch(
        name=require_name(contract.name or origin.name),
        paper=f"the user's own network, {origin.source}",
        module="",
        variant="",
        resize=resize,
        crop=side,
        channels=1 if channels == 1 else 3,
        classes=len(contract.labels),
        labels=contract.labels,
        user_model=ModelContract(
            source=origin.source,
            sha256=origin.sha256,
            color=_color(contract, channels),
            value_range=contract.range,
            mean=_each("mean", contract.mean, 0.0, channels),
            std=_each("std", contract.std, 1.0, channels),
            output=output,
            output_name=contract.output_name,
            output_slice=contract.output_slice,
        ),
    )


def _color(contract: ContractFile, channels: int) -> Color:
    color = contract.color or ("grey" if channels == 1 else "rgb")
    if channels == 1 and color != "grey":
        raise BadRecord(f"one channel can't be {color}: color must be grey.")
    return color


def _each(key: str, values: tuple[float, ...] | None, default: float, channels: int) -> tuple[float, ...]:
    if values is None:
        return (default,) * channels
    if len(values) != channels:
        raise BadRecord(f"{key} has {len(values)} values, the network takes {channels} channels: give one for each.")
    return values
