"""Wheels for another machine than this one: the running Python's own pip fetches them for aarch64.

pip resolves nothing for a foreign machine that can be trusted (it reads the markers of this one), so all that
packages need is to be named, as targets/engines.toml does.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edgefer.runtime import shell
from edgefer.runtime.errors import NotSetUp
from edgefer.runtime.files import staged_folder

# Wheels name the oldest glibc that they run with; Debian 12 and Raspberry Pi OS Bookworm have 2.36.
GLIBC = 36
_PIP = (sys.executable, "-m", "pip")
_QUIET = ("--quiet", "--no-input", "--disable-pip-version-check")


def platforms(glibc: int = GLIBC, architecture: str = "aarch64") -> tuple[str, ...]:
    """The tags of wheels that run on a machine with glibc 2.`glibc`, the newest first."""
    newer = (f"manylinux_2_{minor}_{architecture}" for minor in range(glibc, 16, -1))
    return (*newer, f"manylinux2014_{architecture}")


def download(
    packages: Sequence[str], into: Path, python: str = "3.11", tags: Sequence[str] = platforms()
) -> list[Path]:
    """Fetch the wheels of `packages` (name==version) into a folder, and nothing besides; returns their paths.

    Raises NotSetUp where pip or the network is missing, or a package has no such wheel.
    """
    into.mkdir(parents=True, exist_ok=True)
    _pip("download", "--dest", str(into), *_foreign(python, tags), *packages)
    return sorted(into.glob("*.whl"))


def install(packages: Sequence[str], into: Path, python: str = "3.11", tags: Sequence[str] = platforms()) -> None:
    """Unpack `packages` into a folder for PYTHONPATH, whole or not at all; as `download`.

    Raises OutputFailed too.
    """
    with staged_folder(into) as stage:
        _pip("install", "--target", str(stage), "--no-compile", *_foreign(python, tags), *packages)
        shutil.rmtree(stage / "bin", ignore_errors=True)  # commands, with this Python in their first line


def _foreign(python: str, tags: Sequence[str]) -> list[str]:
    chosen = [word for tag in tags for word in ("--platform", tag)]
    return ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", python, *chosen]


def _pip(command: str, *words: str) -> None:
    # A target or prefix of the user's own configuration would send the wheels elsewhere.
    environment = {k: v for k, v in os.environ.items() if k not in {"PIP_TARGET", "PIP_PREFIX", "PIP_USER"}}
    done = shell.run([*_PIP, command, *_QUIET, *words], environment=environment)
    if done.code == 0:
        return
    if "No module named pip" in done.err:
        raise NotSetUp(f"{sys.executable} has no pip, which fetches wheels for aarch64: install it (ensurepip).")
    errors = [line.removeprefix("ERROR:").strip() for line in done.err.splitlines() if line.startswith("ERROR:")]
    said = errors[-1] if errors else done.last_line()
    raise NotSetUp(f"pip can't fetch the wheels for aarch64 ({said}): check the network, then try again.")
