"""What a row of the table of networks is. Light: importing it imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

from edgefer.arch.model_contract import Own

if TYPE_CHECKING:
    from torch import nn

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # FER2013's order

# The figures of arch.count.Count that a paper's column may mean.
Column = Literal[
    "parameters",
    "parameters_and_statistics",
    "macs",
    "ptflops",
    "ptflops_modules",
    "thop",
    "torchsummary",
    "torchsummary_modules",
]


# MB in the papers is torchsummary's, which are MiB.
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "MB": 2.0**20}


@dataclass(frozen=True)
class Printed:
    """A figure as its paper prints it, and the column of ours that counts the same.

    text     with the unit of the table's head: "43,840", "5.054 M", "0.425 B", "140.529 MB"
    table    paper and table
    instead  what is counted here, in the same form, where that is not what is printed
    """

    column: Column
    text: str
    table: str
    instead: str = ""

    def like(self, value: int) -> str:
        """`value` in the printed unit, with as many digits: 5054158 -> "5.054 M"."""
        number, unit = self._parts()
        if not unit:
            return f"{value:,}"
        return f"{value / _UNITS[unit]:.{len(number.partition('.')[2])}f} {unit}"

    def ratio(self, value: int) -> float:
        """`value` over what is printed."""
        number, unit = self._parts()
        return value / (float(number.replace(",", "")) * _UNITS[unit])

    def _parts(self) -> tuple[str, str]:
        number, _, unit = self.text.partition(" ")
        return number, unit


@dataclass(frozen=True)
class Arch:
    """What the rest of edgefer needs to know of a network without importing torch.

    module, variant  edgefer/arch/<module>.py, whose make(variant, classes) builds it
    resize, crop     pixels: a face is resized to resize x resize, and the centre crop x crop goes
                     into the network (training crops at random)
    channels         of the network in training: a grey face on 1 channel, or the same on 3
    low              grey values in training go from low (black) to 1.0 (white)
    classes          how many the paper's figures were counted with
    labels           what it is trained to tell here
    own              of a network that is not edgefer's: where it came from and what it takes and gives
    """

    name: str
    paper: str
    module: str
    variant: str
    resize: int
    crop: int
    channels: Literal[1, 3] = 3
    low: float = 0.0
    classes: int = 7
    printed: tuple[Printed, ...] = ()
    note: str = ""
    labels: tuple[str, ...] = LABELS
    own: Own | None = None

    def build(self, classes: int | None = None, seed: int | None = None) -> nn.Module:
        """A fresh network with random initial weights, in training mode; as many classes as labels by default."""
        if seed is not None:
            import torch

            torch.manual_seed(seed)
        module = import_module(f"edgefer.arch.{self.module}")
        return cast("nn.Module", module.make(self.variant, classes or len(self.labels)))
