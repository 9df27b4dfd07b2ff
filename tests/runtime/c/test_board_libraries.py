"""What a host compiles for a board, and what the board refuses."""

from __future__ import annotations

import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgefer.runtime import engines
from edgefer.runtime.c import compiler
from edgefer.runtime.c.board_libraries import VARIABLE
from edgefer.runtime.c.generate import SOURCE
from edgefer.runtime.engines.c import KERNEL
from edgefer.runtime.errors import BrokenBundle, MissingEngine, NotSetUp
from tests.runtime.c.test_engine import folder

__all__ = ["folder"]  # the fixture
pytestmark = [
    pytest.mark.skipif(find_spec("ziglang") is None, reason="needs ziglang"),
    pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="boards are x86-64 or 64-bit ARM"),
]
HERE, ELSEWHERE = sorted(("x86_64", "aarch64"), key=lambda name: name != platform.machine())


def sent(bundle: Path, into: Path, *machines: str) -> Path:
    into.mkdir()
    for name, content in engines.for_boards(bundle / SOURCE, "c", machines).items():
        (into / name).write_bytes(content)
    return into


def test_a_board_runs_what_its_host_compiled(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", *compiler.FLAGS[1:]))
    monkeypatch.setenv(KERNEL, "plain")
    there = sent(folder, tmp_path / "sent", HERE, ELSEWHERE)
    monkeypatch.delenv(KERNEL)
    monkeypatch.setenv(VARIABLE, str(there))
    monkeypatch.setenv("CC", "no-such-compiler")
    model = engines.load(folder / SOURCE, "c")
    assert model.provider == "plain kernels"  # as forced on the host
    assert model.engine.startswith("C zig ")
    (library,) = there.glob(f"*-{HERE}.so")
    library.write_bytes(library.read_bytes() + b"\0")
    with pytest.raises(NotSetUp, match=f"{library.name} is not the library that the host sent"):
        engines.load(folder / SOURCE, "c")
    (folder / SOURCE).write_bytes((folder / SOURCE).read_bytes() + b"\n")
    with pytest.raises(NotSetUp, match="the host sent no library of this network"):
        engines.load(folder / SOURCE, "c")


def test_a_library_of_another_machine_is_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", *compiler.FLAGS[1:]))
    monkeypatch.setenv(VARIABLE, str(sent(folder, tmp_path / "sent", ELSEWHERE)))
    with pytest.raises(NotSetUp, match=f"the host compiled this network for {ELSEWHERE}, and this is {HERE}"):
        engines.load(folder / SOURCE, "c")


def test_other_c_is_not_compiled_for_a_board(folder: Path, tmp_path: Path) -> None:
    (folder / SOURCE).write_bytes((folder / SOURCE).read_bytes() + b"int other;\n")
    with pytest.raises(BrokenBundle, match=r"model\.c is not what this edgefer generates"):
        engines.for_boards(folder / SOURCE, "c", (HERE,))
    assert not (tmp_path / "cache").exists()


def test_without_zig_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(
        MissingEngine, match=r"a library for aarch64-linux-gnu is compiled by zig, .* pip install 'edgefer\[c\]'"
    ):
        compiler.cross_compiler("aarch64-linux-gnu")
