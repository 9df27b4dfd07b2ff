"""Counting instructions: exact where the emulator is there, a reason where it is not."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefer.bench import client, instructions
from edgefer.bench.instructions import Counted
from edgefer.bench.selection import Subject, of_folder
from edgefer.errors import WorkerFailed

EMULATOR = instructions.EMULATORS["x86"]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A qemu and a compiler that are never started."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(instructions, "_plugin", lambda: Path("plugin.so"))
    monkeypatch.setattr(client, "ask", lambda request, base: None)


def counts(monkeypatch: pytest.MonkeyPatch, once: Callable[[], int]) -> Counted:
    monkeypatch.setattr(instructions, "once", lambda subject, emulator, plugin: once())
    return instructions.count(Subject("ean.tflite-int8", Path("x")))


def test_without_the_emulator_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert instructions.count(Subject("x", Path("x"))) == Counted(None, 0, "install qemu-user and a C compiler")


def test_no_emulator_for_a_device() -> None:
    found = instructions.count(Subject("x", Path("x")), "riscv64")
    assert (found.instructions, found.reason) == (None, "not counted: no emulator for riscv64 is known")


def test_the_lower_count_and_the_spread(monkeypatch: pytest.MonkeyPatch, there: None) -> None:
    taken = iter([1010, 1000])
    assert counts(monkeypatch, lambda: next(taken)) == Counted(1000, 10, None)


def test_a_model_that_the_emulator_can_not_run(monkeypatch: pytest.MonkeyPatch, there: None) -> None:
    def once() -> int:
        raise WorkerFailed("illegal instruction")

    found = counts(monkeypatch, once)
    assert found.instructions is None
    assert found.reason == "not counted: qemu-x86_64 can't run it (illegal instruction)"


def test_a_place_is_empty_and_the_next_one_has_a_path_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with instructions._place() as first, instructions._place() as second:
        assert first != second
        assert len(str(first)) == len(str(second))
    assert not list(tmp_path.iterdir())
    with instructions._place() as again:
        assert again == first


def test_two_counts_are_equal(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform.machine() != "x86_64" or shutil.which(EMULATOR.program) is None or not shutil.which("cc"):
        pytest.skip("needs an x86-64 machine with qemu-x86_64 (Debian: qemu-user) and a C compiler")
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path))
    found = instructions.count(of_folder(dist / "ean.tflite-int8"))
    assert found.reason is None
    assert found.spread == 0
    assert found.instructions is not None
    assert 1e6 < found.instructions < 1e7
    assert len(list((tmp_path / "edgefer").glob("tcg_count-*.so"))) == 1
