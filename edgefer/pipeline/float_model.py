"""The float network of a build: folded once, and converted and observed once for all targets that share a graph."""

from __future__ import annotations

from functools import cached_property

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset
from edgefer.pipeline import calibration
from edgefer.pipeline.calibration import CalibrationRecord
from edgefer.pipeline.export import import_exporter
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.ranges import Method, estimate
from edgefer.runtime import machine
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import BadCalibration, ExportFailed
from edgefer.runtime.preprocess import PIXEL_MAX
from edgefer.runtime.process import EXPLAINED, library_errors
from edgefer.training.weights import TrainedModel

_DEBUG = "`edgefer --debug` shows all of it."


class FloatModel:
    """A network with its weights, and what has been made of it so far, by the format of the graph."""

    def __init__(self, arch: Arch, weights: TrainedModel) -> None:
        self.arch, self.weights = arch, weights
        self._models: dict[str, bytes] = {}
        self._records: dict[tuple[str, Method, str, int], CalibrationRecord] = {}

    @cached_property
    def network(self) -> DeployableModel:
        """The folded network, in evaluation mode."""
        return DeployableModel(self.weights.network, self.arch.input_min, self.arch.user_model).eval()

    def model(self, kind: str) -> bytes:
        """The float graph that files of the format `kind` are made from; raises ExportFailed."""
        graph = ENGINES[kind].ranges
        if graph not in self._models:
            self._models[graph] = self._convert(graph)
        return self._models[graph]

    def _convert(self, graph: str) -> bytes:
        exporter, what = import_exporter(graph), f"{self.arch.name} can't be converted to {graph}"
        with library_errors(lambda reason: ExportFailed(f"{what} ({reason}): {_DEBUG}"), EXPLAINED):
            return exporter.convert(self.network, self.arch.crop)

    def measure(self, kind: str, faces: Dataset, method: Method, seed: int) -> CalibrationRecord:
        """The ranges of the graph's tensors on `faces`, which `seed` chose; raises BadCalibration, ExportFailed."""
        graph, chosen = ENGINES[kind].ranges, calibration.describe(faces, seed)
        key = graph, method, chosen.sha256, seed
        if key not in self._records:
            backend, model = import_exporter(graph), self.model(kind)
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
            )
        return self._records[key]


def _require_finite(ranges: dict[str, tuple[float, float]]) -> None:
    for name, (low, high) in ranges.items():
        if not -float("inf") < low <= 0 <= high < float("inf"):
            raise BadCalibration(
                f"the tensor {name} takes values from {low} to {high}, which no int8 can stand for: "
                "the network or its weights are broken, or its conversion pads with infinity."
            )
