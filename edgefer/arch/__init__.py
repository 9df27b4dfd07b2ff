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
    note: str = ""
    labels: tuple[str, ...] = LABELS

    def build(self) -> nn.Module:
        """A fresh network with torch's random initial weights, in training mode."""
        module = import_module(f"edgefer.arch.{self.module}")
        return cast("nn.Module", module.EAN(module.VARIANTS[self.variant], len(self.labels), self.attention))


# name -> parameters and FLOPs in millions as Tables 1 and 6 of Kong et al. print them, and what to know of it
_EAN_PRINTED = {
    "ean": ("43,840", "5.054", "Table 3 prints 43,843 parameters, Table 6 the 43,840 counted here"),
    "model_a": ("0.077 M", "20.892", ""),
    "model_b": ("0.069 M", "24.834", "the printed FLOPs are those of its channels with e = 6 in every block"),
    "model_c": ("0.069 M", "9.446", ""),
    "model_d": ("0.053 M", "11.723", ""),
    "model_e": ("0.053 M", "11.157", "the printed FLOPs have not been explained"),
    "model_f": ("0.052 M", "5.126", ""),
}


def _ean(name: str, variant: str, attention: bool, parameters: str, mflops: str, note: str) -> Arch:
    return Arch(name, "kong2022", "ean", variant, attention, 48, 44, parameters, mflops, note)


def _ean_rows() -> dict[str, Arch]:
    rows = {}
    for name, (parameters, mflops, note) in _EAN_PRINTED.items():
        rows[name] = _ean(name, name, True, parameters, mflops, note)
        rows[f"{name}-noatt"] = _ean(f"{name}-noatt", name, False, "43,822" if name == "ean" else "", "", "")
    return rows


ARCHS: dict[str, Arch] = _ean_rows()


def get(name: str) -> Arch:
    """The network called `name`; raises UnknownName with the nearest names."""
    if name not in ARCHS:
        raise UnknownName("arch", name, ARCHS)
    return ARCHS[name]
