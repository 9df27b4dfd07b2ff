"""The Arch of a network of the user's own."""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.arch import Arch
from edgefer.arch.model_contract import Color, ModelContract, Output
from edgefer.pipeline.user_model.contract_file import Size, Stated, require_name
from edgefer.runtime.errors import BadRecord


@dataclass(frozen=True)
class Origin:
    """Where a network comes from; name is what it is called if the user says nothing, the others see ModelContract."""

    source: str
    name: str
    sha256: str


def user_arch(stated: Stated, origin: Origin, size: Size, output: Output) -> Arch:
    """The Arch of a network that takes `size` and gives `output`; raises BadRecord for what doesn't fit together."""
    channels, side, _ = size
    if stated.labels is None:
        raise BadRecord("the labels are not known: give them in the order of the outputs with --labels angry,happy,...")
    if stated.crop not in (None, side):
        raise BadRecord(f"the crop is {stated.crop} pixels, the network takes {side}: they must be equal.")
    resize = stated.resize or side
    if resize < side:
        raise BadRecord(f"a face resized to {resize} pixels has no centre of {side}: resize must be at least that.")
    return Arch(
        name=require_name(stated.name or origin.name),
        paper=f"the user's own network, {origin.source}",
        module="",
        variant="",
        resize=resize,
        crop=side,
        channels=1 if channels == 1 else 3,
        classes=len(stated.labels),
        labels=stated.labels,
        user_model=ModelContract(
            source=origin.source,
            sha256=origin.sha256,
            color=_color(stated, channels),
            value_range=stated.range,
            mean=_each("mean", stated.mean, 0.0, channels),
            std=_each("std", stated.std, 1.0, channels),
            output=output,
        ),
    )


def _color(stated: Stated, channels: int) -> Color:
    color = stated.color or ("grey" if channels == 1 else "rgb")
    if channels == 1 and color != "grey":
        raise BadRecord(f"one channel can't be {color}: color must be grey.")
    return color


def _each(key: str, values: tuple[float, ...] | None, default: float, channels: int) -> tuple[float, ...]:
    if values is None:
        return (default,) * channels
    if len(values) != channels:
        raise BadRecord(f"{key} has {len(values)} values, the network takes {channels} channels: give one for each.")
    return values
