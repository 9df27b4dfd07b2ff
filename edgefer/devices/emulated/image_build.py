"""The image of an emulated board, in the user's cache: its root, its engines, its /proc and /sys; and building it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgefer.benchmark import emulator
from edgefer.benchmark.emulator import ARM64_GETPPID, Emulator, Guest
from edgefer.devices import engine_packages
from edgefer.devices.config import EmulatedProcessor
from edgefer.devices.device import Say
from edgefer.devices.emulated import rootfs
from edgefer.devices.engine_packages import EngineSet
from edgefer.runtime import ending, proc
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.files import cache_folder, digest

QEMU = "qemu-aarch64"
INSTALL = f"{QEMU} is not here: install the package qemu-user (`sudo apt install qemu-user`)"
TRY = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
TRIED = ("numpy", "PIL.Image", "cattrs", "edgefer.runtime.worker")


@dataclass(frozen=True)
class Image:
    """The parts of one board by their paths, there or not; the root and the packages serve all boards."""

    processor: EmulatedProcessor
    engines: EngineSet

    @property
    def root(self) -> Path:
        """The Debian root; earlier versions called it so too."""
        return folder() / "userland"

    @property
    def board(self) -> Path:
        """What qemu's -L gets; another processor in the table is another folder."""
        content = str(sorted(rootfs.sysfs_files(self.processor).items()))
        return folder() / f"{self.processor.name}-{digest(content.encode())[:8]}"

    @property
    def packages(self) -> Path:
        """The engines, for the root's Python; other pins are another folder."""
        return folder() / f"{self.engines.name}-{self.engines.checksum}"

    @property
    def setup_command(self) -> str:
        """What builds it."""
        return f"`{self.engines.setup_command(self.processor.name)}`"

    @property
    def bare_emulator(self) -> Emulator:
        """QEMU as the board's processor, without the board's files."""
        return Emulator(QEMU, self.processor.qemu, ARM64_GETPPID)

    def missing_parts(self) -> list[str]:
        """The parts that are not there."""
        parts: Mapping[str, Path] = {
            "its root": self.root,
            f"the engines {self.engines.name}": self.packages,
            "its processor": self.board,
        }
        return [part for part, path in parts.items() if not path.is_dir()]

    def require(self) -> None:
        """Raise NotSetUp if it can't work."""
        _require_qemu(self.processor.name)
        missing = self.missing_parts()
        if missing:
            raise NotSetUp(
                f"{self.processor.name} is not set up ({', '.join(missing)} missing): run {self.setup_command}."
            )

    def emulator(self) -> Emulator:
        """How to run a worker on it."""
        bare, python = self.bare_emulator, f"usr/bin/python{rootfs.python_version(self.root)}"
        title = f"{self.processor.title}, emulated by QEMU {bare.version or 'of unknown version'} ({bare.cpu})"
        guest = Guest(self.board, self.packages, python, {proc.EMULATED: title})
        return Emulator(bare.program, bare.cpu, bare.getppid, guest)

    def versions(self) -> dict[str, str]:
        """What counts depend on besides the packages: QEMU, the root's own packages, the processor's files."""
        listed = (self.root / rootfs.LISTED).read_bytes()
        qemu = self.bare_emulator.version
        versions = {"userland": digest(listed)[:8], "processor": self.board.name[-8:]}
        return versions | ({"qemu": qemu} if qemu else {})

    def import_error(self) -> str | None:
        """Why the engines can't be imported there, None if they can; trying also makes Python compile them."""
        done = emulator.run_python(self.emulator(), "-c", TRY, *TRIED, *self.engines.modules)
        return None if done.code == 0 else done.last_line(f"it {ending.words_here(done.code)}")


def folder() -> Path:
    """Of all emulated boards."""
    return cache_folder() / "emulated"


def build(image: Image, say: Say) -> None:
    """Build the parts that are missing, whole or not at all; quick if none is.

    Takes a minute and 300 MB for the first board, nothing for the others. Raises NotSetUp, OutputFailed.
    """
    name = image.processor.name
    _require_qemu(name)
    if not image.missing_parts():
        say(f"{name} is there already, with {image.engines.title}")
        return
    if not image.root.is_dir():
        rootfs.make_root(image.root, rootfs.PYTHON, say)
    if not image.packages.is_dir():
        say(f"fetching {image.engines.title} for arm64")
        engine_packages.install_wheels(image.engines.packages, image.packages, rootfs.python_version(image.root))
    rootfs.make_sysfs(image.board, image.root, image.processor)
    say("trying the engines")
    error = image.import_error()
    if error:
        raise NotSetUp(f"the engines don't start on {name} ({error}): run `edgefer device doctor {name}`.")


def _require_qemu(name: str) -> None:
    if shutil.which(QEMU) is None:
        raise NotSetUp(f"{name} can't be emulated: {INSTALL}.")
