"""Folders of edgefer's: those that ship with it, and the user's cache."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from edgefer.runtime import files, leftovers
from edgefer.runtime.errors import OutputFailed
from edgefer.runtime.files import cache_folder, locked, staged_folder, write_atomic


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


def written(folder: Path, text: str) -> None:
    with staged_folder(folder) as stage:
        (stage / "inner").mkdir()
        (stage / "inner" / "file").write_text(text)


@pytest.mark.parametrize("atomic", [True, False])
def test_a_folder_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, atomic: bool) -> None:
    if not atomic:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    for text in ("one", "two"):
        written(tmp_path / "a", text)
        assert (tmp_path / "a" / "inner" / "file").read_text() == text
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(KeyboardInterrupt), staged_folder(tmp_path / "a") as stage:
        (stage / "file").touch()
        raise KeyboardInterrupt
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["a", "a/inner", "a/inner/file"]


KILLED = """
import os, signal, sys; from pathlib import Path; from edgefer.runtime import files, leftovers
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
where, folder = sys.argv[1], Path(sys.argv[2])
files._exchange = lambda one, other: False
if where == "between":
    Path.rename = lambda self, to: (type(self).replace(self, to), die())
with files.staged_folder(folder) as stage:
    (stage / "file").write_text("new")
    if where == "before": die()
"""


@pytest.mark.parametrize("where", ["before", "between"])
def test_what_a_killed_process_left_is_swept_and_restored(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "a"
    written(folder, "earlier")
    assert subprocess.run([sys.executable, "-c", KILLED, where, str(folder)], check=False).returncode == -9
    left = [path for path in tmp_path.iterdir() if path != folder]
    assert left and (where == "before") == folder.exists()
    mine = tmp_path / ".a.edgefer-notours"
    mine.mkdir()
    leftovers.sweep(tmp_path)
    assert set(tmp_path.iterdir()) >= set(left), "they may be somebody's who has only begun"
    for path in left:
        os.utime(path, (0, 0))
    leftovers.restore(folder) if where == "between" else leftovers.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a", mine.name}
    assert (folder / "inner" / "file").read_text() == "earlier"


def test_what_is_being_written_is_not_swept(tmp_path: Path) -> None:
    with staged_folder(tmp_path / "a") as stage:
        os.utime(stage, (0, 0))
        leftovers.sweep(tmp_path)
        assert stage.is_dir()
    for name in (".x.json.edgefer-abcd1234", "x.json.edgefer-abcd1234", ".x.json.abcd1234"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    leftovers._swept.clear()
    write_atomic(tmp_path / "x.json", b"1")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "x.json", "x.json.edgefer-abcd1234", ".x.json.abcd1234"}


def test_a_folder_has_its_name_at_each_moment(tmp_path: Path) -> None:
    """A reader that looks all the time never misses it."""
    folder = tmp_path / "a"
    written(folder, "0")
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    if not files._exchange(tmp_path / "x", tmp_path / "y"):
        pytest.skip("no renameat2 here")
    missed, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            if not (folder / "inner" / "file").exists():
                missed.append(1)

    reader = threading.Thread(target=look)
    reader.start()
    for text in "12345678":
        written(folder, text)
    done.set()
    reader.join()
    assert not missed


def test_a_secret_is_written_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    files.write_atomic(path, b"1", mode=0o600, replace=False)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputFailed, match="is there"):
        files.write_atomic(path, b"2", mode=0o600, replace=False)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("secret", b"1")]
    files.write_atomic(path, b"3", mode=0o600)
    assert (path.read_bytes(), path.stat().st_nlink) == (b"3", 1)


def test_without_room_for_a_temporary_file_it_is_said() -> None:
    error = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/work']")
    told = files.explained(error)
    assert type(told) is OutputFailed and "can't write a temporary file (No usable temporary directory" in str(told)


def test_checksums_are_of_contents_and_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"face")
    whole = hashlib.sha256(b"face").hexdigest()
    assert files.sha256(tmp_path / "a") == files.digest(b"face") == files.digest([b"fa", b"ce"]) == whole
    one = files.digest_contents({"a": b"1", "b": b"2"}, "cc")
    assert one == files.digest_contents({"b": b"2", "a": b"1"}, "cc")
    others = ({"a": b"1b", "b": b"2"}, "cc"), ({"a": b"2", "b": b"1"}, "cc"), ({"a": b"1", "b": b"2"}, "c", "c")
    assert one not in [files.digest_contents(*each) for each in others]


def test_a_missing_dependency_of_edgefer_itself_is_no_extra() -> None:
    pyproject = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    needed = {line.partition(">")[0] for line in pyproject["project"]["dependencies"]}
    found = {name: {each.replace("_", "-") for each in of} for name, of in packages_distributions().items()}
    names = {name: of & needed for name, of in found.items() if not name.startswith("_")}
    assert set().union(*names.values()) == needed
    for name in (name for name, of in names.items() if of):
        assert "edgefer's own dependency" in str(files.explained(ModuleNotFoundError(name=name))), name
    assert "pip install 'edgefer[build]'" in str(files.explained(ModuleNotFoundError(name="torch")))
