"""An emulated microcontroller as a device: golden pair, flash, RAM and instructions of bundles in C, never a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.benchmark import instructions
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload
from edgefer.devices.config import Microcontroller
from edgefer.devices.device import Finding, Say, not_refused
from edgefer.devices.microcontroller import firmware, tflite_micro
from edgefer.devices.microcontroller.firmware import Firmware, Ran
from edgefer.runtime import contract, files, verify
from edgefer.runtime.bench_record import Machine, MachineState, Memory, Run, RunWarning, Settings, WarningKind
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.errors import EdgeferError, GoldenMismatch, NotSetUp, WrongOptions
from edgefer.runtime.protocol import Answer, Check
from edgefer.runtime.verify import GoldenCheck
from edgefer.runtime.worker import read_faces

FORMAT = "c"
WARNING = RunWarning(
    WarningKind.EMULATED,
    "no times, for an emulator's say nothing of the processor's; RAM is the arena and the deepest stack, the frame "
    "is the caller's",
)
HOST = RunWarning(
    WarningKind.EMULATED,
    "TensorFlow Lite Micro's arena is what its interpreter on this machine records; its code and stack are not known",
)
NO_HOST = "TensorFlow Lite Micro's arena is told where its package is: run pip install 'edgefer[micro]'"
_UNKNOWN = MachineState(0.0, None, None, None, None, None, None, 0.0, None, None, None)


class EmulatedMicrocontroller:
    """A row of microcontrollers.toml; see devices.device.Device. Raises WrongOptions for a set of engines.

    beside  whether `expand` adds each bundle in TensorFlow Lite Micro
    """

    timed = False
    beside = True

    def __init__(self, row: Microcontroller, engine: str | None = None) -> None:
        if engine is not None:
            raise WrongOptions(f"{row.name} runs a network's C and no engine: leave --engine out.")
        self.name = row.name
        self.left_out: list[str] = []
        self._row = row
        self._built: dict[str, Firmware] = {}

    def require_ready(self) -> None:
        """Raise NotSetUp where QEMU or the compiler is missing."""
        missing = firmware.lacking()
        if missing is not None:
            raise NotSetUp(f"{self.name} is not set up: {missing}.")

    def refusal(self, format: str) -> str | None:
        """For all formats but C."""
        if format == FORMAT:
            return None
        return "a microcontroller runs networks as C only: build this one with --target c-int8"

    def setup(self, offline: bool, say: Say) -> str:
        """Nothing: the system's package manager brings its programs; raises NotSetUp where they are missing."""
        del offline, say
        self.require_ready()
        return f"{self.name} is set up: {firmware.QEMU} and {firmware.compiler_title()} are here"

    def doctor(self) -> list[Finding]:
        """The programs, and whether instructions can be counted."""
        missing = firmware.lacking()
        uncounted = missing or instructions.lacking(firmware.emulator(self._row))
        return [
            Finding("programs", missing is None, missing or f"{self._qemu()}, {firmware.compiler_title()}"),
            Finding("instructions", uncounted is None, uncounted or "can be counted", needed=False),
        ]

    def _qemu(self) -> str:
        return f"QEMU {firmware.emulator(self._row).version or 'of an unknown version'}"

    def answers(self, tasks: Sequence[Task], say: Say) -> Iterator[Answer]:
        """Each from a fresh start of the emulator; raises NotSetUp, WrongOptions, WorkerFailed."""
        del say
        for task in tasks:
            self._require_settings(task.settings)
            bundle = self._bundle(task.workload)
            if task.workload.provider is not None:
                yield Answer(_beside(bundle), self._machine(), self._versions(), None)
                continue
            built = self._firmware(bundle)
            if task.check is not None:
                golden, outputs = _checked(bundle, built, task.check)
                yield Answer(None, self._machine(), self._versions(), None, golden, outputs)
            else:
                ran = built.run_all(_golden_input(bundle))
                yield Answer(_run(built, ran), self._machine(), self._versions(), None)

    def count(self, workload: Workload) -> Counted:
        """To the instruction: what a second inference on the same frame adds."""
        if workload.provider is not None:
            return Counted(None, 0, "not counted: TensorFlow Lite Micro runs on this machine here, for its arena")
        reason = self._refusal(workload) or instructions.lacking(firmware.emulator(self._row))
        if reason is not None:
            return Counted(None, 0, reason if reason.startswith("not counted") else f"not counted: {reason}")
        bundle = self._bundle(workload)
        try:
            counted = self._firmware(bundle).count(_golden_input(bundle))
        except EdgeferError as error:
            return Counted(None, 0, f"not counted: {error}")
        return Counted(counted, 0, None, self._versions())

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        """Those that are C and fit, and each in TensorFlow Lite Micro if that is here; raises NotSetUp for none."""
        running, self.left_out = not_refused(self.name, workloads, self._refusal)
        if not self.beside:
            return running
        if tflite_micro.installed() is None:
            self.left_out += [f"{each.name}:{tflite_micro.PROVIDER}: {NO_HOST}" for each in running]
            return running
        return [each for one in running for each in (one, replace(one, provider=tflite_micro.PROVIDER))]

    def _refusal(self, workload: Workload) -> str | None:
        """Why it does not run here."""
        bundle = workload.bundle
        if bundle is None:
            return "torch is not on a microcontroller"
        if workload.provider not in (None, tflite_micro.PROVIDER):
            return "a microcontroller has no GPU"
        other = self.refusal(bundle.manifest.format)
        if other is not None:
            return other
        try:
            self._firmware(bundle)
        except NotSetUp as error:
            return str(error).rstrip(".")
        return None

    def _firmware(self, bundle: Bundle) -> Firmware:
        if bundle.sha256 not in self._built:
            self._built[bundle.sha256] = firmware.build(bundle, self._row)
        return self._built[bundle.sha256]

    def _bundle(self, workload: Workload) -> Bundle:
        reason = self._refusal(workload)
        if reason is not None or workload.bundle is None:
            raise NotSetUp(f"{workload.name} does not run on {self.name}: {reason}.")
        return workload.bundle

    def _require_settings(self, settings: Settings) -> None:
        """Raise WrongOptions for what a microcontroller without a clock can't do."""
        refused = {
            f"--threads {settings.threads}": settings.threads > 1,
            f"--batch {settings.batch}": settings.mode == "batch" and settings.batch > 1,
            "--fps": settings.mode == "paced",
            "--end-to-end": settings.scope == "end-to-end",
        }
        for option, asked in refused.items():
            if asked:
                raise WrongOptions(f"{self.name} has one core, no clock and no camera: leave {option} out.")

    def _versions(self) -> dict[str, str]:
        qemu = firmware.emulator(self._row).version or "unknown"
        return {
            firmware.COMPILER: firmware.compiler_title().split()[-1],
            "qemu": qemu,
            "worker": files.runtime_checksum(),
        }

    def _machine(self) -> Machine:
        return Machine(
            cpu=self._row.title,
            cores=1,
            memory=None,
            system="none",
            kernel="no operating system",
            architecture="thumb",
            board=f"{self._row.machine}, emulated by {self._qemu()} ({self._row.cpu})",
        )


