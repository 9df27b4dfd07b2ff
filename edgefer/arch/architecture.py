"""What edgefer knows of a network without importing torch: an Arch, and the contract of one that is the user's own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

from edgefer.runtime.contract import Contract, Layout, Meaning, TensorSpec
from edgefer.runtime.detectors import face_maps
from edgefer.runtime.labels import LABELS, require_labels
from edgefer.runtime.preprocess import LUMA, PIXEL_MAX

if TYPE_CHECKING:
    from torch import nn

Color = Literal["grey", "rgb", "bgr"]
Output = Literal["logits", "probabilities", "log-probabilities", "sigmoid", "sigmoid-logits"]

_FROM = {
    "rgb": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "bgr": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
}


@dataclass(frozen=True)
class Affine:
    """From pixels 0..255 to what a network takes: channel c is sum(weights[c] * (R, G, B)) + shift[c].

    A single row stands for every channel, however many there are.
    """

    weights: tuple[tuple[float, ...], ...]
    shift: tuple[float, ...]


def grey_affine(input_min: float = 0.0) -> Affine:
    """What edgefer's networks learned on: a grey face from input_min (black) to 1, the same on every channel."""
    return Affine(weights=(tuple(part * (1 - input_min) / PIXEL_MAX for part in LUMA),), shift=(input_min,))


@dataclass(frozen=True)
class ModelContract:
    """Where a network came from and what it takes and gives.

    source       "mypkg.net:make" or "theirs.onnx"
    sha256       of the file of weights, or the ONNX file
    color        of its channels
    value_range  what pixels 0..255 become
    mean, std    per channel, of those values: (value - mean) / std goes in
    output       what its last layer gives: numbers for a softmax, its probabilities or their logarithms, or independent
                 probabilities and the numbers for their sigmoid
    output_name, output_slice
                 the output of several and the part [first, end) of it that the labels are for; None: all there is.
                 Not in `repr`, which checksums of earlier bundles hold
    """

    source: str
    sha256: str
    color: Color
    value_range: tuple[float, float]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    output: Output
    output_name: str | None = field(default=None, repr=False)
    output_slice: tuple[int, int] | None = field(default=None, repr=False)

    @property
    def meaning(self) -> Meaning:
        """What the built model gives."""
        return "independent probabilities" if self.output in ("sigmoid", "sigmoid-logits") else "probabilities"

    @property
    def affine(self) -> Affine:
        """The user's preprocessing as one linear map of each pixel."""
        low, high = self.value_range
        colours = _FROM.get(self.color, (LUMA,) * len(self.mean))
        scale = [(high - low) / PIXEL_MAX / std for std in self.std]
        return Affine(
            weights=tuple(tuple(s * part for part in row) for s, row in zip(scale, colours, strict=True)),
            shift=tuple((low - mean) / std for mean, std in zip(self.mean, self.std, strict=True)),
        )


@dataclass(frozen=True)
class Arch:
    """What the rest of edgefer needs to know of a network without importing torch.

    module, variant  edgefer/arch/<module>.py, whose make(variant, classes) builds it
    resize, crop     pixels: a face is resized to resize x resize, and the centre crop x crop goes
                     into the network (training crops at random)
    channels         of the network in training: a grey face on 1 channel, or the same on 3
    input_min        grey values in training go from input_min (black) to 1.0 (white)
    classes          how many the paper's figures were counted with
    labels           what it is trained to tell here; `with_labels` is the same network for other classes
    user_model       of a network that is not edgefer's: where it came from and what it takes and gives
    """

    name: str
    paper: str
    module: str
    variant: str
    resize: int
    crop: int
    channels: Literal[1, 3] = 3
    input_min: float = 0.0
    classes: int = 7
    labels: tuple[str, ...] = LABELS
    user_model: ModelContract | None = None

    def build(self, classes: int | None = None, seed: int | None = None) -> nn.Module:
        """A fresh network with random initial weights, in training mode; as many classes as labels by default."""
        if seed is not None:
            import torch

            torch.manual_seed(seed)
        module = import_module(f"edgefer.arch.{self.module}")
        return cast("nn.Module", module.make(self.variant, classes or len(self.labels)))

    def with_labels(self, labels: tuple[str, ...]) -> Arch:
        """The same network for these classes, as many as there are; raises BadRecord for what can't be labels."""
        require_labels(labels)
        return replace(self, labels=labels)

    def contract(self, layout: Layout, input_spec: TensorSpec, output_spec: TensorSpec) -> Contract:
        """The contract of a file of this network that has these tensors."""
        return Contract(
            face="the square box of a frontal face detector, brow to chin, as FER2013 is framed",
            face_margin=0.0,
            colour_order="RGB",
            grey=self._grey(),
            resize=self.resize,
            kernel="bilinear with antialiasing (Pillow's BILINEAR)",
            crop=self.crop,
            layout=layout,
            value_range=(0, 255),
            mean=(0.0, 0.0, 0.0),
            deviation=(1.0, 1.0, 1.0),
            input=input_spec,
            output=output_spec,
            meaning="probabilities" if self.user_model is None else self.user_model.meaning,
            labels=self.labels,
            face_maps=face_maps(),
        )

    def _grey(self) -> str:
        if self.user_model is not None and self.user_model.color != "grey":
            return "nowhere: the network reads colour; a grey camera repeats its value three times"
        return "in the model: {} R + {} G + {} B; a grey camera repeats its value three times".format(*LUMA)
