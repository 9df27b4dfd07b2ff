"""What `import edgefer` offers besides `load`: the commands as functions, which return what --json prints.

Each imports what it needs when it is called. Where a command takes several targets, bundles or devices, call the
function once for each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.runtime.progress import SILENT, Progress

if TYPE_CHECKING:
    from edgefer.benchmark.recommendation import Recommendation
    from edgefer.devices.verification import BundleCheck
    from edgefer.gate.report import GateRecord
    from edgefer.pipeline.ranges import Method
    from edgefer.runtime.bench_record import BenchRecord
    from edgefer.runtime.bundle import Bundle
    from edgefer.runtime.signature import Signer

StrPath = str | os.PathLike[str]


def build(
    arch: str | None = None,
    target: str = "tflite-int8",
    *,
    model: str | None = None,
    onnx: StrPath | None = None,
    contract: StrPath | None = None,
    input: str | None = None,
    labels: Sequence[str] | None = None,
    name: str | None = None,
    weights: StrPath | None = None,
    untrained: int | None = None,
    calibration: StrPath | None = None,
    calibration_method: Method = "mse",
    calibration_count: int = 512,
    seed: int = 0,
    layout: str | None = None,
    cache: StrPath | None = None,
    out: StrPath = "dist",
    accept_loss: bool = False,
    keep_names: bool = False,
    accept_unrun: bool = False,
    platforms: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Bundle:
    """Build the bundle <out>/<name>.<target>, by default from the shipped weights and calibration.

    arch                 a network of edgefer's, or instead of it one of your own:
    model, onnx          "module:callable", whose network gets `weights`; or an ONNX file
    contract             a TOML file about your own network; `input` ("1x64x64"), `labels` and `name` go before it
    labels               also of edgefer's network, where no record beside its weights has them
    weights              a .safetensors file; None: the weights that edgefer ships
    untrained            the seed of random weights, to measure what a network costs
    calibration          what int8 is calibrated on: a fer2013.csv, an image folder or a calibration.json;
                         `calibration_count` of its faces, which `seed` chooses; `calibration_method` makes the ranges
    layout, cache        how an image folder lies on disk, and where decoded faces are kept
    accept_loss          build it also where it is further from the float network than its target allows
    accept_unrun         build it also where no engine here can run it (Core ML)
    platforms            libraries of a C bundle for an app, of pipeline.platforms.PLATFORMS
    keep_names           leave the model file as its converter writes it, larger, with the names of inner tensors

    The manifest's `fidelity` says how it answers beside the float network, on faces that did not calibrate it.

    Raises EdgeferError: WrongOptions for arguments that don't go together, UnknownName, MissingFile, BadWeights,
    BadCalibration, BadNetwork, ExportFailed, NotInteger, GoldenMismatch, AccuracyDropped, OutputFailed, or WorkerFailed
    where `onnx` kills the process that opens it.
    """
    from edgefer.data.listing import ReadOptions
    from edgefer.pipeline.options import BuildOptions, build_bundles

    options = BuildOptions(
        targets=(target,),
        arch=arch,
        model=model,
        onnx=_path(onnx),
        contract=_path(contract),
        input=input,
        labels=None if labels is None else tuple(labels),
        name=name,
        weights=_path(weights),
        untrained=untrained,
        calibration=_path(calibration),
        calibration_method=calibration_method,
        calibration_count=calibration_count,
        seed=seed,
        reading=ReadOptions(layout, _path(cache)),
        out=Path(out),
        accept_loss=accept_loss,
        keep_names=keep_names,
        accept_unrun=accept_unrun,
        platforms=tuple(platforms),
    )
    (outcome,) = build_bundles(options, progress)
    return outcome.require()


def verify(
    bundle: StrPath,
    data: StrPath | None = None,
    *,
    split: str = "PrivateTest",
    float_baseline: StrPath | None = None,
    device: str | None = None,
    engine: str | None = None,
    threads: int = 1,
    layout: str | None = None,
    cache: StrPath | None = None,
    detector: str | None = None,
    trusted: StrPath | None = None,
    min_version: int | None = None,
    progress: Progress = SILENT,
) -> BundleCheck:
    """Check a bundle's files, contract and golden pair; with `data` also its accuracy against the float model.

    data            a fer2013.csv or an image folder, of which `split` is shown
    float_baseline  an fp32 bundle or a .safetensors file to compare with; None: the shipped weights
    device, engine  run the model there, with another set of engines
    detector        finds the face in each image of `data`, which then are whole photographs; None: they are faces
    trusted         a file or folder of public keys, one of which must have signed the bundle; None: that is not asked
    min_version     as which version at least

    Raises EdgeferError: MissingFile, BrokenBundle, GoldenMismatch, AccuracyDropped or MissingEngine; with `data` what
    reading it raises; on a device what reaching it raises; with `trusted` NotSigned, NotTrusted, BadSignature, Outdated
    or BadKey.
    """
    from edgefer.data.listing import ReadOptions
    from edgefer.devices.verification import VerifyOptions, verify_bundles
    from edgefer.runtime.signature import trust_of

    options = VerifyOptions(
        bundles=(Path(bundle),),
        device=device,
        engine=engine,
        data=_path(data),
        reading=ReadOptions(layout, _path(cache), detector=detector),
        split=split,
        float_baseline=_path(float_baseline),
        threads=threads,
        trust=trust_of(trusted, min_version),
    )
    verification = verify_bundles(options, progress)
    verification.require()
    return verification.checks[0]


def sign(bundle: StrPath, key: StrPath, version: int = 1, *, passphrase: str | None = None) -> Signer:
    """Sign a bundle as this version, with the private key that `edgefer key new` wrote.

    Its passphrase, if it has one, is that of EDGEFER_KEY_PASSPHRASE where that is set. Raises EdgeferError:
    MissingFile, BadKey, BrokenBundle for one that is not as it was built, WrongOptions, OutputFailed or MissingEngine.
    """
    from edgefer.pipeline.signing import load_key, sign_bundle

    return sign_bundle(Path(bundle), load_key(Path(key), lambda: passphrase), version)


def bench(
    bundles: StrPath | Sequence[StrPath] = (),
    *,
    device: str | None = None,
    engine: str | None = None,
    dist: StrPath = "dist",
    threads: int = 1,
    fps: float | None = None,
    batch: int | None = None,
    end_to_end: bool = False,
    samples: int | None = None,
    processes: int = 3,
    instructions: bool = True,
    trusted: StrPath | None = None,
    min_version: int | None = None,
    progress: Progress = SILENT,
) -> BenchRecord:
    """Measure bundles in fresh processes: latency, memory, CPU and static metrics.

    bundles         folders, names in `dist` (ean.tflite-int8) or globs of them; none: all in `dist`
    device, engine  where, by default this machine's processor; with another set of engines
    threads         of the bundle's engine
    fps             one inference per tick of such a camera; batch: so many frames at once; both None: back to back
    end_to_end      from a camera's frame to a label, not the model alone
    samples         per process; None: 1000, but no longer than 10 s
    processes       fresh processes for each bundle
    instructions    count instructions per frame too, in an emulator
    trusted         a file or folder of public keys, one of which must have signed each bundle; min_version: as which
                    version at least; checked here, before anything is sent to a device

    Raises EdgeferError: WrongOptions, MissingFile, BrokenBundle, MissingEngine, WorkerFailed; what reaching a device
    raises; Throttled if a board slowed itself down. Ctrl-C raises KeyboardInterrupt.
    """
    from edgefer.devices import bench as benches
    from edgefer.runtime.signature import trust_of

    selectors = [bundles] if isinstance(bundles, str | os.PathLike) else bundles
    options = benches.BenchOptions(
        selectors=tuple(os.fspath(bundle) for bundle in selectors),
        devices=() if device is None else (device,),
        engine=engine,
        dist=Path(dist),
        settings=benches.settings(threads, fps, () if batch is None else (batch,), end_to_end, samples),
        processes=processes,
        instructions=instructions,
        trust=trust_of(trusted, min_version),
    )
    outcome = benches.bench_devices(options, progress)
    if outcome.stopped is not None:
        raise outcome.stopped
    for failure in benches.failures(outcome):
        raise failure
    (record,) = outcome.records.values()
    return record


def recommend(
    arch: str,
    *,
    device: str | None = None,
    engine: str | None = None,
    max_kb: float | None = None,
    max_ms: float | None = None,
    min_accuracy: float | None = None,
    targets: Sequence[str] = (),
    weights: StrPath | None = None,
    calibration: StrPath | None = None,
    dist: StrPath = "dist",
    threads: Sequence[int] = (),
    processes: int = 3,
    samples: int | None = None,
    data: StrPath | None = None,
    split: str = "PrivateTest",
    verified: StrPath | None = None,
    record: StrPath | None = None,
    fresh: bool = False,
    progress: Progress = SILENT,
) -> Recommendation:
    """Measure a network's targets on a device; `best` names one for latency, size, memory and accuracy.

    max_kb, max_ms, min_accuracy  limits: 1,000 bytes of the model, milliseconds a frame, percent; None: none
    targets, threads  none: all targets that run there, on one thread and on all cores
    dist              bundles are taken from here, or built into it from `weights` with `calibration`
    data, verified    accuracy on this data set's `split`, or what `edgefer verify --data --json` printed
    record, fresh     where measurements are kept, to go on with; measure all again

    Where no bundle meets the limits, `require()` of the result raises NothingFits. Raises EdgeferError: WrongOptions,
    UnknownName, MissingFile, BadWeights or NotSetUp; what reading data and reaching a device raises.
    """
    from edgefer.benchmark.recommendation import Limits
    from edgefer.devices.recommend import RecommendOptions
    from edgefer.devices.recommend import recommend as run

    options = RecommendOptions(
        arch=arch,
        device=device,
        engine=engine,
        targets=tuple(targets),
        weights=_path(weights),
        calibration=_path(calibration),
        dist=Path(dist),
        threads=tuple(threads),
        processes=processes,
        samples=samples,
        limits=Limits(max_kb, max_ms, min_accuracy),
        data=_path(data),
        split=split,
        verified=_path(verified),
        record=_path(record),
        fresh=fresh,
    )
    return run(options, progress)


def compare(
    base: StrPath | None,
    head: StrPath,
    *,
    baseline: StrPath | None = None,
    devices: Sequence[str] = (),
    threshold: float = 5.0,
    tolerance: float = 0.0,
    processes: int = 24,
    budget: int = 72,
    exact_only: bool = False,
    instructions: bool = True,
    data: StrPath | None = None,
    split: str = "PrivateTest",
    arch: str | None = None,
    targets: Sequence[str] = (),
    weights: StrPath | None = None,
    layout: str | None = None,
    cache: StrPath | None = None,
    trusted: StrPath | None = None,
    min_version: int | None = None,
    progress: Progress = SILENT,
) -> GateRecord:
    """Compare two bundles, folders of bundles or git refs, as `edgefer gate` does; `outcome` is the answer.

    base, baseline    one of the two: what `head` is compared with, or a record that `edgefer bench` wrote
    devices           this machine's processor or emulated boards
    threshold         percent that HEAD may be slower; `tolerance` of static metrics, in points for accuracy
    processes         fresh processes before the first look; at most `budget`
    exact_only        leave latency out; `instructions` per frame are counted in an emulator
    data              gate accuracy and agreement on its `split` too
    arch, targets     what to build of a git ref, with `weights` within the repository
    trusted           public keys, as for `bench`: of bundles that are given; those of a git ref are built here

    A regression is no exception: `outcome` is "ok", "regressed" or "inconclusive". Raises EdgeferError: WrongOptions,
    MissingFile, BrokenBundle, NotSetUp, BadRecord, ExportFailed or WorkerFailed.
    """
    from edgefer.data.listing import ReadOptions
    from edgefer.gate.compare import GateOptions
    from edgefer.gate.compare import compare as run
    from edgefer.runtime.signature import trust_of

    options = GateOptions(
        head=os.fspath(head),
        base=None if base is None else os.fspath(base),
        baseline=_path(baseline),
        devices=tuple(devices),
        threshold=threshold,
        tolerance=tolerance,
        processes=processes,
        budget=budget,
        exact_only=exact_only,
        instructions=instructions,
        data=_path(data),
        reading=ReadOptions(layout, _path(cache)),
        split=split,
        arch=arch,
        targets=tuple(targets),
        weights=_path(weights),
        trust=trust_of(trusted, min_version),
    )
    return run(options, progress)


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)
