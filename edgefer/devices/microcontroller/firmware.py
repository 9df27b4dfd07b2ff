"""A bundle's C as firmware: generated again, compiled with a startup of ours, and run in QEMU's system mode."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.benchmark import instructions
from edgefer.benchmark.emulator import Emulator
from edgefer.devices.config import Microcontroller
from edgefer.runtime import ending, shell
from edgefer.runtime.bundle import Bundle
from edgefer.runtime.c.compiler import complaint
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.engines import c
from edgefer.runtime.errors import BrokenBundle, CompilerFailed, NotSetUp, WorkerFailed, one_line
from edgefer.runtime.files import cache_folder, digest_contents, write_atomic

QEMU, COMPILER, SIZE = "qemu-system-arm", "arm-none-eabi-gcc", "arm-none-eabi-size"
PACKAGES = {
    QEMU: "qemu-system-arm",
    COMPILER: "gcc-arm-none-eabi and libnewlib-arm-none-eabi",
    SIZE: "binutils-arm-none-eabi",
}
START, LAYOUT = (Path(__file__).with_name(name) for name in ("start.c", "firmware.ld"))
OPTIONS = ("-O3", "-std=c99", "-ffp-contract=off", "-fno-math-errno", "-ffunction-sections", "-fdata-sections")
LINKED = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections")
_OVERFLOWED = re.compile(r"region `(FLASH|RAM)' overflowed by (\d+) bytes")
_SIZES = re.compile(r"^\s*(\d+)\s+(\d+)\s+\d+\s", re.MULTILINE)  # text, data and bss
_CODES = {
    3: "it could not read or write its files",
    4: "the processor met a fault",
    5: "the network wrote behind its arena",
}  # of start.c
_SECONDS, _SECONDS_A_FRAME = 120.0, 10.0


def lacking() -> str | None:
    """What is missing here, with the packages that have it."""
    names = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    return f"it needs Debian's packages {' and '.join(names)}: install them with apt-get" if names else None


@cache
def compiler_title() -> str:
    """The compiler's name and version."""
    said = shell.run_or_none([COMPILER, "-dumpfullversion"], _SECONDS) or "of an unknown version"
    return f"{COMPILER} {said}"


def emulator(row: Microcontroller) -> Emulator:
    """QEMU as the machine's processor; there are no system calls to mark frames with."""
    return Emulator(QEMU, row.cpu, 0, package=PACKAGES[QEMU])


@dataclass(frozen=True)
class Ran:
    """What a run of the firmware left: an answer a frame, and what it found of itself."""

    outputs: NDArray[np.int8]
    arena: int
    stack: int
    kernel: str


@dataclass
class Firmware:
    """A compiled bundle on a microcontroller; see runtime.engines.Model.

    flash is the bytes of code and constants, the startup's too.
    """

    name: str
    row: Microcontroller
    image: Path
    flash: int
    input: TensorSpec
    output: TensorSpec
    layout: Layout = "NHWC"
    engine: str = field(init=False)

    def __post_init__(self) -> None:
        self.engine = f"C {compiler_title()}"

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; the result is a new array."""
        return self.run_all(given).outputs

    def run_all(self, frames: NDArray[Any], times: int = 1, options: Sequence[str] = ()) -> Ran:
        """Each frame `times` times, in one start of the emulator; raises WorkerFailed."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "input").write_bytes(np.ascontiguousarray(frames, np.int8).tobytes())
            self._emulate(place, len(frames), times, options)
            try:
                said = dict(line.split(" ", 1) for line in (place / "report").read_text().splitlines())
                outputs = np.frombuffer((place / "output").read_bytes(), np.int8)
                answers = outputs.reshape(len(frames), *self.output.shape[1:])
                return Ran(answers, int(said["arena"]), int(said["stack"]), said["kernel"])
            except (OSError, ValueError, KeyError) as error:
                raise WorkerFailed(
                    f"{self.name} on {self.row.name}: the firmware left no whole report ({one_line(error)}): "
                    "run the command again."
                ) from error

    def _emulate(self, folder: Path, frames: int, times: int, options: Sequence[str]) -> None:
        semihosting = f"enable=on,target=native,arg=firmware,arg={times}"
        silent = ["-display", "none", "-monitor", "none", "-serial", "none"]
        line = [QEMU, "-M", self.row.machine, *silent, "-semihosting-config", semihosting, *options]
        patience = _SECONDS + _SECONDS_A_FRAME * frames * times
        try:
            done = shell.run([*line, "-kernel", str(self.image)], folder=folder, timeout=patience)
        except subprocess.TimeoutExpired as error:
            raise WorkerFailed(
                f"{self.name} on {self.row.name}: {QEMU} was ended after {patience:.0f} s: run the command again on an "
                "idle machine."
            ) from error
        if done.code:
            why = _CODES.get(done.code) or f"{QEMU} {ending.words_here(done.code)}: {done.last_line()}"
            raise WorkerFailed(f"{self.name} on {self.row.name} ended early: {one_line(why)[:300]}.")

    def count(self, frame: NDArray[Any]) -> int:
        """Instructions of one inference: what two take more than one; raises WorkerFailed."""
        plugin = instructions.plugin(emulator(self.row))
        totals = []
        for times in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "total"
                self.run_all(frame, times, ["-plugin", f"{plugin},out={out}", "-d", "plugin"])
                totals.append(int(out.read_text()))
        return totals[1] - totals[0]


