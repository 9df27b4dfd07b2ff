"""The heavy half: a folded network becomes an engine's file. Host only; never imported on a device.

Each module to_* is an `Exporter`; models travel between its functions as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from importlib import import_module
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.targets import Target
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import MissingEngine
from edgefer.runtime.files import digest
from edgefer.runtime.manifest import Dtypes
from edgefer.runtime.process import quiet

Ranges = Mapping[str, tuple[float, float]]
Activations = dict[str, NDArray[np.float32]]
LeanStep = Callable[[dict[str, bytes]], dict[str, bytes]]  # a model's files in, the same model in fewer bytes out


class Exporter(Protocol):
    """What each module of this package offers.

    `LEAN` are the steps that write its files in fewer bytes, in order, each under what it does. They leave every output
    as it is, to the bit, and the names of inputs and outputs.
    """

    LEAN: Mapping[str, LeanStep]

    def convert(self, network: DeployableModel, crop: int) -> bytes:
        """The network as the engine's float model."""

    def observe(self, model: bytes, images: Iterable[NDArray[np.uint8]]) -> Iterator[Activations]:
        """Run the float model on uint8 (crop, crop, 3) images; for each, the values of every activation."""

    def activations(self, model: bytes) -> set[str]:
        """Names of the tensors that int8 needs a range for."""

    def input_name(self, model: bytes) -> str:
        """The input's name among them."""

    def quantize(self, model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:
        """File names and contents of the model in the target's precision and io; `name` is the network's."""

    def dtypes(self, files: dict[str, bytes], target: Target) -> Dtypes:
        """What those files are made of, as read from them."""


def import_exporter(name: str) -> Exporter:
    """The module that writes this format; raises MissingEngine if a package of it is absent."""
    return cast(Exporter, import_converter(ENGINES[name].exporter, "build"))


def import_converter(module: str, extra: str) -> Any:
    """A module that writes files with packages of the extra; raises MissingEngine if one of them is absent."""
    try:
        with quiet():
            return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingEngine.of(error.name or str(error), extra) from error


def array_digest(values: NDArray[Any]) -> str:
    """What stands for an array where equal ones are looked for: the arrays themselves would be kept a second time."""
    return digest(np.ascontiguousarray(values).data)


def shorten(files: dict[str, bytes], steps: Mapping[str, LeanStep]) -> dict[str, bytes]:
    """The files behind all steps."""
    return reduce(lambda written, step: step(written), steps.values(), files)
