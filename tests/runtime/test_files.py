"""Folders of edgefer's: those that ship with it, and the user's cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgefer.runtime.files import cache_folder, locked


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "edgefer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    where = "Library/Caches" if sys.platform == "darwin" else ".cache"
    assert cache_folder() == tmp_path / "home" / where / "edgefer"


def test_a_board_needs_no_package_of_the_host() -> None:
    """A board has the engine's packages and cattrs, and runs these two modules."""
    code = (
        "import sys\n"
        "for name in ('click', 'platformdirs', 'rich', 'tomli_w', 'torch'): sys.modules[name] = None\n"
        "import edgefer.runtime.runner, edgefer.runtime.worker\n"
        "print(sorted(name for name in sys.modules if name.startswith('edgefer.') and '.runtime' not in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


HOLD = """
import sys; from pathlib import Path; from edgefer.runtime.files import locked
with locked(Path(sys.argv[1]), shared=len(sys.argv) > 2):
    print("held", flush=True); sys.stdin.read()
"""


@pytest.mark.parametrize("folder", [True, False])
def test_a_lock_is_held_by_one_process_or_shared(tmp_path: Path, folder: bool) -> None:
    path = tmp_path if folder else tmp_path / "a.lock"
    for words, may_share in (((), False), (("shared",), True)):
        line = [sys.executable, "-c", HOLD, str(path), *words]
        other = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert other.stdout is not None and other.stdin is not None and other.stdout.readline() == b"held\n"
        with locked(path, wait=False) as alone, locked(path, wait=False, shared=True) as together:
            assert alone is None and (together is not None) is may_share
        other.kill()
        other.communicate()
        with locked(path, wait=False) as free:
            assert free is not None, "a killed process leaves no lock"
