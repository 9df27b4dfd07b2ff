"""What an emulated board consists of, in the user's cache, and how it is made: userland, packages, processor."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgefer.benchmark import emulator, instructions
from edgefer.benchmark.emulator import ARM64_GETPPID, Emulator, Guest
from edgefer.devices import engine_packages as engines
from edgefer.devices import registry
from edgefer.devices.board.doctor import ENGINE_TITLES, Finding
from edgefer.devices.device import Say
from edgefer.devices.emulated import rootfs, sysfs, wheels
from edgefer.devices.engine_packages import Engines
from edgefer.devices.registry import Emulated
from edgefer.runtime import proc, resources, shell
from edgefer.runtime.errors import NotSetUp

QEMU = "qemu-aarch64"
INSTALL = f"{QEMU} is not here: install the package qemu-user (`sudo apt install qemu-user`)"
TRY = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
TRIED = ("numpy", "PIL.Image", "cattrs", "edgefer.runtime.worker")


@dataclass(frozen=True)
class Made:
    """The parts of one board by their paths, there or not; the userland and the packages serve all boards."""

    name: str
    device: Emulated
    chosen: str
    engines: Engines

    @property
    def root(self) -> Path:
        """The userland."""
        return folder() / "userland"

    @property
    def board(self) -> Path:
        """What qemu's -L gets; another processor in the table is another folder."""
        content = str(sorted(sysfs.files(self.device, registry.boards()[self.device.board]).items()))
        return folder() / f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    @property
    def packages(self) -> Path:
        """The engines, for the userland's Python; other pins are another folder."""
        return folder() / f"{self.chosen}-{self.engines.checksum}"

    @property
    def command(self) -> str:
        """What makes it."""
        more = "" if self.chosen == engines.DEFAULT else f" --engine {self.chosen}"
        return f"`edgefer device setup {self.name}{more}`"

    def lacks(self) -> list[str]:
        """The parts that are not there."""
        parts = {"its userland": self.root, f"the engines {self.chosen}": self.packages, "its processor": self.board}
        return [what for what, path in parts.items() if not path.is_dir()]

    def require(self) -> None:
        """Raise NotSetUp if it can't work."""
        if shutil.which(QEMU) is None:
            raise NotSetUp(f"{self.name} can't be emulated: {INSTALL}.")
        lacking = self.lacks()
        if lacking:
            raise NotSetUp(f"{self.name} is not set up ({', '.join(lacking)} missing): run {self.command}.")

    def emulator(self) -> Emulator:
        """How to run a worker on it."""
        python = f"usr/bin/python{rootfs.python(self.root)}"
        bare = Emulator(QEMU, self.device.qemu, ARM64_GETPPID)
        title = f"{self.device.title}, emulated by QEMU {bare.version or 'of unknown version'} ({self.device.qemu})"
        guest = Guest(self.board, self.packages, python, {proc.EMULATED: title})
        return Emulator(QEMU, self.device.qemu, ARM64_GETPPID, guest)

    def versions(self) -> dict[str, str]:
        """What counts depend on besides the packages: QEMU, the userland's own packages, the processor's files."""
        listed = (self.root / rootfs.LISTED).read_bytes()
        qemu = Emulator(QEMU, self.device.qemu, ARM64_GETPPID).version
        there = {"userland": hashlib.sha256(listed).hexdigest()[:8], "processor": self.board.name[-8:]}
        return there | ({"qemu": qemu} if qemu else {})


def find(name: str, device: Emulated, engine: str | None) -> Made:
    """The board's parts; raises UnknownName for a set of engines that is none."""
    return Made(name, device, *engines.find(engine))


def folder() -> Path:
    """Of all emulated boards."""
    return resources.cache() / "emulated"


def setup(name: str, device: Emulated, engine: str | None, say: Say) -> None:
    """Make what is missing, whole or not at all; quick if nothing is.

    Takes a minute and 300 MB for the first board, nothing for the others. Raises UnknownName, NotSetUp, OutputFailed.
    """
    made = find(name, device, engine)
    if shutil.which(QEMU) is None:
        raise NotSetUp(f"{name} can't be emulated: {INSTALL}.")
    if not made.lacks():
        say(f"{name} is there already, with {made.engines.title}")
        return
    if not made.root.is_dir():
        rootfs.make(made.root, rootfs.PYTHON, say)
    if not made.packages.is_dir():
        say(f"fetching {made.engines.title} for arm64")
        wheels.install(made.engines.packages, made.packages, rootfs.python(made.root))
    sysfs.make(made.board, made.root, device, registry.boards()[device.board])
    say("trying the engines")
    refused = _try(made)
    if refused:
        raise NotSetUp(f"the engines don't start on {name} ({refused}): run `edgefer device doctor {name}`.")


def _try(made: Made) -> str | None:
    """Import all, which also makes Python compile it; the last line of what went wrong."""
    done = emulator.run_python(made.emulator(), "-c", TRY, *TRIED, *made.engines.modules)
    return None if done.code == 0 else done.last_line(f"it ended with {done.code}")


def doctor(name: str, device: Emulated) -> list[Finding]:
    """What the board has and lacks, with the default engines."""
    return list(_findings(find(name, device, None)))


def _findings(made: Made) -> Iterator[Finding]:
    here = shutil.which(QEMU)
    version = Emulator(QEMU, made.device.qemu, ARM64_GETPPID).version
    yield Finding("emulator", here is not None, f"{QEMU} {version or ''}".strip() if here else INSTALL)
    uncounted = instructions.lacking(Emulator(QEMU, made.device.qemu, ARM64_GETPPID))
    yield Finding("instructions", uncounted is None, uncounted or "can be counted", False)
    try:
        rootfs.require_host()
    except NotSetUp as error:
        yield Finding("this host", made.root.is_dir(), str(error))
    lacking = made.lacks()
    yield Finding("parts", not lacking, f"{', '.join(lacking)} missing: run {made.command}" if lacking else _size())
    for chosen, known in engines.sets().items():
        other = Made(made.name, made.device, chosen, known)
        if other.packages.is_dir():
            pinned = [package for package in known.packages if package.partition("==")[0] in ENGINE_TITLES]
            yield Finding("engines", True, f"{chosen}: {', '.join(pinned)}")
    if here and not lacking:
        refused = _try(made)
        yield Finding("runs", refused is None, refused or f"Python {rootfs.python(made.root)} and the engines start")


def _size() -> str:
    said = shell.run_or_none(["du", "-sh", str(folder())], timeout=60)
    return f"in {folder()}{f', {said.split()[0]} with all boards' if said else ''}"
