"""What a network looks at: Grad-CAM of each of its blocks, as EAN's Figures 13 and 14.

Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV 2017. The
maps are captum's, which the extra `explain` brings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgefer.runtime.errors import BadNetwork, UnknownName

MOST = 8  # blocks that are shown; of more, the last one at each size of the map
_TORCH = "torch.nn."  # modules of these classes are layers and containers, never a block


@dataclass(frozen=True)
class Block:
    """A part of a network by its name in it; it gives maps of (channels, height, width) for a face."""

    name: str
    module: nn.Module
    shape: tuple[int, int, int]


def blocks(root: nn.Module, run: Callable[[Tensor], Any], inputs: Tensor, names: Sequence[str] = ()) -> list[Block]:
    """The blocks of `root`, in the order in which they are done, for `inputs` (N, C, H, W) that `run` is called with.

    A block is a module of a class that is not torch's and gives a map: EAN's six EAIRBs, ResNet's residual blocks. A
    network without two of those has its layers for blocks. Of more than MOST the last one at each size of the map
    stands for its stage. `names` are those of the modules to take instead, as `named_modules` has them.

    Raises UnknownName for a name that gives no map, BadNetwork if nothing in the network gives one.
    """
    shapes = _map_shapes(root, run, inputs)
    if not shapes:
        raise BadNetwork("no part of the network gives a map (channels, height, width): Grad-CAM has nothing to show.")
    for name in names:
        if name not in shapes:
            raise UnknownName.of("layer", name, shapes)
    modules = dict(root.named_modules())
    chosen = list(names) or _choose(root, shapes)
    return [Block(name, modules[name], shapes[name]) for name in chosen]


def _map_shapes(root: nn.Module, run: Callable[[Tensor], Any], inputs: Tensor) -> dict[str, tuple[int, int, int]]:
    """The shape of each module's map of several pixels, by the module's name, in the order in which they are done."""
    shapes: dict[str, tuple[int, int, int]] = {}

    def hook_of(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
                shapes.pop(name, None)
                channels, height, width = output.shape[1:]
                shapes[name] = channels, height, width

        return note

    handles = [each.register_forward_hook(hook_of(name)) for name, each in root.named_modules() if name]
    try:
        with torch.no_grad():
            run(inputs[:1])
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def _choose(root: nn.Module, shapes: dict[str, tuple[int, int, int]]) -> list[str]:
    modules = dict(root.named_modules())
    own = list(_outermost(root, "", shapes))
    while len(own) == 1:  # the whole network but its head: look into it
        inner = list(_outermost(modules[own[0]], f"{own[0]}.", shapes))
        if not inner:
            break
        own = inner
    layers = [name for name in shapes if not any(modules[name].children())]
    found = sorted(own, key=list(shapes).index) if len(own) > 1 else layers or list(shapes)
    if len(own) > 1 and len(found) <= MOST:
        return found
    last = {shapes[name][1:]: name for name in found}
    return [name for name in found if name in last.values()]


def _outermost(module: nn.Module, prefix: str, shapes: dict[str, tuple[int, int, int]]) -> Iterator[str]:
    """The names of the modules in `module` that are blocks and in no other block."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if path in shapes and any(child.children()) and not type(child).__module__.startswith(_TORCH):
            yield path
        else:
            yield from _outermost(child, f"{path}.", shapes)


def grad_cam(
    run: Callable[[Tensor], Tensor], blocks: Sequence[Block], inputs: Tensor, classes: Tensor
) -> NDArray[np.float32]:
    """The map of each face and block at the side of the face: float32 (N, blocks, H, W) from 0 to 1.

    run      a network in evaluation mode: (N, C, H, W) -> (N, classes)
    classes  int64 (N,), the class that each face's maps speak for

    1 is where a face's block speaks most for its class; a map of zeros says that it speaks against it everywhere.
    """
    from captum.attr import LayerGradCam

    maps = []
    for block in blocks:
        found = LayerGradCam(run, block.module).attribute(inputs, target=classes, relu_attributions=True).detach()
        whole = functional.interpolate(found, size=inputs.shape[2:], mode="bilinear", align_corners=False)
        maps.append(whole / whole.amax(dim=(2, 3), keepdim=True).clamp_min(torch.finfo(whole.dtype).tiny))
    values: NDArray[np.float32] = torch.cat(maps, dim=1).float().numpy()
    return values
