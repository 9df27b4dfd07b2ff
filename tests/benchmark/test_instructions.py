"""Counting instructions: exact where the emulator is there, a reason where it is not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from edgefer.benchmark import emulator, instructions
from edgefer.benchmark.emulator import EMULATORS, Emulator, Guest
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload, open_workload
from edgefer.runtime import files, protocol, shell, workload
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import WorkerFailed
from edgefer.runtime.protocol import Answer
from tests.benchmark import made

EMULATOR = EMULATORS["x86"]
BUNDLE = made.workload("ean.tflite-int8")
VERSIONS = {"python": "3.11.2", "qemu": "7.2.22"}


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A qemu and a compiler that are never started."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(emulator, "_takes_plugins", lambda program: True)
    monkeypatch.setattr(instructions, "plugin", lambda qemu: Path("plugin.so"))
    monkeypatch.setattr(instructions, "ask", lambda task, environment: None)


def counts(monkeypatch: pytest.MonkeyPatch, once: Callable[[], int]) -> Counted:
    monkeypatch.setattr(instructions, "once", lambda workload, qemu, plugin: (once(), VERSIONS))
    return instructions.count(BUNDLE)


def test_without_the_emulator_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert instructions.count(BUNDLE) == Counted(None, 0, "install qemu-user and a C compiler")


def test_an_emulator_without_plugins_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for cached in ("_takes_plugins", "_version"):  # what this stand-in answers is not kept for other tests
        monkeypatch.setattr(emulator, cached, getattr(emulator, cached).__wrapped__)
    monkeypatch.setattr(shell, "run_or_none", lambda *_: "usage\n-version   display version")
    reason = instructions.count(BUNDLE).reason
    assert reason is not None and "built without plugins" in reason


def test_no_emulator_for_a_device() -> None:
    found = instructions.count(BUNDLE, "riscv64")
    assert (found.instructions, found.reason) == (None, "not counted: no emulator for riscv64 is known")


def test_the_lower_count_and_the_spread(monkeypatch: pytest.MonkeyPatch, there: None) -> None:
    taken = iter([1010, 1000])
    assert counts(monkeypatch, lambda: next(taken)) == Counted(1000, 10, None, VERSIONS)


def test_a_model_that_the_emulator_can_not_run(monkeypatch: pytest.MonkeyPatch, there: None) -> None:
    def once() -> int:
        raise WorkerFailed("illegal instruction")

    found = counts(monkeypatch, once)
    assert found.instructions is None
    assert found.reason == "not counted: qemu-x86_64 can't run it (illegal instruction)"


def test_a_place_is_empty_and_the_next_one_has_a_path_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with emulator.working_folder() as first, emulator.working_folder() as second:
        assert first != second
        assert len(str(first)) == len(str(second))
    assert not list(tmp_path.iterdir())
    with emulator.working_folder() as again:
        assert again == first


def test_two_counts_are_equal(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform.machine() != "x86_64" or shutil.which(EMULATOR.program) is None or not shutil.which("cc"):
        pytest.skip("needs an x86-64 machine with qemu-x86_64 (Debian: qemu-user) and a C compiler")
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path))
    found = instructions.count(open_workload(dist / "ean.tflite-int8"))
    assert found.reason is None
    assert found.spread == 0
    assert found.instructions is not None
    assert 1e6 < found.instructions < 1e7
    assert len(list((tmp_path / "edgefer").glob("tcg_count-*.so"))) == 1
    assert found.versions["worker"] == files.runtime_checksum()


def test_what_runs_while_it_is_counted_is_in_the_checksum(dist: Path) -> None:
    """Every file of edgefer's whose code one step of any engine enters."""
    entered: set[str] = set()

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.add(frame.f_code.co_filename)

    for target in ("tflite-int8", "onnx-int8", "openvino-int8", "ncnn-int8"):
        model = workload.prepare(Task(open_workload(dist / f"ean.{target}"), Settings()).request)()
        sys.setprofile(watch)
        try:
            model.step()
        finally:
            sys.setprofile(None)
    own = {Path(name).relative_to(files.PACKAGE).as_posix() for name in entered if name.startswith(str(files.PACKAGE))}
    assert any(name.startswith("runtime/") for name in own)
    assert own <= files.runtime_files().keys()


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this edgefer, without weights; a test puts back what it changes."""
    ignored, folder = shutil.ignore_patterns("__pycache__", "weights"), tmp_path_factory.mktemp("copied")
    copy = Path(shutil.copytree(files.PACKAGE, folder / "edgefer", ignore=ignored))
    assert files.runtime_checksum.__wrapped__(copy) == files.runtime_checksum()
    return copy


@contextmanager
def changed(path: Path) -> Iterator[None]:
    """The file with one more line."""
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    yield
    path.write_bytes(content)


@pytest.mark.parametrize("name", [*files.runtime_files(), files.COUNTING_PLUGIN])
def test_each_of_its_files_is_there_and_changes_it(name: str, copied: Path) -> None:
    before = files.runtime_checksum.__wrapped__(copied)
    with changed(copied / name):
        assert files.runtime_checksum.__wrapped__(copied) != before


def test_no_other_file_changes_it(copied: Path) -> None:
    before = files.runtime_checksum.__wrapped__(copied)
    with changed(copied / "benchmark/run.py"):
        assert files.runtime_checksum.__wrapped__(copied) == before


def test_a_guest_sees_one_environment_whoever_starts_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines: list[tuple[list[str], dict[str, str]]] = []

    def ask(request: object, line: list[str], base: dict[str, str], folder: Path) -> Answer:
        assert (folder / "self/edgefer").readlink() == files.PACKAGE
        lines.append((line, base))
        return Answer(None, None, {}, None)

    monkeypatch.setattr(protocol, "ask", ask)
    known = Emulator("qemu-aarch64", "cortex-a72", 173, Guest(tmp_path, tmp_path, "usr/bin/python3.11", {"X": "1"}))
    for padding in ("", "x" * 1000):
        monkeypatch.setenv("PYTHONPATH", padding)
        monkeypatch.setenv("HOME", f"/{padding}")
        emulator.ask(Task(Workload(network="ean"), Settings()), known)
    (line, environment), again = lines
    assert (line, environment) == again
    assert environment["X"] == "1" and str(tmp_path) not in str((line, environment))
    assert line[-4:] == [line[-4], "-P", "-m", "edgefer.benchmark.torch_worker"]


@pytest.mark.parametrize(
    ("said", "version", "plugin"),
    [
        ("qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)", "7.2.22", 1),
        ("qemu-aarch64 version 8.2.2", "8.2.2", 1),
        ("QEMU emulator version 10.0.2 (Debian)", "10.0.2", 2),
        ("qemu-aarch64 version 9.0.0-rc1", "9.0.0", 2),
    ],
)
def test_the_plugin_is_of_the_interface_that_qemu_has(
    said: str, version: str, plugin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "run_or_none", lambda *_: said)
    assert emulator._version.__wrapped__("qemu") == version
    assert instructions._plugin_version(version) == plugin


@pytest.mark.parametrize("said", [None, "something else", "version", "the version of Debian"])
def test_without_a_version_of_qemu_there_is_no_plugin(said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "_version", emulator._version.__wrapped__)
    monkeypatch.setattr(shell, "run_or_none", lambda *_: said)
    with pytest.raises(WorkerFailed, match="`qemu-x86_64 --version` names no version"):
        instructions.plugin(emulator.EMULATORS["x86"])


def test_where_addresses_can_not_be_fixed_it_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "run_or_none", lambda line: None)  # what a container forbids
    assert emulator.fixed_addresses.__wrapped__() == ()
