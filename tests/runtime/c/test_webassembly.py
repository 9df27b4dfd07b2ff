"""Networks as WebAssembly: small, alone, and with LiteRT's bytes, by relaxed SIMD too where that is exact."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from edgefer.app.web import WebOptions, write_page
from edgefer.runtime import files
from edgefer.runtime.c.generate import HEADER, RELAXED, SOURCE, generate
from edgefer.runtime.engines.c import webassembly, webassembly_modules
from edgefer.runtime.errors import MissingEngine
from edgefer.runtime.files import PACKAGE
from tests.runtime.c.made_tflite import MadeNetwork
from tests.runtime.c.test_engine import network
from tests.runtime.c.test_generate import drawn_inputs, expected, made_networks
from tests.webassembly import Instance, exact

RUNNER = Path(__file__).parents[2] / "app" / "kernels_runner.mjs"
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
    modules = webassembly_modules(bundle / SOURCE)
    assert list(modules) == [".wasm", ".relaxed_unsigned.wasm", ".relaxed_signed.wasm"]
    assert max(map(len, modules.values())) <= DOWNLOAD
    given, answer = (np.fromfile(bundle / "golden" / f"{name}.bin", np.int8) for name in ("input", "output"))
    for end in (".wasm", ".relaxed_signed.wasm"):
        assert np.array_equal(Instance(modules[end]).run(given, 7), answer)


def check(made: MadeNetwork, output: int) -> None:
    """Relaxed SIMD beside LiteRT."""
    content, inputs = made.file(output), drawn_inputs(made.shape(made.input))
    with tempfile.TemporaryDirectory() as folder:
        wanted = expected(content, inputs, Path(folder))
    for kernel in RELAXED:
        instance = exact(generate(content, "made"), "made", kernel)
        answers = [instance.run(each, wanted.shape[1]) for each in inputs]
        np.testing.assert_array_equal(answers, wanted, kernel)


@settings(
    max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(made_networks())
def test_made_networks_answer_like_litert_by_relaxed_simd(made: tuple[MadeNetwork, int]) -> None:
    pytest.importorskip("wasmtime")
    check(*made)


@pytest.mark.long
@settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(made_networks())
def test_many_made_networks_answer_like_litert_by_relaxed_simd(made: tuple[MadeNetwork, int]) -> None:
    pytest.importorskip("wasmtime")
    check(*made)


def test_relaxed_simd_that_is_not_exact_stops_instead_of_answering(model: Path) -> None:
    """wasmtime takes bytes as signed ones here, and never as unsigned ones."""
    wasmtime = pytest.importorskip("wasmtime")
    instance = Instance(webassembly(model, "relaxed_unsigned"))
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        instance.run(drawn_inputs((1, 13, 11, 3))[0], 7)


@pytest.mark.parametrize("flags", [(), ("--experimental-wasm-relaxed-simd",)], ids=["as it is", "relaxed SIMD allowed"])
def test_node_chooses_kernels_that_give_the_golden_answer(flags: tuple[str, ...], dist: Path, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    page = write_page(WebOptions(dist / "ean.c-int8", tmp_path / "page", "none")).folder
    line = ["node", *flags, str(RUNNER), str(PACKAGE / "app" / "page" / "engine-c.js"), str(page / "bundle")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if "bad option" in done.stderr:  # a Node.js that always has it
        pytest.skip(done.stderr.strip())
    kernels, answer = json.loads(done.stdout)
    assert kernels in ("", *(f".{kernel}" for kernel in RELAXED))
    assert answer == np.fromfile(dist / "ean.c-int8" / "golden" / "output.bin", np.int8).tolist()
