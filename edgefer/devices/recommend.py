"""Which target of a network to take on a device: each is built or taken, measured there, and held against limits.

Measurements are kept in a file as they are made: the same command goes on where it was stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgefer.benchmark import recommendation, report
from edgefer.benchmark.html_sources import read_sources
from edgefer.benchmark.recommendation import Accuracy, Candidate, Excluded, Limits, Recommendation
from edgefer.benchmark.workload import Workload
from edgefer.data.dataset import SYNTHETIC_SOURCE
from edgefer.data.listing import READ_DEFAULTS, ReadOptions
from edgefer.data.load import require_split
from edgefer.devices import bench, registry
from edgefer.devices.device import Device
from edgefer.devices.microcontroller.device import EmulatedMicrocontroller
from edgefer.devices.resumable_bench import ResumableBench
from edgefer.devices.verification import VerifyOptions, verify_bundles
from edgefer.pipeline.options import BuildOptions, build_bundles
from edgefer.pipeline.targets import Target, all_targets, get_target, unrun_targets
from edgefer.runtime import engines, files
from edgefer.runtime.bench_record import BenchRecord
from edgefer.runtime.bundle import MANIFEST, Bundle, read_bundle
from edgefer.runtime.errors import AccuracyDropped, BadRecord, BrokenBundle, MissingFile, NotSetUp, WrongOptions
from edgefer.runtime.manifest import Fidelity
from edgefer.runtime.progress import SILENT, Progress


@dataclass(frozen=True)
class RecommendOptions:
    """The options of `edgefer recommend`.

    targets     none: all that are sensible for the network and the device
    threads     none: one, and all that the device has
    data        a data set, on whose `split` accuracy is measured; verified: what `edgefer verify --data --json` printed
    record      where measurements are kept; None: beside the bundles in `dist`
    fresh       measure all anew
    """

    arch: str
    device: str | None = None
    engine: str | None = None
    targets: tuple[str, ...] = ()
    weights: Path | None = None
    calibration: Path | None = None
    dist: Path = Path("dist")
    threads: tuple[int, ...] = ()
    processes: int = 3
    samples: int | None = None
    limits: Limits = field(default_factory=Limits)
    data: Path | None = None
    reading: ReadOptions = READ_DEFAULTS
    split: str = "PrivateTest"
    verified: Path | None = None
    record: Path | None = None
    fresh: bool = False

    def check(self) -> None:
        """Raise WrongOptions for what does not go together, UnknownName for a network or target that is none."""
        BuildOptions(targets=self.targets, arch=self.arch, weights=self.weights).check()
        if self.data is not None and self.verified is not None:
            raise WrongOptions("--data measures accuracy, --verified reads it: give one of the two.")
        if self.limits.accuracy is not None and self.data is None and self.verified is None:
            raise WrongOptions(
                "--min-accuracy needs accuracies, and a bundle holds none, only how far it agrees with float: give "
                "--data (a fer2013.csv or an image folder), or --verified FILE (what `edgefer verify BUNDLE... --data "
                "PATH --json` printed)."
            )
        if self.processes < 1 or any(number < 1 for number in self.threads):
            raise WrongOptions("--processes and --threads are at least 1.")


def recommend(options: RecommendOptions, progress: Progress = SILENT) -> Recommendation:
    """Build what is not there yet, measure all, and say which is best for what.

    That none meets the limits is no exception: the result's `require` raises one.

    Raises WrongOptions, UnknownName, MissingFile, BadWeights, what reading data and opening the device raises, and
    NotSetUp if nothing is left to measure. Ctrl-C keeps what was measured.
    """
    options.check()
    device = registry.ready_device(options.device, options.engine)
    if not device.timed and options.limits.milliseconds is not None:
        raise WrongOptions(f"{device.name} is emulated and has no latency: leave --max-ms out, or choose a board.")
    if isinstance(device, EmulatedMicrocontroller):
        device.beside = False  # another engine on this machine, for comparison: nothing to choose
    _require_files(options, progress)
    bundles, excluded = _bundles(options, device, progress)
    kept = ResumableBench(
        device,
        record_path(options, device.name),
        bench.settings(samples=options.samples)[0],
        options.threads,
        options.processes if device.timed else 1,
        progress,
        options.fresh,
    )
    record, failed = kept.measure([Workload(bundle) for bundle in bundles])
    accuracies, accuracy_of = _accuracies(options, bundles, progress)
    candidates = [
        recommendation.candidate(result, accuracies.get(result.bundle_sha256), options.limits)
        for result in record.results
    ]
    return Recommendation(
        arch=options.arch,
        device=device.name,
        limits=options.limits,
        accuracy_of=accuracy_of,
        best=recommendation.best(candidates),
        candidates=sorted(candidates, key=lambda each: each.cost),
        excluded=[*excluded, *failed],
        notes=[
            *_of_source(bundles, candidates),
            *report.notes(_without_uncounted(record) if device.timed else record),
        ],
    )


def _of_source(bundles: Sequence[Bundle], candidates: Sequence[Candidate]) -> Iterator[str]:
    """What to know of the size of a bundle that is source code, where its flash is not known."""
    known = {each.bundle_sha256 for each in candidates if each.flash_bytes is None}
    for each in bundles:
        if each.sha256 in known and engines.ENGINES[each.manifest.format].host_compiles:
            yield f"{each.manifest.name}: its size is that of its source, compiled it is smaller"


def _require_files(options: RecommendOptions, progress: Progress) -> None:
    """Raise what reading the user's files raises, before anything is built and measured for minutes."""
    if options.weights is not None and not options.weights.is_file():
        raise MissingFile(f"no weights at {options.weights}: give a .safetensors file.")
    files.require_folder(record_path(options, "").absolute().parent)
    if options.verified is not None and not read_sources([options.verified]).checks:
        raise BadRecord(
            f"{options.verified} holds no accuracy: write it with `edgefer verify BUNDLE... --data PATH --json`."
        )
    if options.data is not None:
        require_split(options.data, options.split, options.reading.with_progress(options.data, progress))


