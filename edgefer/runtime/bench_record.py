"""The records of a bench. Seconds, bytes, hertz and percent throughout; None where a system does not tell.

Nothing here is true of one machine only: an ARM board or a GPU fills the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from edgefer.runtime.peak import Peak

Mode = Literal["back-to-back", "paced", "batch"]
Scope = Literal["model", "end-to-end"]


@dataclass(frozen=True)
class Settings:
    """What one run does.

    mode     back-to-back; paced, one inference per tick of `fps`; batch, `batch` frames an inference
    threads  of the engine
    scope    the model alone, or from a camera-size frame to a label
    warmup   inferences before the first sample
    samples  how many; fewer if `seconds` of sampling are over first (None: no such limit)
    """

    mode: Mode = "back-to-back"
    fps: float | None = None
    batch: int = 1
    threads: int = 1
    scope: Scope = "model"
    warmup: int = 20
    samples: int = 1000
    seconds: float | None = 10.0


@dataclass(frozen=True)
class Gpu:
    """What stays the same of a GPU; memory in bytes. software: a driver that computes on the processor."""

    name: str
    driver: str
    memory: int | None
    software: bool = False


@dataclass(frozen=True)
class GpuState:
    """A GPU at one moment: hertz of its cores and its memory, degrees, watts, and what holds its clock down."""

    clock: float | None
    memory_clock: float | None
    temperature: float | None
    power: float | None
    throttled: list[str] | None


@dataclass(frozen=True)
class Machine:
    """What stays the same while a machine is on; board is what a device tree calls it."""

    cpu: str
    cores: int
    memory: int | None
    system: str
    kernel: str
    architecture: str
    board: str | None
    gpu: Gpu | None = None

    @property
    def fingerprint(self) -> str:
        """One line that is equal where latencies may be compared."""
        memory = "" if self.memory is None else f"{self.memory / 2**30:.1f} GiB, "
        gpu = "" if self.gpu is None else f", {self.gpu.name} (driver {self.gpu.driver})"
        cores = f"{self.cores} core{'s' * (self.cores != 1)}"
        kernel = f"{self.kernel}{',' * (self.system == 'none')}"
        return f"{self.board or self.cpu}, {cores}, {memory}{kernel} {self.architecture}{gpu}"


@dataclass(frozen=True)
class Quota:
    """What a container's processor quota allows: cores, and since it began its periods and those in which it was up."""

    cores: float
    periods: int
    throttled: int


@dataclass(frozen=True)
class MachineState:
    """A machine at one moment.

    clock         monotonic seconds
    busy, stolen  CPU seconds since boot: of all processes, and taken by other virtual machines
    own           CPU seconds of the process that looked
    throttled     what holds the clock down now; since_boot, what did at some time
    throttles     times that the processor says it slowed down, of heat or power
    quota         a container's, if there is one
    """

    clock: float
    load_average: float | None
    governor: str | None
    frequency: float | None
    temperature: float | None
    busy: float | None
    stolen: float | None
    own: float
    throttled: list[str] | None
    since_boot: list[str] | None
    throttles: int | None
    gpu: GpuState | None = None
    quota: Quota | None = None


@dataclass(frozen=True)
class Memory:
    """Resident bytes of the worker: the engine imported, the model loaded, sampling over; the highest ever.

    arena is what the engine itself says that its tensors take; gpu, bytes of the GPU's memory that were taken
    since before the model was loaded. Of a microcontroller: stack, the most that a call took; flash, of code and
    constants.
    """

    before_load: int | None
    after_load: int | None
    after_run: int | None
    peak: int | None
    arena: int | None
    gpu: int | None = None
    stack: int | None = None
    flash: int | None = None

    @property
    def ram(self) -> int | None:
        """What a network takes of a microcontroller's memory: arena and stack; None on other devices."""
        return None if self.arena is None or self.stack is None else self.arena + self.stack

    @property
    def model(self) -> int | None:
        """The model's share: what loading it added."""
        if self.before_load is None or self.after_load is None:
            return None
        return self.after_load - self.before_load


