"""A float network as it was written, with its parts to look into: nothing is folded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.arch import Arch, get_arch
from edgefer.pipeline.options import BuildOptions, load_user_model
from edgefer.pipeline.user_model import probe
from edgefer.runtime.preprocess import PixelRows, Pixels, centre_crop, to_rgb
from edgefer.runtime.progress import SILENT, Progress
from edgefer.training import augment, weights
from edgefer.training.evaluation import CENTRE_PIXELS


@dataclass(frozen=True)
class OriginalNetwork:
    """A network of edgefer's or of the user's own, in evaluation mode.

    run   (N, C, crop, crop) -> (N, classes)
    root  the module whose parts have the names that its author gave them
    """

    arch: Arch
    run: nn.Module
    root: nn.Module

    def inputs(self, pixels: Pixels) -> Tensor:
        """Faces uint8 (N, resize, resize, 1 or 3) as the network takes them: float32 (N, C, crop, crop)."""
        if self.arch.user_model is None:
            return augment.centre(pixels, self.arch)
        cropped = np.ascontiguousarray(to_rgb(centre_crop(pixels, self.arch.crop)))
        return probe.to_network(torch.from_numpy(cropped).permute(0, 3, 1, 2), self.arch.user_model.affine)

    def shown(self, pixels: Pixels) -> Pixels:
        """The same faces for people: uint8 (N, crop, crop, 3), grey where the network sees grey."""
        cropped = centre_crop(pixels, self.arch.crop)
        if self.arch.user_model is not None and self.arch.user_model.color != "grey":
            return to_rgb(cropped)
        grey = (255 * augment.grey(cropped)).round().byte().permute(0, 2, 3, 1).numpy()
        return to_rgb(grey)

    def probabilities(self, pixels: PixelRows, tick: Callable[[], None] = lambda: None) -> NDArray[np.float32]:
        """Probabilities (N, classes) of faces uint8 (N, resize, resize, 1 or 3); `tick` is called after each."""
        batch, parts = max(1, CENTRE_PIXELS // self.arch.resize**2), []
        with torch.inference_mode():
            for start in range(0, len(pixels), batch):
                faces = pixels[start : start + batch]
                parts.append(self._probabilities(self.run(self.inputs(faces))))
                for _ in range(len(faces)):
                    tick()
        values: NDArray[np.float32] = torch.cat(parts).numpy()
        return values

    def _probabilities(self, answers: Tensor) -> Tensor:
        output = "logits" if self.arch.user_model is None else self.arch.user_model.output
        return probe.probabilities(answers, output)


def load_original(options: BuildOptions, progress: Progress = SILENT) -> OriginalNetwork:
    """The network that the options name; raises what their `check` does, and what loading it does."""
    options.check()
    if options.arch is None:
        model = load_user_model(options, progress)
        return OriginalNetwork(model.arch, model.original.eval(), model.original.network)
    arch = weights.labelled(get_arch(options.arch), options.weights, options.labels)
    network = weights.load_trained_model(arch, options.weights, progress).network
    return OriginalNetwork(arch, network, network)
