"""From the options of the gate to its record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from edgefer.arch import get_arch
from edgefer.data.listing import READ_DEFAULTS, ReadOptions
from edgefer.data.load import load
from edgefer.devices import config, registry
from edgefer.gate import baseline, run
from edgefer.gate.base_and_head import Build, built, is_ref, open_side, pairs
from edgefer.gate.interleave import Effort
from edgefer.gate.report import GateRecord, make_record
from edgefer.gate.run import Accuracy, Limits, Tools, measure_accuracy
from edgefer.gate.verdict import Thresholds
from edgefer.pipeline.targets import get_target
from edgefer.runtime import machine
from edgefer.runtime.bench_record import BenchRecord
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import BadRecord, NotSetUp, WrongOptions
from edgefer.runtime.progress import SILENT, Progress
from edgefer.runtime.signature import Trust

FEWEST = 12  # processes, for a permutation test that can tell anything


@dataclass(frozen=True)
class GateOptions:
    """The options of `edgefer gate`.

    head       a bundle, a folder of bundles, or a git ref, of which `targets` of `arch` are built with `weights`
    base       the same; or None, and `baseline` is a record of `edgefer bench`
    devices    none: this machine's processor, or the emulated board of the baseline
    threshold  percent that is still not slower; tolerance, percent (points of accuracy) of a static metric
    processes  of a round before the first look; budget, at most
    trust      what the signatures of bundles that are given have to be; those of git refs are built here
    """

    head: str
    base: str | None = None
    baseline: Path | None = None
    devices: tuple[str, ...] = ()
    threshold: float = 5.0
    tolerance: float = 0.0
    processes: int = 24
    budget: int = 72
    exact_only: bool = False
    instructions: bool = True
    data: Path | None = None
    reading: ReadOptions = READ_DEFAULTS
    split: str = "PrivateTest"
    arch: str | None = None
    targets: tuple[str, ...] = ()
    weights: Path | None = None
    trust: Trust | None = None

    @property
    def limits(self) -> Limits:
        """When to fail and when to give up."""
        thresholds = Thresholds(latency=self.threshold / 100, exact=self.tolerance)
        return Limits(thresholds, Effort(self.processes, self.budget))

    @property
    def sides(self) -> tuple[str, ...]:
        """What has to be opened: BASE, if it is no record, and HEAD."""
        return (self.head,) if self.base is None else (self.base, self.head)

    def check(self) -> None:
        """Raise WrongOptions for what does not go together, UnknownName for a network or target that is none.

        Better now than after a checkout.
        """
        if (self.base is None) == (self.baseline is None):
            raise WrongOptions("give HEAD alone with --baseline, BASE and HEAD without it.")
        if self.processes < FEWEST or not self.threshold > 0 or not self.tolerance >= 0:
            raise WrongOptions(
                f"--processes is at least {FEWEST}, --threshold above 0 and --tolerance not below: "
                f"they are {self.processes}, {self.threshold:g} and {self.tolerance:g}."
            )
        if self.budget < self.processes:
            raise WrongOptions(f"--budget {self.budget} is less than --processes {self.processes}.")
        for side in self.sides:
            if (self.arch is None or not self.targets) and is_ref(side):
                raise WrongOptions(f"{side} is a git ref: say what to build of it with --arch and --target.")
        if self.arch is not None:
            get_arch(self.arch)
        for target in self.targets:
            get_target(target)


def compare(options: GateOptions, progress: Progress = SILENT) -> GateRecord:
    """Compare HEAD with BASE; the record's `outcome` is the answer.

    Raises what `GateOptions.check`, opening and building bundles, and a measurement raise.
    """
    options.check()
    recorded = None if options.baseline is None else baseline.read(options.baseline)
    devices = gate_devices(options.devices, recorded)
    tools = _tools(options, devices, progress)
    build = Build(options.arch or "", options.targets, options.weights)
    with ExitStack() as stack:
        opened = []
        for side in options.sides:
            progress.step("", f"opening {side}", 0, None)
            opened.append(stack.enter_context(open_side(side, partial(built, build=build), options.trust)))
        if recorded is not None:
            verdicts = run.against(recorded, opened[0], tools, options.limits)
            counts = len(run.baseline_results(recorded)), len(opened[0].bundles)
        else:
            verdicts = run.gate(pairs(*opened), tools, options.limits)
            counts = len(opened[0].bundles), len(opened[1].bundles)
    base = options.base if options.base is not None else str(options.baseline)
    return make_record(base, options.head, options.limits.thresholds, verdicts, devices, counts)


def _tools(options: GateOptions, devices: Sequence[str], progress: Progress) -> Tools:
    """What the gate calls; raises WrongOptions, or NotSetUp for a board that is not made."""
    ready = [registry.ready_device(name) for name in devices]
    timed = any(device.timed for device in ready)
    if not timed and not options.instructions:
        raise WrongOptions("instructions are what an emulated board tells: leave --no-instructions out.")
    return Tools(
        counters={device.name: device.count for device in ready} if options.instructions else {},
        accuracy=None if options.data is None else _accuracy(options.data, options, progress),
        latency=timed and not options.exact_only,
        notes=[] if timed else ["latency not compared: an emulated board has none"],
        tick=lambda what: progress.step("", what, 0, None),
    )


def _accuracy(data: Path, options: GateOptions, progress: Progress) -> Callable[[Bundle], Accuracy]:
    reading = options.reading.with_progress(data, progress)
    read = cache(lambda size: load(data, size, reading).split(options.split))

    def measure(bundle: Bundle) -> Accuracy:
        test = read(bundle.manifest.contract.resize)
        tick = progress.counter(bundle.manifest.name, f"on {options.split}", len(test))
        return measure_accuracy(bundle, test, tick)

    return measure


def gate_devices(asked: Sequence[str], recorded: BenchRecord | None) -> list[str]:
    """The devices that were asked for; none is this machine's processor, or the emulated board of a baseline.

    Raises UnknownName; NotSetUp for other devices, where BASE and HEAD can't run close together; BadRecord for a
    baseline of another one.
    """
    here, emulated = machine.local_device(), {**config.emulated_processors(), **config.microcontrollers()}
    names = list(dict.fromkeys(asked))
    for name in names:
        if name != here and name not in emulated:
            config.row(name)  # a name that no one knows is another failure
            raise NotSetUp(
                f"the gate compares on {here} and on emulated boards ({', '.join(emulated)}), not on {name}: "
                f"measure there with `edgefer bench --device {name}`."
            )
    if recorded is None or not emulated.keys() & {recorded.device, *names}:
        return names or [here]
    if names and recorded.device not in names:
        raise BadRecord(
            f"the baseline is of {recorded.device}, not of {', '.join(names)}: give --device {recorded.device}."
        )
    return names or [recorded.device]
