"""The options of a build, and the bundles that it makes; torch is imported only once something is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.data.listing import READ_DEFAULTS, ReadOptions
from edgefer.runtime.engines import ENGINES, UNRUN
from edgefer.runtime.errors import EdgeferError, MissingFile, UnknownName, WrongOptions
from edgefer.runtime.files import explained
from edgefer.runtime.process import EXPLAINED, import_quietly
from edgefer.runtime.progress import SILENT, Progress

if TYPE_CHECKING:
    from edgefer.arch import Arch
    from edgefer.pipeline.build import BuildJob, CalibrationOptions
    from edgefer.pipeline.float_model import FloatModel
    from edgefer.pipeline.ranges import Method
    from edgefer.pipeline.user_model.load import UserModel
    from edgefer.runtime.bundle import Bundle
    from edgefer.training.weights import TrainedModel


@dataclass(frozen=True)
class BuildOptions:
    """The options of `edgefer build`.

    One of `arch`, `model` (module:callable) and `onnx` names the network. The other keys of a network of the user's own
    go before those of its contract's file. `labels` are also those of edgefer's network where no record has them.
    `calibration` is a data set or a calibration.json.
    """

    targets: tuple[str, ...]
    arch: str | None = None
    model: str | None = None
    onnx: Path | None = None
    contract: Path | None = None
    input: str | None = None
    labels: tuple[str, ...] | None = None
    name: str | None = None
    weights: Path | None = None
    untrained: int | None = None
    calibration: Path | None = None
    calibration_method: Method = "mse"
    calibration_count: int = 512
    seed: int = 0
    reading: ReadOptions = READ_DEFAULTS
    out: Path = Path("dist")
    accept_loss: bool = False
    keep_names: bool = False
    accept_unrun: bool = False
    platforms: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise WrongOptions for what does not go together, UnknownName for a network or target that is none."""
        from edgefer.arch import get_arch
        from edgefer.pipeline.platforms import get_platform
        from edgefer.pipeline.ranges import METHODS
        from edgefer.pipeline.targets import get_target

        if self.untrained is not None and self.weights is not None:
            raise WrongOptions("--untrained takes no --weights: give one of the two.")
        if sum(each is not None for each in (self.arch, self.model, self.onnx)) != 1:
            raise WrongOptions("give one of --arch, --model and --onnx.")
        if self.arch is not None:
            self._require_none("--arch", contract=self.contract, input=self.input, name=self.name)
            arch = get_arch(self.arch)
            arch.with_labels(self.labels or arch.labels)
        elif self.model is not None:
            self._require_none("--model", untrained=self.untrained)
            if self.weights is None:
                raise WrongOptions("--model needs --weights: a .safetensors file.")
        else:
            self._require_none("--onnx", untrained=self.untrained, weights=self.weights)
        if self.calibration_method not in METHODS:
            raise UnknownName.of("calibration method", self.calibration_method, METHODS)
        if self.calibration_count < 2 or self.seed < 0 or (self.untrained or 0) < 0:
            raise WrongOptions("--calibration-count is at least 2, --seed and --untrained are not below 0.")
        formats = {get_target(name).format for name in self.targets}
        for name in self.platforms:
            get_platform(name)
        if self.platforms and not any(format in ENGINES and ENGINES[format].host_compiles for format in formats):
            raise WrongOptions("--platform compiles the network as C: give --target c-int8 too.")

    def _require_none(self, option: str, **others: object) -> None:
        for name, value in others.items():
            if value is not None:
                raise WrongOptions(f"--{name} does not go with {option}.")


@dataclass(frozen=True)
class BuildOutcome:
    """What became of one target: the bundle, or the failure. `id` is <name>.<target>, as the bundle's folder is called.

    A failure names its target.
    """

    id: str
    target: str
    bundle: Bundle | None = None
    failure: EdgeferError | None = None

    def require(self) -> Bundle:
        """The bundle; raises the failure if there is none."""
        if self.failure is not None:
            raise self.failure
        assert self.bundle is not None
        return self.bundle


