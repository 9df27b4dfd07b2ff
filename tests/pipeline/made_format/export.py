"""The made format's half that writes: an edgefer.pipeline.export.Exporter."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from torch import nn

from edgefer.pipeline.export import Activations, LeanStep, Ranges
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.targets import Target
from edgefer.runtime.manifest import Dtypes

LEAN: dict[str, LeanStep] = {}  # nothing in it is there for people only


def convert(network: DeployableModel, crop: int) -> bytes:
    """The arrays of the two layers, in a file."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    (conv, conv_bias), (linear, linear_bias) = ([p.detach().numpy() for p in layer.parameters()] for layer in layers)
    content = io.BytesIO()
    np.savez(content, crop=crop, conv=conv, conv_bias=conv_bias, linear=linear, linear_bias=linear_bias)
    return content.getvalue()


def observe(model: bytes, images: Iterable[NDArray[np.uint8]]) -> Iterator[Activations]:
    """The values of the input."""
    for image in images:
        yield {"pixels": image[None].astype(np.float32)}


def activations(model: bytes) -> set[str]:
    """The one tensor that has a range."""
    return {"pixels"}


def input_name(model: bytes) -> str:
    """Its name."""
    return "pixels"


def quantize(model: bytes, target: Target, ranges: Ranges | None, name: str) -> dict[str, bytes]:
    """There is one precision."""
    assert target.precision == "fp32" and ranges is None
    return {target.file: model}


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """All is float."""
    with np.load(io.BytesIO(files[target.file])) as arrays:
        return Dtypes({"float32": len(arrays)}, {"Conv float32": 1, "Linear float32": 1}, ["Conv", "Linear"])
