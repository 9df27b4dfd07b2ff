"""A network of the user's own, shown some inputs: does it take them, and what does it give?"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from edgefer.arch.architecture import Affine, ModelContract, Output
from edgefer.pipeline.user_model.contract_file import Size
from edgefer.runtime.bundle import golden_picture
from edgefer.runtime.errors import BadNetwork, ExportFailed
from edgefer.runtime.preprocess import centre_crop, resize_pixels

FACES = 4
_SUM = 1e-3  # how far the sum of probabilities may be from 1


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


def answers(network: nn.Module, inputs: Tensor, source: str) -> Tensor:
    """What the network gives for (N, C, H, W); raises BadNetwork if that is not (N, classes) of finite numbers."""
    size = "x".join(map(str, inputs.shape[1:]))
    try:
        with torch.inference_mode():
            first = network(inputs[:1])
    except Exception as error:  # the user's code, or torch where a layer does not fit
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise BadNetwork(f"{source} does not take an input of {size} ({reason}): say another with --input.") from error
    if not isinstance(first, Tensor):
        raise BadNetwork(f"{source} gives a {type(first).__name__}: it must give one tensor (1, classes).")
    if first.dim() != 2 or len(first) != 1 or first.shape[1] < 2:
        raise BadNetwork(f"{source} gives {tuple(first.shape)} for one face of {size}: it must give (1, classes).")
    outputs = run(network, inputs)
    if not outputs.isfinite().all():
        raise BadNetwork(f"{source} gives numbers that are nan or infinite for faces of {size}.")
    return outputs


def output(outputs: Tensor, expected: Output | None, source: str) -> Output:
    """What the answers are; raises BadNetwork if they are not `expected`."""
    sums = bool(((outputs.sum(1) - 1).abs() < _SUM).all())
    kind: Output = "probabilities" if sums and bool((outputs >= 0).all()) else "logits"
    if expected in (None, kind):
        return kind
    why = "a second softmax would flatten them" if kind == "probabilities" else "they do not sum to 1"
    raise BadNetwork(f'the outputs of {source} are {kind}, output = "{expected}" is stated: {why}.')


def require_labels(labels: tuple[str, ...], outputs: Tensor, source: str) -> None:
    """Raise BadNetwork unless there is one label for each output."""
    if len(labels) != outputs.shape[1]:
        raise BadNetwork(
            f"{source} has {outputs.shape[1]} outputs, {len(labels)} labels are given ({', '.join(labels)}): "
            "give one for each, in their order."
        )


def float_baseline(network: nn.Module, pixels: Tensor, contract: ModelContract) -> Tensor:
    """Probabilities of the user's own network, fed by the user's own preprocessing, for RGB pixels (N, 3, H, W)."""
    answer = run(network, to_network(pixels, contract.affine))
    return torch.softmax(answer, dim=1) if contract.output == "logits" else answer
