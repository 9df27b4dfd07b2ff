"""The table of engines, and how a model's file is opened with one: numpy and one engine a file, never torch.

A new format is a row here, a module that runs it beside this one, a module of edgefer.pipeline.export that writes it,
and the sections of the bundle's page in edgefer/pipeline/templates. Whoever needs to know what an engine is reads it
from its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.contract import Contract, Layout, TensorSpec, dequantise, to_input
from edgefer.runtime.errors import BrokenBundle, EdgeferError, MissingEngine, NotSetUp, UnknownName, WrongOptions
from edgefer.runtime.process import defer_signals, library_errors


@dataclass(frozen=True)
class Package:
    """A package from PyPI that holds an engine: its name, the module that is imported, what its makers call it."""

    name: str
    module: str
    title: str


@dataclass(frozen=True)
class Engine:
    """A format of model files and what runs and writes them.

    name           of the format, as in targets.toml and in manifests; also that of the extra in pyproject.toml, and
                   the first word of the names of its page's templates, <name>-<language>.md
    suffixes       of the model's files, the one that is opened first
    packages       any one of which runs the format
    other_packages those whose versions also belong to its figures
    runner         the module with `load(path, threads)`; where there are providers, `load(path, threads, provider)`
    providers      the engine's ways to a GPU; without one of them it computes on the processor
    exporter       the module that writes the format, an edgefer.pipeline.export.Exporter; not on a device
    converters     the packages that it writes it with
    ranges         the format whose float graph the files are made from, and whose tensors have names in a calibration
    int8_sections  languages whose section of the page has code for int8 input and output; for the others there is a
                   second template, <name>-<language>-int8.md
    one_thread     it computes in the thread that calls it, however many are asked for
    host_compiles  a board needs no package: its host compiles the files, by the runner's `for_boards(path, machines)`
    unneeded       suffixes of files that edgefer checks the others by, and an app does not need
    not_run        why edgefer runs no file of the format, and what is then not known; such a row stands in UNRUN
    same_host      share of the instructions per frame by which two counts of the same files may differ on one host
    other_host     and on two hosts, or by two versions of edgefer
    """

    name: str
    suffixes: tuple[str, ...]
    packages: tuple[Package, ...]
    runner: str
    exporter: str
    converters: tuple[str, ...]
    ranges: str
    same_host: float
    other_host: float
    providers: tuple[str, ...] = ()
    other_packages: tuple[str, ...] = ()
    int8_sections: tuple[str, ...] = ()
    one_thread: bool = False
    host_compiles: bool = False
    unneeded: tuple[str, ...] = ()
    not_run: str = ""

    @property
    def reported(self) -> tuple[str, ...]:
        """The packages whose versions a measurement records."""
        return (*(package.name for package in self.packages), *self.other_packages)


_TFLITE_CONVERTERS = ("torch", "litert-torch", "litert-converter", "ai-edge-litert", "ai-edge-quantizer", "flatbuffers")
_ONNX_CONVERTERS = ("torch", "onnx", "onnxscript", "onnxsim", "onnxruntime")

# same_host and other_host: other files beside the model move what lies in memory, and with it the count of the same
# model. Tried with longer manifests (LiteRT 2e-5, ncnn 2e-5, ONNX Runtime 3e-5) and padded modules of edgefer (2e-5,
# 2.2e-3, 5e-4), and rounded up. ONNX Runtime strays by 2e-5 besides; OpenVINO's threads wait for each other, so it
# never counts the same twice.
_ROWS = (
    Engine(
        name="tflite",
        suffixes=(".tflite",),
        packages=(
            Package("ai-edge-litert", "ai_edge_litert.interpreter", "LiteRT"),
            Package("tflite-runtime", "tflite_runtime.interpreter", "tflite-runtime"),
        ),
        runner="edgefer.runtime.engines.tflite",
        exporter="edgefer.pipeline.export.to_tflite",
        converters=_TFLITE_CONVERTERS,
        ranges="tflite",
        int8_sections=("python", "kotlin"),
        same_host=5e-5,
        other_host=5e-5,
    ),
    Engine(
        name="onnx",
        suffixes=(".onnx",),
        packages=(
            Package("onnxruntime", "onnxruntime", "ONNX Runtime"),
            Package("onnxruntime-gpu", "onnxruntime", "ONNX Runtime for GPUs"),
        ),
        other_packages=("tensorrt",),
        runner="edgefer.runtime.engines.onnx",
        providers=("cuda", "tensorrt"),
        exporter="edgefer.pipeline.export.to_onnx",
        converters=_ONNX_CONVERTERS,
        ranges="onnx",
        same_host=1e-4,
        other_host=1e-3,
    ),
    Engine(
        name="openvino",
        suffixes=(".xml", ".bin"),
        packages=(Package("openvino", "openvino", "OpenVINO"),),
        runner="edgefer.runtime.engines.openvino",
        providers=("gpu",),
        exporter="edgefer.pipeline.export.to_openvino",
        converters=(*_ONNX_CONVERTERS, "openvino"),
        ranges="onnx",  # its int8 is made from the ONNX graph
        same_host=5e-3,
        other_host=5e-3,
    ),
    Engine(
        name="ncnn",
        suffixes=(".param", ".bin"),
        packages=(Package("ncnn", "ncnn", "ncnn"),),
        runner="edgefer.runtime.engines.ncnn",
        providers=("vulkan",),
        exporter="edgefer.pipeline.export.to_ncnn",
        converters=(*_ONNX_CONVERTERS, "pnnx", "ncnn"),
        ranges="onnx",  # its int8 is made from the ONNX graph
        same_host=1e-4,
        other_host=5e-3,
    ),
    Engine(
        name="c",
        suffixes=(".c", ".h", ".tflite"),
        packages=(Package("ziglang", "ziglang", "C"),),
        runner="edgefer.runtime.engines.c",
        exporter="edgefer.pipeline.export.to_c",
        converters=_TFLITE_CONVERTERS,
        ranges="tflite",  # it is made from the TFLite file
        int8_sections=("c", "python", "kotlin", "swift", "javascript"),
        one_thread=True,
        host_compiles=True,
        unneeded=(".tflite",),
        same_host=5e-5,
        other_host=5e-3,
    ),
)
ENGINES: dict[str, Engine] = {row.name: row for row in _ROWS}
# Formats that are only written here: a build of one has to be accepted as unrun, and who would run it is told why not.
UNRUN: dict[str, Engine] = {
    "coreml": Engine(
        name="coreml",
        suffixes=(".mlpackage",),
        packages=(Package("coremltools", "coremltools", "Core ML"),),
        runner="",
        exporter="edgefer.pipeline.export.to_coreml",
        converters=("torch", "coremltools"),
        ranges="coreml",
        same_host=0.0,
        other_host=0.0,
        not_run="Core ML runs on Apple's systems only, and edgefer has no runner for it",
    )
}


def format_row(name: str) -> Engine:
    """The row of a format, also of one that is only written here."""
    return UNRUN[name] if name in UNRUN else ENGINES[name]


Explain = Callable[[str], EdgeferError]  # from what an engine did, without a full stop, to the failure that it is


class Model(Protocol):
    """A loaded file; its input and output are arrays as the contract has them, the output (1, classes).

    Where an engine can tell, it also has `provider` (what really runs the model) and `arena` (bytes); on a GPU `gpu`
    (a runtime.bench_record.Gpu) and `notes` (RunWarnings of what does not run there).
    """

    engine: str
    layout: Layout
    input: TensorSpec
    output: TensorSpec

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference."""