def _without_uncounted(record: BenchRecord) -> BenchRecord:
    """The record without a line for each result that its instructions were not counted: nobody asked for them."""
    return replace(record, results=[replace(result, instructions_reason=None) for result in record.results])


def record_path(options: RecommendOptions, device: str) -> Path:
    """Where the measurements are kept."""
    engine = "" if options.engine is None else f"-{options.engine}"
    return options.record or options.dist / f"recommend-{options.arch}-{device}{engine}.json"


def _bundles(options: RecommendOptions, device: Device, progress: Progress) -> tuple[list[Bundle], list[Excluded]]:
    """The bundle of each target, from the folder or built into it, and what is left out with the reason."""
    names = options.targets or (*all_targets(), *unrun_targets())
    excluded = {name: reason for name in names if (reason := _refusal(options, name, get_target(name), device))}
    wanted = [name for name in names if name not in excluded]
    there = {name: folder for name in wanted if ((folder := _folder(options, name)) / MANIFEST).exists()}
    missing = tuple(name for name in wanted if name not in there)
    if missing:
        build = BuildOptions(
            targets=missing,
            arch=options.arch,
            weights=options.weights,
            calibration=options.calibration,
            reading=options.reading,
            out=options.dist,
        )
        for outcome in build_bundles(build, progress):
            if outcome.failure is None:
                there[outcome.target] = _folder(options, outcome.target)
            else:
                excluded[outcome.target] = str(outcome.failure)
    bundles = []
    for name in (name for name in wanted if name in there):
        try:
            bundles.append(_opened(there[name], _weights_sha256(options)))
        except BrokenBundle as error:
            excluded[name] = str(error)
    if not bundles:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in excluded.items())
        raise NotSetUp(f"nothing of {options.arch} is left to measure on {device.name} ({reasons:.900}).")
    return bundles, [Excluded(name, reason) for name, reason in excluded.items()]


def _folder(options: RecommendOptions, target: str) -> Path:
    return options.dist / f"{options.arch}.{target}"


def _refusal(options: RecommendOptions, name: str, target: Target, device: Device) -> str | None:
    """Why a target is not measured; one that was asked for by name is tried though it is built on demand only."""
    if target.format in engines.UNRUN:
        return engines.UNRUN[target.format].not_run
    if options.arch in target.cannot:
        return target.cannot[options.arch]
    if not options.targets and not target.is_tried(options.arch):
        return f"it is built on demand only: `--target {name}` tries it"
    return device.refusal(target.format)


def _weights_sha256(options: RecommendOptions) -> str | None:
    """The checksum of the weights that are asked for; None if edgefer ships none."""
    path = options.weights or files.shipped_folder("weights") / f"{options.arch}.safetensors"
    return files.sha256(path) if path.is_file() else None


def _opened(folder: Path, weights_sha256: str | None) -> Bundle:
    """The bundle in a folder; raises BrokenBundle for one of other weights than are asked for."""
    bundle = read_bundle(folder)
    if bundle.manifest.weights_sha256 != weights_sha256:
        raise BrokenBundle(f"{folder} was built from other weights: give another --dist, or --weights with its own.")
    return bundle


def _accuracies(
    options: RecommendOptions, bundles: Sequence[Bundle], progress: Progress
) -> tuple[dict[str, Accuracy], str]:
    """Each bundle's accuracy by its checksum, and what they are; without data, how far it agrees with float."""
    if options.verified is not None:
        checks = read_sources([options.verified])
        found = {each.sha256: checks.check(each.manifest.name, each.sha256) for each in bundles}
        source = f"recorded in {options.verified}"
    elif options.data is not None:
        verify = VerifyOptions(
            tuple(each.folder for each in bundles), data=options.data, reading=options.reading, split=options.split
        )
        verification = verify_bundles(verify, progress)
        for failure in verification.failures:
            if not isinstance(failure, AccuracyDropped):
                progress.note(f"no accuracy: {failure}")
        found = {check.bundle.sha256: check.accuracy for check in verification.checks if check.bundle}
        source = f"of {options.data.name}, measured on this machine"
    else:
        agreeing = {
            each.sha256: _agreement(each.manifest.fidelity) for each in bundles if each.manifest.fidelity is not None
        }
        return agreeing, (
            f"accuracy is {_sources(agreeing) or 'not known'}: no data set was given (--data, --verified), "
            "so how often an answer is right is not known"
        )
    known = {
        sha256: Accuracy(check.artifact.accuracy, check.artifact.images, "accuracy", f"{check.split}, {source}")
        for sha256, check in found.items()
        if check is not None
    }
    return known, f"accuracy: {_sources(known) or f'none {source}'}"


def _sources(accuracies: Mapping[str, Accuracy]) -> str:
    return "; ".join(sorted({f"{each.of} ({each.faces:,})" for each in accuracies.values()}))


def _agreement(measured: Fidelity) -> Accuracy:
    faces = SYNTHETIC_SOURCE if measured.source == SYNTHETIC_SOURCE else f"faces of {measured.source}"
    return Accuracy(measured.agreement, measured.faces, "agreement", f"agreement with float on {faces}")