class WarningKind(StrEnum):
    """What a warning is about: the word that a table shows."""

    BUSY = "busy"
    THROTTLED = "throttled"
    QUOTA = "quota"
    GOVERNOR = "governor"
    LATE = "late"
    BATCH = "batch"
    CAPPED = "capped"
    SOFTWARE = "software"
    FALLBACK = "fallback"
    WEIGHTS = "weights"
    EMULATED = "emulated"


@dataclass(frozen=True)
class RunWarning:
    """What a reader of a run must know; `str` words it.

    message is a format string for `values`, or (without values) finished words. JSON holds the words: "busy: ...".
    """

    kind: WarningKind
    message: str
    values: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The message with its values."""
        return self.message.format(**self.values) if self.values else self.message

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"

    @classmethod
    def from_text(cls, text: str) -> RunWarning:
        """The warning that JSON holds as `text`; raises ValueError for an unknown kind."""
        kind, _, words = text.partition(": ")
        return cls(WarningKind(kind), words)


@dataclass(frozen=True)
class Run:
    """One fresh process.

    samples      seconds per inference, raw, in order; of a whole batch in batch mode
    loops        inferences that one sample is the mean of
    resolution   of the clock, seconds
    cpu_*        percent of one core while sampling: 200 is two cores
    memory_percent  peak memory of the machine's
    provider     the delegate or provider that really ran the model
    affinity     the cores that the process may use
    invalid      why its times are not the device's, empty if they are: it throttled
    device_seconds  a GPU's own time for one inference without the copies, the median; None: not told
    An emulator's times mean nothing: it has no samples, and None for what else is a time.
    """

    load_seconds: float | None
    first_seconds: float | None
    samples: list[float]
    loops: int
    resolution: float
    memory: Memory
    memory_percent: float | None
    cpu_user_percent: float | None
    cpu_system_percent: float | None
    engine: str
    engine_version: str
    provider: str
    threads: int
    affinity: list[int] | None
    before: MachineState
    after: MachineState
    warnings: list[RunWarning]
    invalid: list[RunWarning] = field(default_factory=list)
    device_seconds: float | None = None

    @property
    def timed(self) -> bool:
        """Whether its times are the device's."""
        return bool(self.samples) and not self.invalid


@dataclass(frozen=True)
class Result:
    """One bundle on one device: static metrics, and its runs.

    id             <device>/<arch>.<target>, for example x86/ean.tflite-int8
    bundle_sha256  of its manifest.json, which holds the checksums of all its files
    files          bytes by name; model_bytes, of those that are the model
    operators      how many by "NAME dtype"; tensors, how many by dtype
    instructions_per_frame  counted in an emulator; None: instructions_reason says why
    instructions_spread     how far two counts were apart; see benchmark.instructions for how exact they are
    """

    id: str
    bundle: str
    bundle_sha256: str
    files: dict[str, int]
    model_bytes: int
    parameters: int
    macs: int
    operators: dict[str, int]
    tensors: dict[str, int]
    instructions_per_frame: int | None
    instructions_reason: str | None
    settings: Settings
    protocol: str | None
    runs: list[Run]
    instructions_spread: int = 0


@dataclass(frozen=True)
class BenchRecord:
    """Everything that one `edgefer bench` measured; `interrupted` if it was stopped early.

    edgefer is its version, commit that of its checkout (None: not a checkout); versions are those of Python
    and of the packages that measured. left_out says what the device could not measure of what was asked for, and why.
    peaks are the machine's, one for each number of threads, where they were asked for.
    """

    schema: str = field(default="edgefer/bench/1", kw_only=True)
    edgefer: str
    commit: str | None
    device: str
    machine: Machine
    versions: dict[str, str]
    interrupted: bool
    results: list[Result]
    left_out: list[str] = field(default_factory=list)
    peaks: list[Peak] = field(default_factory=list)