def run_each(model: Model, pixels: NDArray[np.uint8], contract: Contract) -> Iterator[NDArray[np.float32]]:
    """Probabilities (1, classes) for each of pixels (N, crop, crop, 3), one face at a time as on a device."""
    for face in pixels:
        yield dequantise(model.run(to_input(face[None], contract)), contract.output)


class CheckedModel:
    """A Model whose failures are edgefer's: `explain` makes one of what its engine raises, and of unusable outputs.

    `unchecked` is the engine's own, for measuring: a check would be measured with it. What the engine can tell besides
    (see Model) is read from there.
    """

    def __init__(self, unchecked: Model, explain: Explain) -> None:
        self.unchecked, self._explain = unchecked, explain
        self.engine, self.layout = unchecked.engine, unchecked.layout
        self.input, self.output = unchecked.input, unchecked.output

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; raises what `explain` makes of a failure."""
        with library_errors(lambda reason: self._explain(f"{self.engine} stopped while it ran the model ({reason})")):
            returned = self.unchecked.run(given)
        if returned.shape != self.output.shape:
            raise self._explain(f"{self.engine} gave an output of {returned.shape}, the file says {self.output.shape}")
        if not np.isfinite(returned).all():
            raise self._explain(f"{self.engine} gave values that are nan or infinite")
        return returned

    def __getattr__(self, name: str) -> Any:
        """What only some engines tell."""
        return getattr(self.unchecked, name)


def require_threads(threads: int) -> None:
    """Raise WrongOptions for a number of threads that can't be."""
    if threads < 1:
        raise WrongOptions(f"{threads} threads: give at least 1.")


def import_runner(name: str) -> ModuleType:
    """The module that runs a format's files; raises MissingEngine if no package of the engine is installed."""
    try:
        with defer_signals():
            return import_module(ENGINES[name].runner)
    except ModuleNotFoundError as error:
        raise MissingEngine.of(error.name or str(error), name) from error


def load(
    path: Path, name: str, threads: int = 1, provider: str | None = None, explain: Explain = BrokenBundle
) -> CheckedModel:
    """Open a model file with the engine of its format, on the processor or a GPU (`provider`).

    Raises MissingEngine, NoGpu, UnknownName for a provider that the format has not, NotSetUp for a format of UNRUN, or
    what `explain` makes of what the engine raises.
    """
    if name in UNRUN:
        raise NotSetUp(
            f"{name} models are not run here: {UNRUN[name].not_run}. `edgefer app ios BUNDLE` writes a test that runs "
            "the golden pairs on a phone."
        )
    providers = ENGINES[name].providers
    if provider is not None and provider not in providers:
        raise UnknownName.of(f"way of {name} to a GPU", provider, providers or ["none"])
    module = import_runner(name)
    with library_errors(lambda reason: explain(f"the {name} engine can't load it ({reason})")):
        model = module.load(path, threads) if provider is None else module.load(path, threads, provider)
        return CheckedModel(cast(Model, model), explain)


def for_boards(path: Path, name: str, machines: tuple[str, ...]) -> dict[str, bytes]:
    """What boards of these kinds (aarch64, x86_64) get besides a bundle, by file: libraries, where a host compiles.

    `path` is the bundle's model. Raises MissingEngine, CompilerFailed, BrokenBundle.
    """
    if not ENGINES[name].host_compiles:
        return {}
    made: dict[str, bytes] = import_runner(name).for_boards(path, machines)
    return made
