"""An arm64 root with engines, made once for a session of tests, in a cache of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from edgefer.devices import config
from edgefer.devices.emulated import image_build, rootfs
from edgefer.devices.emulated.device import EmulatedBoard
from edgefer.runtime.errors import NotSetUp
from tests.conftest import Once


def _lacking() -> str | None:
    """Why boards can't be emulated here."""
    if shutil.which(image_build.QEMU) is None:
        return f"needs {image_build.QEMU} (Debian: apt install qemu-user)"
    try:
        rootfs.require_host()
    except NotSetUp as error:
        return str(error)
    return None


@pytest.fixture(scope="session")
def cache_home(once: Once) -> Path:
    """XDG_CACHE_HOME of a user whose emulated boards are all set up; tests must not change it."""
    reason = _lacking()
    if reason:
        pytest.skip(reason)

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(os.environ, "XDG_CACHE_HOME", str(folder))
            for processor in config.emulated_processors().values():
                EmulatedBoard(processor).setup(False, lambda _: None)

    return once("cache", make)


@pytest.fixture(scope="session")
def userland_root(cache_home: Path) -> Path:
    """The arm64 root itself, with Python and nothing else."""
    return cache_home / "edgefer/emulated/userland"


@pytest.fixture
def boards(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is that user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