def build_bundles(options: BuildOptions, progress: Progress = SILENT) -> Iterator[BuildOutcome]:
    """Build a bundle for each target, one after the other; one that fails does not take the others with it.

    Raises what concerns all of them: what `check` and the network raise. What `build_bundle` raises is in the outcome.
    """
    options.check()
    import_quietly("torch", progress)
    from edgefer.pipeline.build import BuildJob
    from edgefer.pipeline.float_model import FloatModel
    from edgefer.pipeline.targets import get_target

    progress.step("", "loading the network", 0, None)
    arch, weights = _network(options, progress)
    calibrate = _calibrate(options, arch, progress)
    float_model = FloatModel(arch, weights)
    for name in options.targets:
        yield _build(
            BuildJob(
                arch,
                name,
                get_target(name),
                weights,
                calibrate,
                options.accept_loss,
                options.keep_names,
                options.accept_unrun,
                options.platforms,
            ),
            options.out,
            float_model,
            progress,
        )


def _build(job: BuildJob, out: Path, float_model: FloatModel, progress: Progress) -> BuildOutcome:
    from edgefer.pipeline.build import build_bundle
    from edgefer.pipeline.unrun import build_unrun

    build = build_unrun if job.target.format in UNRUN else build_bundle
    try:
        bundle = build(job, out, partial(_tell_stage, progress, job.id), float_model)
    except EXPLAINED as error:
        return BuildOutcome(job.id, job.name, failure=_naming(job.id, error))
    return BuildOutcome(job.id, job.name, bundle)


def _naming(name: str, error: EdgeferError | OSError | ModuleNotFoundError) -> EdgeferError:
    """The failure, in words that name the target."""
    failure = error if isinstance(error, EdgeferError) else explained(error)
    named = failure if name in str(failure) else type(failure)(f"{name}: {failure}")
    if named is not error:
        named.__cause__ = error
    return named


def _tell_stage(progress: Progress, task: str, stage: str) -> None:
    progress.step(task, stage, 0, None)


def _network(options: BuildOptions, progress: Progress) -> tuple[Arch, TrainedModel]:
    from edgefer.arch import get_arch
    from edgefer.training import random_init, weights

    if options.arch is not None:
        arch = get_arch(options.arch)
        if options.untrained is not None:
            arch = arch.with_labels(options.labels or arch.labels)
            return arch, random_init.make(arch, options.untrained)
        arch = weights.labelled(arch, options.weights, options.labels)
        return arch, weights.load_trained_model(arch, options.weights, progress)
    model = load_user_model(options, progress)
    return model.arch, model.weights


def load_user_model(options: BuildOptions, progress: Progress = SILENT) -> UserModel:
    """The network of the user's own that checked options name; raises what user_model.load does."""
    from edgefer.pipeline.user_model import load
    from edgefer.pipeline.user_model.contract_file import read_contract_file

    contract = read_contract_file(options.contract, name=options.name, labels=options.labels, input=options.input)
    if options.onnx is not None:
        return load.load_onnx_model(options.onnx, contract)
    assert options.model is not None and options.weights is not None  # `check` has seen to that
    return load.load_torch_model(options.model, options.weights, contract, progress)


def _calibrate(options: BuildOptions, arch: Arch, progress: Progress) -> CalibrationOptions:
    from edgefer.data.load import load as load_data
    from edgefer.pipeline.build import CalibrationOptions

    path = options.calibration
    if path is None:
        return CalibrationOptions()
    if not path.exists():
        raise MissingFile(f"no calibration data at {path}: give a fer2013.csv, an image folder or a calibration.json.")
    if path.suffix == ".json":
        return CalibrationOptions(recorded=path)
    faces = load_data(path, arch.resize, replace(options.reading, unlabelled=True).with_progress(path, progress))
    if arch.user_model is not None and arch.user_model.color != "grey" and faces.pixels.shape[-1] == 1:
        progress.note(f"note: {arch.name} reads colour, but {path} has grey faces only: ranges may be too narrow")
    return CalibrationOptions(
        faces=faces, method=options.calibration_method, count=options.calibration_count, seed=options.seed
    )
