"""Memory of a guest without its emulator's: against no emulator at all, and from tables made by hand."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

import pytest

from edgefer.runtime import proc, shell

ROOM = 0.15  # by which the guest's memory may differ from a native process's: 0.01 was measured
MEMORY = """
import numpy
from edgefer.runtime import proc
held = numpy.ones(40 << 20, numpy.uint8)
print(proc.resident(), proc.guest_resident(), sum(held[::1 << 20]))
"""


def test_memory_in_the_emulator_is_that_outside() -> None:
    """qemu-x86_64 against no emulator, the same Python: what is left out is QEMU, and nothing else."""
    if platform.machine() != "x86_64" or shutil.which("qemu-x86_64") is None:
        pytest.skip("needs an x86-64 machine with qemu-x86_64 (Debian: qemu-user)")
    line, known = [sys.executable, "-c", MEMORY], {**shell.environment(), "OPENBLAS_NUM_THREADS": "1"}
    native = int(shell.run(line, environment=known).out.split()[0])
    inside_it = shell.run(["qemu-x86_64", "-cpu", "Haswell", *line], environment=known).out.split()
    whole, own = int(inside_it[0]), int(inside_it[1])
    assert abs(own / native - 1) < ROOM
    assert whole > 1.2 * own


def test_a_shifted_guest_is_found(tmp_path: Path) -> None:
    self = tmp_path / "proc/self"
    self.mkdir(parents=True)
    (tmp_path / "proc/thread-self").mkdir()
    (self / "maps").write_text(
        "1000-3000 r-xp 00000000 08:01 5 /lib/libc.so.6\n"
        "3000-5000 rw-p 00000000 00:00 0 \n9000-a000 rw-p 00000000 00:00 0\n"
    )
    (tmp_path / "proc/thread-self/smaps").write_text(
        "11000-13000 r-xp 00000000 08:01 5                        /lib/libc.so.6\nSize: 8 kB\nRss:  8 kB\n"
        "13000-17000 rw-p 00000000 00:00 0 \nRss:  16 kB\nVmFlags: rd wr\n"
        "50000-90000 rw-p 00000000 00:00 0 [heap]\nRss:  256 kB\n"
    )
    assert proc.guest_resident(tmp_path) == 8192 + 16384 // 2
    (self / "maps").write_text("")
    assert proc.guest_resident(tmp_path) is None


def test_a_worker_that_is_not_emulated_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(proc.EMULATED, raising=False)
    assert proc.peak() is not None and proc.total_memory() is not None
    monkeypatch.setitem(os.environ, proc.EMULATED, "a board")
    assert (proc.peak(), proc.total_memory()) == (None, None)
