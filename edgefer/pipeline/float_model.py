"""The float network of a build: folded once, and converted and observed once for all targets that share a graph."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from edgefer.arch import Arch
from edgefer.arch.count import Count, count
from edgefer.data.dataset import Dataset
from edgefer.pipeline import calibration, equalize
from edgefer.pipeline.calibration import CalibrationRecord, Equalization
from edgefer.pipeline.export import import_exporter
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.half_precision import fit_half
from edgefer.pipeline.ranges import Method, estimate
from edgefer.pipeline.targets import Precision
from edgefer.runtime import machine
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import BadCalibration, BadWeights, ExportFailed
from edgefer.runtime.files import digest
from edgefer.runtime.preprocess import PIXEL_MAX
from edgefer.runtime.process import EXPLAINED, library_errors
from edgefer.training.torch_settings import torch_threads
from edgefer.training.weights import TrainedModel

BATCH = 32  # faces: larger batches leave the processor's caches
_DEBUG = "`edgefer --debug` shows all of it."


class FloatModel:
    """A network with its weights, and what has been made of it so far, by the format of the graph."""

    def __init__(self, arch: Arch, weights: TrainedModel) -> None:
        self.arch, self.weights = arch, weights
        self._models: dict[tuple[str, int], bytes] = {}
        self._plans: dict[str, list[Equalization]] = {}
        self._equalized: dict[str, DeployableModel] = {}
        self._records: dict[tuple[str, Method, str, int], CalibrationRecord] = {}
        self._answers: dict[str, NDArray[np.float32]] = {}

    @cached_property
    def network(self) -> DeployableModel:
        """The folded network, in evaluation mode."""
        return DeployableModel(self.weights.network, self.arch.input_min, self.arch.user_model).eval()

    @cached_property
    def half(self) -> DeployableModel:
        """The network that fp16 is made of: the same, with weights in half precision's range; raises ExportFailed."""
        fitted = fit_half(self.network.network, self.arch.crop)
        return self.network if fitted is self.network.network else self._with(fitted)

    def _with(self, graph: fx.GraphModule) -> DeployableModel:
        network = copy.deepcopy(self.network)
        network.network = graph
        return network

    def plan(self, faces: Dataset) -> list[Equalization]:
        """What makes the network's channels alike on `faces`."""
        key = calibration.describe(faces, 0).sha256
        if key not in self._plans:
            with torch_threads(1):  # or the recorded factors would depend on their number
                found = equalize.plan(self.network.network, calibration.images(faces, self.arch))
            self._plans[key] = found
        return self._plans[key]

    def equalized(self, planned: Sequence[Equalization]) -> DeployableModel:
        """The network that int8 is made of: the same function, its channels made alike; raises BadCalibration."""
        if not planned:
            return self.network
        key = str(planned)
        if key not in self._equalized:
            self._equalized[key] = self._with(equalize.apply(self.network.network, self.arch.crop, planned))
        return self._equalized[key]

    def prepared(self, precision: Precision, source: CalibrationRecord | Dataset | None) -> DeployableModel:
        """The network that a file is made from: for int8 with its channels made alike, as faces or a record say."""
        if source is None:
            return self.half if precision == "fp16" else self.network
        return self.equalized(self.plan(source) if isinstance(source, Dataset) else source.equalization)

    def model(self, kind: str, network: DeployableModel | None = None) -> bytes:
        """The float graph that files of the format `kind` are made from; raises ExportFailed.

        `network` is one that this object made of its own, by default the folded network.
        """
        graph, network = ENGINES[kind].ranges, network or self.network
        key = graph, id(network)
        if key not in self._models:
            self._models[key] = self._convert(graph, network)
        return self._models[key]

    def _convert(self, graph: str, network: DeployableModel) -> bytes:
        exporter, what = import_exporter(graph), f"{self.arch.name} can't be converted to {graph}"
        with library_errors(lambda reason: ExportFailed(f"{what} ({reason}): {_DEBUG}"), EXPLAINED):
            return exporter.convert(network, self.arch.crop)

    @cached_property
    def counted(self) -> Count:
        """What the network takes for one face."""
        return count(self.weights.network, self.arch.crop, self.arch.channels)

    def answers(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities (N, classes) of the network for pixels (N, crop, crop, 3); raises BadWeights for NaN."""
        key = digest(pixels.tobytes())
        if key not in self._answers:
            with torch.inference_mode(), torch_threads(1):  # or the manifest's bytes would depend on their number
                parts = [self._batch(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)]
            answers = np.concatenate(parts)
            if not np.isfinite(answers).all():
                bad = np.count_nonzero(~np.isfinite(answers).all(1))
                raise BadWeights(
                    f"{self.arch.name} answers {bad} of {len(pixels)} pictures with nan or infinite values: "
                    "the network or its weights are broken; train it again."
                )
            self._answers[key] = answers
        return self._answers[key]

    def _batch(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = self.network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).numpy()
        return answers

    def measure(
        self, kind: str, faces: Dataset, method: Method, seed: int, warnings: tuple[str, ...] = ()
    ) -> CalibrationRecord:
        """The ranges of the graph's tensors on `faces`, which `seed` chose; raises BadCalibration, ExportFailed."""
        graph, chosen = ENGINES[kind].ranges, calibration.describe(faces, seed, warnings)
        key = graph, method, chosen.sha256, seed
        if key not in self._records:
            planned = self.plan(faces)
            backend, model = import_exporter(graph), self.model(kind, self.equalized(planned))
            what = f"the {graph} graph of {self.arch.name} can't be run to measure its ranges"
            with library_errors(lambda reason: ExportFailed(f"{what} ({reason}): {_DEBUG}"), EXPLAINED):
                ranges = estimate(backend.observe(model, calibration.images(faces, self.arch)), len(faces), method)
            # Pixels are 0..255 whatever the faces were: an int8 input is then the pixel less 128, exactly.
            ranges[backend.input_name(model)] = (0.0, PIXEL_MAX)
            _require_finite(ranges)
            self._records[key] = CalibrationRecord(
                arch=self.arch.name,
                weights_sha256=self.weights.sha256,
                engine=graph,
                versions=machine.package_versions(ENGINES[graph].converters),
                method=method,
                faces=chosen,
                ranges=ranges,
                equalization=planned,
            )
        return self._records[key]


def _require_finite(ranges: dict[str, tuple[float, float]]) -> None:
    for name, (low, high) in ranges.items():
        if not -float("inf") < low <= 0 <= high < float("inf"):
            raise BadCalibration(
                f"the tensor {name} takes values from {low} to {high}, which no int8 can stand for: "
                "the network or its weights are broken, or its conversion pads with infinity."
            )