def _golden_input(bundle: Bundle) -> NDArray[Any]:
    agreed = bundle.manifest.contract
    stored = np.frombuffer(bundle.path(bundle.manifest.golden.input).read_bytes(), np.int8)
    return stored.reshape(agreed.input.shape)


def _checked(bundle: Bundle, built: Firmware, check: Check) -> tuple[GoldenCheck, list[list[float]] | None]:
    """The golden pair, byte for byte, and the outputs for faces if there are any; raises GoldenMismatch, BadData."""
    golden = verify.check_golden_of(bundle, built)
    differences = [golden.difference, *([] if golden.resize is None else [golden.resize.difference])]
    if any(differences):
        raise GoldenMismatch(
            f"{bundle.manifest.name}: the golden output is {max(differences):.4f} off in probability on "
            f"{built.row.name}, and its C answers the same everywhere, byte for byte: build the bundle again."
        )
    if check.faces is None:
        return golden, None
    faces, agreed = read_faces(check.faces), bundle.manifest.contract
    frames = np.concatenate([contract.to_input(p[None], agreed) for p in contract.to_pixels(faces, agreed)])
    stored = built.run_all(frames).outputs
    return golden, contract.dequantise(stored, agreed.output).tolist()


def _run(built: Firmware, ran: Ran) -> Run:
    """A run without a time."""
    engine, _, version = built.engine.rpartition(" ")
    memory = Memory(None, None, None, None, ran.arena, stack=ran.stack, flash=built.flash)
    return _untimed(memory, engine, version, f"{ran.kernel} kernels", WARNING)


def _beside(bundle: Bundle) -> Run:
    """The bundle's TFLite file in TensorFlow Lite Micro."""
    arena = tflite_micro.arena(bundle.path(bundle.manifest.model).with_suffix(".tflite"))
    memory = Memory(None, None, None, None, arena)
    version = tflite_micro.installed() or "unknown"
    return _untimed(memory, "TensorFlow Lite Micro", version, "its interpreter on this machine", HOST)


def _untimed(memory: Memory, engine: str, version: str, provider: str, warning: RunWarning) -> Run:
    return Run(
        load_seconds=None,
        first_seconds=None,
        samples=[],
        loops=1,
        resolution=0.0,
        memory=memory,
        memory_percent=None,
        cpu_user_percent=None,
        cpu_system_percent=None,
        engine=engine,
        engine_version=version,
        provider=provider,
        threads=1,
        affinity=None,
        before=_UNKNOWN,
        after=_UNKNOWN,
        warnings=[warning],
    )
