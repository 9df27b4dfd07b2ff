"""The shipped networks as C and as WebAssembly: LiteRT's bytes on all of PrivateTest; the code of the page, run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgefer.arch import get_arch
from edgefer.data.load import load
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import contract, engines
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.c.compiler import find_compiler
from edgefer.runtime.c.generate import RELAXED
from edgefer.runtime.engines.c import read_network, webassembly
from edgefer.training import weights
from tests.compilers import lacking
from tests.webassembly import exact

NETWORKS = ("ean", "lcnn", "microexpnet-xxs")
needs_zig = pytest.mark.skipif(find_spec("ziglang") is None, reason="WebAssembly is compiled by zig")
# What the page's code asks of a browser: files, and a canvas that has the face's pixels, resized.
RUNNER = """
import fs from 'node:fs';
globalThis.fetch = async (name) => new Response(fs.readFileSync(name));
globalThis.createImageBitmap = async (face) => face;
globalThis.OffscreenCanvas = class {
  constructor(width, height) { Object.assign(this, {width, height}); }
  getContext() { return this; }
  drawImage(face) { this.face = face; }
  getImageData(left, top, width, height) {
    const row = (y) => this.face.subarray(4 * (y * this.width + left), 4 * (y * this.width + left + width));
    return {data: Array.from({length: height}, (_, y) => [...row(top + y)]).flat()};
  }
};
const {probabilities, classify} = await import('./page.mjs');
const answer = probabilities(new Int8Array(fs.readFileSync('golden/input.bin')));
console.log(JSON.stringify([answer, await classify(fs.readFileSync('face.rgba'))]));
"""
KOTLIN = """
fun main() {
    val input = java.io.File("golden/input.bin").readBytes()
    println(classify(input))
    println(runCatching { classify(input.copyOf(input.size - 1)) }.exceptionOrNull()?.message)
}
"""


@dataclass(frozen=True)
class Answered:
    """A bundle, what PrivateTest's faces become for it, and LiteRT's answers."""

    bundle: Bundle
    inputs: list[NDArray[np.int8]]
    answers: list[NDArray[np.int8]]


@pytest.fixture(scope="module", params=NETWORKS)
def private_test(request: pytest.FixtureRequest, fer2013: Path, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    if (why := lacking()) is not None:
        pytest.skip(why)
    arch = get_arch(request.param)
    target = get_target("c-int8")
    job = BuildJob(arch, "c-int8", target, weights.load_trained_model(arch, None), CalibrationOptions())
    bundle = build_bundle(job, tmp_path_factory.mktemp(request.param))
    agreed = bundle.manifest.contract
    litert = engines.load(bundle.path("model.tflite"), "tflite")
    faces = contract.to_pixels(load(fer2013).split("PrivateTest").pixels[:], agreed)
    inputs = [contract.to_input(face[None], agreed) for face in faces]
    return Answered(bundle, inputs, [litert.run(given) for given in inputs])


@pytest.mark.long
def test_every_face_of_private_test_has_litert_s_bytes(private_test: Answered) -> None:
    model = engines.load(private_test.bundle.path("model.c"), "c")
    pairs = zip(private_test.inputs, private_test.answers, strict=True)
    assert sum(not np.array_equal(model.run(given), answer) for given, answer in pairs) == 0


@pytest.mark.long
@needs_zig
@pytest.mark.parametrize("kernel", [None, *RELAXED])
def test_every_face_has_them_in_webassembly(kernel: str | None, private_test: Answered) -> None:
    pytest.importorskip("wasmtime")
    network = read_network(private_test.bundle.path("model.c"))
    instance = exact(network.sources, network.name, kernel)
    pairs = zip(private_test.inputs, private_test.answers, strict=True)
    assert sum(not np.array_equal(instance.run(given, answer.size), answer[0]) for given, answer in pairs) == 0


@needs_zig
def test_the_page_s_javascript_gives_the_golden_answer(dist: Path, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    folder = shutil.copytree(dist / "ean.c-int8", tmp_path / "bundle")
    bundle = read_bundle(folder)
    section = (folder / "README.md").read_text().partition("## JavaScript")[2]
    (folder / "exports.c").write_text(_block(section, "c"))
    _, *line = shlex.split(_block(section, "sh"))
    subprocess.run([sys.executable, *line], cwd=folder, check=True)
    assert (folder / "model.wasm").read_bytes() == webassembly(folder / "model.c")
    (folder / "page.mjs").write_text(_block(section, "javascript"))
    (folder / "runner.mjs").write_text(RUNNER)
    golden = bundle.manifest.golden
    with Image.open(folder / golden.picture) as picture:
        size = (bundle.manifest.contract.resize,) * 2
        resized = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    (folder / "face.rgba").write_bytes(resized.convert("RGBA").tobytes())
    done = subprocess.run(["node", "runner.mjs"], cwd=folder, capture_output=True, text=True, check=True)
    answer, found = json.loads(done.stdout)
    stored = np.fromfile(folder / golden.output, np.int8)
    expected = contract.dequantise(stored, bundle.manifest.contract.output)
    assert np.array_equal(answer, expected)
    best = int(expected.argmax())
    assert found == {"label": bundle.manifest.contract.labels[best], "probability": float(expected[best])}


@pytest.mark.parametrize("compiler", ["gcc", "clang", "python -m ziglang cc"])
def test_the_page_s_program_gives_the_golden_output(compiler: str, dist: Path, tmp_path: Path) -> None:
    command = shlex.split(compiler)
    if command[0] == "python":
        command[0] = sys.executable
        if find_spec("ziglang") is None:
            pytest.skip("the package ziglang is not installed")
    elif shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    folder = Path(shutil.copytree(dist / "ean.c-int8", tmp_path / "bundle"))
    section = (folder / "README.md").read_text().partition("## C\n")[2].partition("\n## ")[0]
    (folder / "classify.c").write_text(_block(section, "c"))
    compile_line, run_line = _block(section, "sh").splitlines()
    first, *words = shlex.split(compile_line)
    assert first == "cc"
    strict = ("-Wall", "-Wextra", "-Werror")
    done = subprocess.run([*command, *words, *strict], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ran = subprocess.run(shlex.split(run_line), cwd=folder, capture_output=True, text=True, check=True)
    *lines, last = ran.stdout.splitlines()
    manifest = read_bundle(dist / "ean.c-int8").manifest
    agreed, golden = manifest.contract, folder / manifest.golden.output
    expected = contract.dequantise(np.fromfile(golden, np.int8), agreed.output)
    assert lines == [f"{p:.4f} {label}" for p, label in zip(expected, agreed.labels, strict=True)]
    assert last == "This is the golden output."
    golden.write_bytes(golden.read_bytes()[::-1])
    other = subprocess.run(shlex.split(run_line), cwd=folder, capture_output=True, text=True, check=False)
    assert (other.returncode, other.stdout.splitlines()[-1]) == (1, "This is not the golden output.")
    golden.unlink()
    missing = subprocess.run(shlex.split(run_line), cwd=folder, capture_output=True, text=True, check=False)
    assert (missing.returncode, missing.stdout) == (1, "") and "golden/output.bin" in missing.stderr


@pytest.mark.long
def test_the_page_s_kotlin_gives_the_golden_output(dist: Path, tmp_path: Path) -> None:
    """On a JVM, whose JNI is Android's; an input of another size is the checked call's error and not a crash."""
    java, kotlinc = shutil.which("java"), shutil.which("kotlinc")
    if java is None or kotlinc is None:
        pytest.skip("needs a Kotlin compiler and Java")
    headers = Path(java).resolve().parents[1] / "include"
    if not headers.is_dir():
        pytest.skip("needs a JDK, for jni.h")
    folder = Path(shutil.copytree(dist / "ean.c-int8", tmp_path / "bundle"))
    section = (folder / "README.md").read_text().partition("## Kotlin")[2]
    (folder / "bridge.c").write_text(_block(section, "c"))
    (folder / "page.kt").write_text(_block(section, "kotlin") + KOTLIN)
    flags = ("-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared")
    include = (f"-I{headers}", f"-I{headers / 'linux'}")
    library = ("bridge.c", "model.c", "-o", "libbridge.so")
    for line in (
        [*find_compiler().command, *flags, *include, *library],
        [kotlinc, "page.kt", "-include-runtime", "-d", "page.jar"],
    ):
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    run = [java, "-Djava.library.path=.", "-cp", "page.jar", "PageKt"]
    right, wrong = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()
    manifest = read_bundle(dist / "ean.c-int8").manifest
    stored = np.fromfile(folder / manifest.golden.output, np.int8)
    expected = contract.dequantise(stored, manifest.contract.output)
    assert json.loads(right) == pytest.approx(expected.tolist(), abs=1e-9)
    assert wrong == "the network did not run: model.h says what error 1 is"


def _block(section: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]