def build(bundle: Bundle, row: Microcontroller) -> Firmware:
    """The firmware of a c-int8 bundle, from edgefer's cache if it was compiled before.

    Raises BrokenBundle if its C is not what this edgefer generates, NotSetUp if it does not fit or its size can't be
    told, CompilerFailed.
    """
    manifest = bundle.manifest
    try:
        network = c.read_network(bundle.path(manifest.model))
    except ValueError as error:
        raise BrokenBundle(f"{manifest.name}: {error}: build the bundle again.") from error
    image = compiled(network, row, manifest.name)
    sizes = _SIZES.search(shell.run_or_none([SIZE, str(image)], _SECONDS) or "")
    if sizes is None:
        raise NotSetUp(
            f"how much flash {manifest.name} takes on {row.name} is not known, {SIZE} does not tell: install Debian's "
            f"package {PACKAGES[SIZE]}."
        )
    return Firmware(manifest.name, row, image, int(sizes[1]) + int(sizes[2]), network.input, network.output)


def compiled(network: c.Network, row: Microcontroller, title: str) -> Path:
    """The image of a network's C, called `title`; raises what `build` raises of the compiler."""
    name = network.name
    upper = f"EDGEFER_{name.upper()}"
    macros = {"RUN": f"edgefer_{name}", "KERNEL": f"edgefer_{name}_kernel"}
    macros |= {size: f"{upper}_{size}" for size in ("ARENA", "INPUT", "OUTPUT")}
    room = {"FLASH_BYTES": row.flash * 1024, "RAM_BYTES": row.ram * 1024}
    flags = [*row.flags, *OPTIONS, *LINKED, *(f"-D{key}={value}" for key, value in macros.items())]
    flags += [f"-Wl,--defsym={key}={value}" for key, value in room.items()]
    sources = {**network.sources, START.name: START.read_bytes(), LAYOUT.name: LAYOUT.read_bytes()}
    kept = cache_folder() / "c" / f"{digest_contents(sources, compiler_title(), *flags)}.elf"
    if kept.is_file():
        return kept
    with tempfile.TemporaryDirectory() as folder:
        for file, content in sources.items():
            (Path(folder) / file).write_bytes(content)
        written = [file for file in sources if file.endswith(".c")]
        line = [COMPILER, *flags, "-T", LAYOUT.name, *written, "-o", "firmware.elf"]
        done = shell.run(line, folder=Path(folder))
        if done.code:
            raise _refusal(done.err, title, row)
        write_atomic(kept, (Path(folder) / "firmware.elf").read_bytes())
    return kept


def _refusal(said: str, title: str, row: Microcontroller) -> NotSetUp | CompilerFailed:
    """What compiler or linker complain of."""
    short = {region: int(missing) for region, missing in _OVERFLOWED.findall(said)}
    if short:
        sizes = {"FLASH": row.flash, "RAM": row.ram}
        parts = [f"{missing:,} bytes too much for its {sizes[kind]} KiB of {kind}" for kind, missing in short.items()]
        return NotSetUp(f"{title} does not fit on {row.name}: {' and '.join(parts)}.")
    return CompilerFailed(
        f"{compiler_title()} refused {title} for {row.name} ({complaint(said)}): it needs Debian's packages "
        f"{PACKAGES[COMPILER]}."
    )
