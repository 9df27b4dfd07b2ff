"""Sets of engines for boards, from targets/engines.toml, and the wheels of their packages.

The running Python's own pip fetches wheels for another machine than this one. It resolves nothing for a foreign
machine that can be trusted (it reads the markers of this one), so all that packages need is named in the set.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgefer.runtime import records, shell
from edgefer.runtime.engines import ENGINES, Package
from edgefer.runtime.errors import NotSetUp, UnknownName
from edgefer.runtime.files import digest, shipped_folder, staged_folder

DEFAULT = "default"
# The packages that show that an engine is there, with its title.
ENGINE_TITLES = {package.name: package.title for engine in ENGINES.values() for package in engine.packages}
# Wheels name the oldest glibc that they run with; Debian 12 and Raspberry Pi OS Bookworm have 2.36.
GLIBC = 36
PYTHON = "3.11"  # Debian 12's
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")  # asked for where the index has no wheel for a board's own
_PIP = (sys.executable, "-m", "pip")
_QUIET = ("--quiet", "--no-input", "--disable-pip-version-check")


@dataclass(frozen=True)
class EngineSet:
    """Exactly pinned packages with all that they need."""

    name: str
    packages: list[str]

    @property
    def _by_format(self) -> dict[str, Package]:
        """The engines among the packages, by the format that they run."""
        pinned = {package.partition("==")[0] for package in self.packages}
        return {engine.name: each for engine in ENGINES.values() for each in engine.packages if each.name in pinned}

    @property
    def formats(self) -> list[str]:
        """The formats of bundles that they run."""
        return list(self._by_format)

    def runs(self, name: str) -> bool:
        """Whether a board with them runs bundles of a format: they do, or its host compiles those."""
        return name in self._by_format or (name in ENGINES and ENGINES[name].host_compiles)

    @property
    def modules(self) -> list[str]:
        """What must be importable when they are installed."""
        return [package.module for package in self._by_format.values()]

    @property
    def title(self) -> str:
        """The engines' names: LiteRT, ONNX Runtime and ncnn."""
        *others, last = (package.title for package in self._by_format.values())
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def checksum(self) -> str:
        """Eight hexadecimal digits; other packages have another one."""
        return digest("\n".join(self.packages).encode())[:8]

    @property
    def engines(self) -> list[str]:
        """The packages that are engines, with their versions."""
        return [package for package in self.packages if package.partition("==")[0] in ENGINE_TITLES]

    def setup_command(self, device: str) -> str:
        """What brings the set to the device of that name."""
        return f"edgefer device setup {device}{'' if self.name == DEFAULT else f' --engine {self.name}'}"


@cache
def engine_sets() -> dict[str, EngineSet]:
    """All sets by name."""
    path = shipped_folder("targets") / "engines.toml"
    named = {name: {"name": name, **table} for name, table in records.read_toml(path).items()}
    return records.structure(dict[str, EngineSet], named, str(path))


def engine_set(name: str | None) -> EngineSet:
    """The set of that name, None is the default one; raises UnknownName."""
    chosen = name or DEFAULT
    if chosen not in engine_sets():
        raise UnknownName.of("engine", chosen, engine_sets())
    return engine_sets()[chosen]


def platform_tags(glibc: int = GLIBC, architecture: str = "aarch64") -> tuple[str, ...]:
    """The tags of wheels that run on a machine with glibc 2.`glibc`, the newest first."""
    newer = (f"manylinux_2_{minor}_{architecture}" for minor in range(glibc, 16, -1))
    return (*newer, f"manylinux2014_{architecture}")


def download_wheels(
    packages: Sequence[str], into: Path, python: str = PYTHON, tags: Sequence[str] = platform_tags()
) -> list[Path]:
    """Fetch the wheels of `packages` (name==version) into a folder, and nothing besides; returns their paths.

    Raises NotSetUp where pip or the network is missing, or a package has no such wheel.
    """
    into.mkdir(parents=True, exist_ok=True)
    _pip("download", _architecture(tags), "--dest", str(into), *_foreign(python, tags), *packages)
    return sorted(into.glob("*.whl"))


def install_wheels(
    packages: Sequence[str], into: Path, python: str = PYTHON, tags: Sequence[str] = platform_tags()
) -> None:
    """Unpack `packages` into a folder for PYTHONPATH, whole or not at all; as `download_wheels`.

    Raises OutputFailed too.
    """
    with staged_folder(into, durable=False) as stage:
        _pip("install", _architecture(tags), "--target", str(stage), "--no-compile", *_foreign(python, tags), *packages)
        shutil.rmtree(stage / "bin", ignore_errors=True)  # commands, with this Python in their first line


def require_wheels(packages: Sequence[str], python: str, architecture: str, tags: Sequence[str]) -> None:
    """Raise NotSetUp for a package that has wheels, but none for this Python and machine.

    Silent where pip can't tell: without a network it finds no wheel for any Python.
    """
    with tempfile.TemporaryDirectory() as folder:

        def find(version: str, *wanted: str) -> shell.Done:
            words = ("--dry-run", "--ignore-installed", "--target", folder, "--retries", "0", "--timeout", "15")
            return _run_pip("install", *words, *_foreign(version, tags), *wanted)

        engines_first = sorted(packages, key=lambda package: package.partition("==")[0] not in ENGINE_TITLES)
        lacking = re.search(r"No matching distribution found for (\S+)", find(python, *engines_first).err)
        if lacking is None:
            return
        name, _, version = lacking[1].partition("==")
        others = [other for other in PYTHONS if other != python and find(other, lacking[1]).code == 0]
    if others:
        raise NotSetUp(
            f"{name} {version} has no wheel for Python {python} on {architecture}, it has for {', '.join(others)}: "
            "install one of these Pythons there, or choose other engines with --engine."
        )


def _architecture(tags: Sequence[str]) -> str:
    """Of the machine that these tags are of."""
    return tags[-1].removeprefix("manylinux2014_")


def _foreign(python: str, tags: Sequence[str]) -> list[str]:
    chosen = [word for tag in tags for word in ("--platform", tag)]
    return ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python, *chosen]


def _run_pip(command: str, *words: str) -> shell.Done:
    # A target or prefix of the user's own configuration would send the wheels elsewhere.
    environment = {k: v for k, v in os.environ.items() if k not in {"PIP_TARGET", "PIP_PREFIX", "PIP_USER"}}
    return shell.run([*_PIP, command, *_QUIET, *words], environment=environment)


def _pip(command: str, architecture: str, *words: str) -> None:
    done = _run_pip(command, *words)
    if done.code == 0:
        return
    if "No module named pip" in done.err:
        raise NotSetUp(f"{sys.executable} has no pip, which fetches wheels for {architecture}: install it (ensurepip).")
    errors = [line.removeprefix("ERROR:").strip() for line in done.err.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1] if errors else done.last_line()
    raise NotSetUp(
        f"pip can't fetch the wheels for {architecture} ({reason}): mend what pip complains of, then try again."
    )
