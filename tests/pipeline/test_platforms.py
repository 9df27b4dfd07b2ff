"""Libraries for an app's platforms: equal bytes twice, and what is refused."""

from __future__ import annotations

import ctypes
import platform
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgefer.pipeline.options import BuildOptions
from edgefer.pipeline.platforms import PLATFORMS, libraries
from edgefer.runtime.c import compiler
from edgefer.runtime.c.generate import generate
from edgefer.runtime.errors import UnknownName, WrongOptions
from tests.runtime.c.made_tflite import MadeNetwork

ZIG = pytest.mark.skipif(find_spec("ziglang") is None, reason="needs ziglang")
ELF = {"linux-x86_64": 62, "linux-aarch64": 183, "android-arm64": 183}  # e_machine


def made_files() -> dict[str, bytes]:
    made = MadeNetwork((1, 8, 8, 3))
    content = made.file(made.softmax(made.connect(made.mean(made.conv(made.input, 8, (3, 3))), 3)))
    return {**generate(content, "made"), "model.tflite": content}


@pytest.mark.long
@ZIG
def test_two_builds_give_equal_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", *compiler.FLAGS[1:]))
    built = []
    for name in ("first", "second"):
        monkeypatch.setattr("edgefer.runtime.files.cache_folder", lambda name=name: tmp_path / name)
        built.append(libraries(made_files(), "model.c", list(PLATFORMS)))
    assert built[0] == built[1]
    assert {path.split("/")[1] for path in built[0]} == set(PLATFORMS)
    for name, machine in ELF.items():
        content = built[0][f"libraries/{name}/libedgefer_made.so"]
        assert content[:4] == b"\x7fELF" and int.from_bytes(content[18:20], "little") == machine
        assert (b"libc.so\0" in content) == (name == "android-arm64")
    here = f"libraries/linux-{platform.machine()}/libedgefer_made.so"
    if here in built[0]:
        (tmp_path / "loaded.so").write_bytes(built[0][here])
        assert ctypes.CDLL(str(tmp_path / "loaded.so")).edgefer_made_arena() > 0


def test_an_unknown_platform_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown platform 'linux-arm64'.* known: linux-x86_64, .*wasm32"):
        BuildOptions(targets=("c-int8",), arch="ean", platforms=("linux-arm64",)).check()


def test_platforms_are_those_of_c() -> None:
    with pytest.raises(WrongOptions, match="give --target c-int8 too"):
        BuildOptions(targets=("tflite-int8",), arch="ean", platforms=("wasm32",)).check()
    BuildOptions(targets=("tflite-int8", "c-int8"), arch="ean", platforms=("wasm32",)).check()
