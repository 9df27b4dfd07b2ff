"""A network of the user's own, shown some inputs: does it take them, and what does it give?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from edgefer.arch.architecture import Affine, ModelContract, Output
from edgefer.pipeline.user_model import outputs
from edgefer.pipeline.user_model.contract_file import Size
from edgefer.runtime.errors import BadNetwork, ExportFailed
from edgefer.runtime.golden import golden_picture
from edgefer.runtime.preprocess import centre_crop, resize_pixels

FACES = 4


def faces(size: Size, seed: int = 0) -> Tensor:
    """uint8-like pixels (N, 3, side, side): the golden picture, black, and noise."""
    _, side, _ = size
    drawn = torch.from_numpy(centre_crop(resize_pixels(golden_picture()[None], side), side)).permute(0, 3, 1, 2)
    noise = torch.randint(0, 256, (FACES - 2, 3, side, side), generator=torch.Generator().manual_seed(seed))
    return torch.cat([drawn, torch.zeros_like(drawn), noise.to(drawn.dtype)])


def require_traceable(network: nn.Module, source: str) -> fx.GraphModule:
    """The network as a graph; raises ExportFailed if its forward can't be traced."""
    try:
        return fx.symbolic_trace(network)
    except Exception as error:  # tracing runs the user's code
        raise ExportFailed(
            f"torch.fx can't trace {source} ({type(error).__name__}: {str(error)[:200]}): "
            "its forward must not branch on what is in a tensor, nor on its shape."
        ) from error


def to_network(pixels: Tensor, affine: Affine) -> Tensor:
    """RGB pixels 0..255 (N, 3, H, W) -> float32 (N, C, H, W), what the user's network takes."""
    weights, shift = (torch.tensor(part, dtype=torch.float64) for part in (affine.weights, affine.shift))
    return (torch.einsum("ck,nkhw->nchw", weights, pixels.double()) + shift.view(1, -1, 1, 1)).float()


def run(network: nn.Module, inputs: Tensor) -> Tensor:
    """The answers for (N, C, H, W), face by face as on a device."""
    with torch.inference_mode():
        return torch.cat([network(face[None]) for face in inputs])


def choice(
    network: nn.Module, inputs: Tensor, name: str | None, part: tuple[int, int] | None, source: str
) -> outputs.Choice:
    """The output `name` (None: the only one) and its `part`, once the network has given it for inputs (N, C, H, W).

    Raises BadNetwork if the network does not take them, or gives no such output as (1, numbers).
    """
    size = "x".join(map(str, inputs.shape[1:]))
    try:
        with torch.inference_mode():
            first = network(inputs[:1])
    except Exception as error:  # the user's code, or torch where a layer does not fit
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise BadNetwork(f"{source} does not take an input of {size} ({reason}): say another with --input.") from error
    given = outputs.named(first)
    shapes = {key: value.shape for key, value in given.items() if isinstance(value, Tensor)}
    if not shapes:
        raise BadNetwork(f"{source} gives a {type(first).__name__}: it must give one tensor (1, classes).")
    name = outputs.require_name(shapes, name, f"{source} gives a {type(first).__name__} of")
    shape = given[name].shape
    if len(shape) != 2 or shape[0] != 1 or shape[1] < 2:
        of = "" if len(given) == 1 else f" as {name}"
        raise BadNetwork(f"{source} gives {tuple(shape)}{of} for one face of {size}: it must give (1, classes).")
    outputs.require_part(part, shape[1], source)
    return outputs.Choice(name, part)


def answers(network: nn.Module, inputs: Tensor, source: str) -> Tensor:
    """What the network gives for (N, C, H, W); raises BadNetwork if that is not finite."""
    found = run(network, inputs)
    if not found.isfinite().all():
        size = "x".join(map(str, inputs.shape[1:]))
        raise BadNetwork(f"{source} gives numbers that are nan or infinite for faces of {size}.")
    return found


_PROBABILITIES: dict[Output, Callable[[Tensor], Tensor]] = {
    "logits": lambda answer: torch.softmax(answer, dim=1),
    "log-probabilities": torch.exp,
    "sigmoid-logits": torch.sigmoid,
}


def float_baseline(network: nn.Module, pixels: Tensor, contract: ModelContract) -> Tensor:
    """Probabilities of the user's own network, fed by the user's own preprocessing, for RGB pixels (N, 3, H, W)."""
    return probabilities(run(network, to_network(pixels, contract.affine)), contract.output)


def probabilities(answers: Tensor, output: Output) -> Tensor:
    """What a network gives, (N, classes), as probabilities."""
    finish = _PROBABILITIES.get(output)
    return answers if finish is None else finish(answers)
