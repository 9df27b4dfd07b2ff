"""The networks: one literal table from name to what builds it. A row is all a new network needs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from edgefer.errors import UnknownName

if TYPE_CHECKING:
    from torch import nn

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # FER2013's order


@dataclass(frozen=True)
class Arch:
    """What the rest of edgefer needs to know of a network without importing torch.

    `resize` and `crop` are pixels: a face is resized to resize x resize, and the centre
    crop x crop goes into the network (training crops at random).
    """

    name: str
    paper: str
    module: str
    variant: str
    attention: bool
    resize: int
    crop: int
    printed_parameters: str
    printed_mflops: str
    labels: tuple[str, ...] = LABELS

    def build(self) -> nn.Module:
        """A fresh network with torch's random initial weights, in training mode."""
        module = import_module(f"edgefer.arch.{self.module}")
        return cast("nn.Module", module.EAN(module.VARIANTS[self.variant], len(self.labels), self.attention))


# name -> (parameters, FLOPs in millions) as Table 1 and Table 6 of Kong et al. print them
_EAN_PRINTED = {
    "ean": ("43,840", "5.054"),
    "model_a": ("0.077 M", "20.892"),
    "model_b": ("0.069 M", "24.834"),
    "model_c": ("0.069 M", "9.446"),
    "model_d": ("0.053 M", "11.723"),
    "model_e": ("0.053 M", "11.157"),
    "model_f": ("0.052 M", "5.126"),
}


def _ean_rows() -> dict[str, Arch]:
    rows = {}
    for variant, (parameters, mflops) in _EAN_PRINTED.items():
        rows[variant] = Arch(variant, "kong2022", "ean", variant, True, 48, 44, parameters, mflops)
        bare = f"{variant}-noatt"
        printed = "43,822" if variant == "ean" else ""
        rows[bare] = Arch(bare, "kong2022", "ean", variant, False, 48, 44, printed, "")
    return rows


ARCHS: dict[str, Arch] = _ean_rows()


def get(name: str) -> Arch:
    """The network called `name`; raises UnknownName with the nearest names."""
    if name not in ARCHS:
        raise UnknownName("arch", name, ARCHS)
    return ARCHS[name]
