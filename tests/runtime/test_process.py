"""A worker ends with the process that started it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
child.wait()
"""
CHILD = """
import time
from edgefer.runtime.process import die_with_parent
die_with_parent()
print("works", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a_worker_dies_with_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, said = parent.stdout.readline().split()
        assert said == "works" and Path(f"/proc/{pid}").exists()
        parent.kill()
    end = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not _runs(pid)


def _runs(pid: str) -> bool:
    """Whether there is such a process, which nobody may have waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


REDIRECTED = """
import resource, sys
from edgefer.runtime.process import quiet
try:
    with quiet():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        sys.stdout.write("what a library says")
        raise ValueError("a cause")
except (ValueError, OSError):
    pass
sys.stderr.write("heard")
"""


def test_a_full_disk_does_not_keep_the_streams_redirected() -> None:
    done = subprocess.run([sys.executable, "-c", REDIRECTED], capture_output=True, text=True, check=False)
    assert "heard" in done.stderr
