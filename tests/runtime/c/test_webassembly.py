"""Networks as WebAssembly: small, alone, and with LiteRT's bytes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from edgefer.runtime import files
from edgefer.runtime.c.generate import HEADER, SOURCE, generate
from edgefer.runtime.engines.c import webassembly
from edgefer.runtime.errors import MissingEngine
from tests.runtime.c.test_engine import network
from tests.runtime.c.test_generate import drawn_inputs, expected
from tests.webassembly import Instance

pytestmark = pytest.mark.skipif(find_spec("ziglang") is None, reason="WebAssembly is compiled by zig")
DOWNLOAD = 70_000  # bytes of EAN, with its weights


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A made network's model.c, and a cache of the test's own."""
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    made, output = network()
    content = made.file(output)
    for name, text in (generate(content, "made") | {"model.tflite": content}).items():
        (tmp_path / name).write_bytes(text)
    yield tmp_path / SOURCE


def test_it_answers_like_litert_and_imports_nothing(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("wasmtime")
    inputs = drawn_inputs((1, 13, 11, 3))
    instance = Instance(webassembly(model))
    assert instance.imports == []
    assert instance.exports == ["memory", "input", "output", "run"]
    wanted = expected(model.with_suffix(".tflite").read_bytes(), inputs, tmp_path)
    assert [instance.run(each, 7).tolist() for each in inputs] == wanted.tolist()


def test_two_compilations_are_equal(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = webassembly(model)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "another" / "cache")
    assert webassembly(model) == one
    assert str(tmp_path).encode() not in one


def test_other_c_than_edgefer_s_is_not_compiled(model: Path) -> None:
    header = model.with_name(HEADER)
    header.write_bytes(header.read_bytes() + b"int other;\n")
    with pytest.raises(ValueError, match=f"{HEADER} is not what this edgefer generates"):
        webassembly(model)


def test_without_zig_it_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(MissingEngine, match=r"WebAssembly is compiled by zig.*pip install 'edgefer\[c\]'"):
        webassembly(model)


def test_ean_is_small_and_gives_its_golden_answer(dist: Path) -> None:
    pytest.importorskip("wasmtime")
    bundle = dist / "ean.c-int8"
    content = webassembly(bundle / SOURCE)
    assert len(content) <= DOWNLOAD
    given, answer = (np.fromfile(bundle / "golden" / f"{name}.bin", np.int8) for name in ("input", "output"))
    assert np.array_equal(Instance(content).run(given, 7), answer)
