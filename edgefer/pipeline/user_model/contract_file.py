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
output = "logits"             # or "probabilities"; default: what its answers look like
layout = "NCHW"               # or "NHWC", of an ONNX file; default: by its shape
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Literal

from edgefer.arch import ARCHS
from edgefer.arch.model_contract import Color, Output
from edgefer.runtime import records
from edgefer.runtime.errors import BadRecord, MissingFile

Layout = Literal["NCHW", "NHWC"]
Size = tuple[int, int, int]  # channels, height, width

KEYS = (
    'Keys of a contract: name, labels, input ("1x64x64"), resize, crop, color (grey, rgb, bgr), range ([0, 1]), '
    "mean, std (per channel, of values in that range), output (logits, probabilities), layout (NCHW, NHWC). "
    "All have defaults but labels and, for --model, input."
)
_INPUT = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LABEL = re.compile(r"[^\s,]+( [^\s,]+)*")


@dataclass(frozen=True)
class Stated:
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


def read(
    path: Path | None,
    *,
    name: str | None = None,
    labels: tuple[str, ...] | None = None,
    input: str | None = None,
) -> Stated:
    """A contract's file, if there is one, and what options say, which goes before; raises MissingFile, BadRecord."""
    stated = Stated() if path is None else _from_file(path)
    labels = stated.labels if labels is None else labels
    stated = replace(stated, name=name or stated.name, labels=labels, input=input or stated.input)
    _check(stated)
    return stated


def _from_file(path: Path) -> Stated:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror}): check the path and its permissions.") from error
    except ValueError as error:
        raise BadRecord(f"{path} is not TOML ({error}): correct it.") from error
    if isinstance(content.get("labels"), str):  # would be read as a list of letters
        content["labels"] = [label.strip() for label in content["labels"].split(",")]
    return records.structure(Stated, content, str(path))


def _check(stated: Stated) -> None:
    _ = stated.size
    low, high = stated.range
    if not (isfinite(low) and isfinite(high) and low < high):
        raise BadRecord(f"the range {low:g} to {high:g} is none: give two numbers, the smaller first, like [0, 1].")
    for key, values in (("mean", stated.mean), ("std", stated.std)):
        if values is not None and not all(map(isfinite, values)):
            raise BadRecord(f"{key} has a value that is no finite number: {list(values)}.")
    if stated.std is not None and not all(value > 0 for value in stated.std):
        raise BadRecord(f"std must be positive, it is {list(stated.std)}.")
    if stated.labels is not None:
        _check_labels(stated.labels)


def _check_labels(labels: tuple[str, ...]) -> None:
    for label in labels:
        if not _LABEL.fullmatch(label) or not label.isprintable():
            raise BadRecord(f"{label!r} is no label: give words without commas, like angry,happy.")
        if labels.count(label) > 1:
            raise BadRecord(f"the label {label} is given twice.")
    if len(labels) < 2:
        raise BadRecord("one label is no choice: give the labels of all outputs, like angry,happy.")


def require_name(name: str) -> str:
    """Return `name`; raise BadRecord if no bundle may be called <name>.<target>."""
    if name in ARCHS:
        raise BadRecord(f"{name} is a network of edgefer's: give yours another name with --name.")
    if not _NAME.fullmatch(name):
        raise BadRecord(f"{name!r} can't be a network's name (letters, digits, - and _ only): give one with --name.")
    return name
