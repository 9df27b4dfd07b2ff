"""C as an engine: generated again, compiled into the cache, and nothing that a bundle brought is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgefer.runtime import engines
from edgefer.runtime.c import compiler
from edgefer.runtime.c.generate import HEADER, KERNELS, SOURCE, generate, write
from edgefer.runtime.c.tflite_file import Graph
from edgefer.runtime.engines import c as engines_c
from edgefer.runtime.engines.c import KERNEL
from edgefer.runtime.errors import BrokenBundle, CompilerFailed, MissingEngine, NotSetUp, UnknownName
from tests.compilers import lacking
from tests.runtime.c.made_tflite import SAME, MadeNetwork
from tests.runtime.c.test_generate import drawn_inputs, expected

pytestmark = pytest.mark.skipif(lacking() is not None, reason=str(lacking()))
MAIN = """#include <stdio.h>
#include <stdlib.h>
#include "model.h"
int main(void) {
  int8_t *in = malloc(EDGEFER_MADE_INPUT), *out = malloc(EDGEFER_MADE_OUTPUT);
  void *arena = malloc(EDGEFER_MADE_ARENA);
  if (!edgefer_made_kernel()) return 77;
  fputs(edgefer_made_kernel(), stderr);
  while (fread(in, EDGEFER_MADE_INPUT, 1, stdin) == 1) {
    edgefer_made(in, out, arena);
    fwrite(out, EDGEFER_MADE_OUTPUT, 1, stdout);
  }
  free(in), free(out), free(arena);
  return 0;
}
"""


def network() -> tuple[MadeNetwork, int]:
    """All operators once, on maps whose sides and channels are no multiples of anything."""
    made = MadeNetwork((1, 13, 11, 3), 5)
    x = made.conv(made.input, 16, (3, 3), 1, SAME, 1)
    y = made.conv(
        made.depthwise(made.pad(made.conv(x, 24, (1, 1), activation=1), 1, 1, 1, 1), (3, 3), 1, 1, 1), 16, (1, 1)
    )
    x = made.attention(made.add(x, y))
    x = made.depthwise(made.conv(x, 5, (3, 2), 2), (5, 5))
    x = made.concatenate([x, made.max_pool(x, 3, 1, SAME)], 3)
    _, height, width, channels = made.shape(x)
    flat = made.reshape(made.transpose(x, (0, 3, 1, 2)), (1, height * width * channels))
    return made, made.softmax(made.connect(flat, 7))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made network's files, and a cache of the test's own."""
    monkeypatch.setattr("edgefer.runtime.files.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv(KERNEL, raising=False)
    monkeypatch.setattr(compiler, "FLAGS", ("-O1", *compiler.FLAGS[1:]))
    made, output = network()
    content = made.file(output)
    (tmp_path / "bundle").mkdir()
    for name, text in (generate(content, "made") | {"model.tflite": content}).items():
        (tmp_path / "bundle" / name).write_bytes(text)
    return tmp_path / "bundle"


def test_it_answers_like_litert_and_is_compiled_once(folder: Path, tmp_path: Path) -> None:
    inputs = drawn_inputs((1, 13, 11, 3))
    wanted = expected((folder / "model.tflite").read_bytes(), inputs, tmp_path)
    model = engines.load(folder / SOURCE, "c")
    assert (model.input.shape, model.output.shape) == ((1, 13, 11, 3), (1, 7))
    assert [model.run(each[None])[0].tolist() for each in inputs] == wanted.tolist()
    (made,) = (tmp_path / "cache" / "c").iterdir()
    written = made.stat().st_mtime_ns
    assert engines.load(folder / SOURCE, "c", threads=2).provider == model.provider
    assert made.stat().st_mtime_ns == written


@pytest.mark.parametrize("name", [SOURCE, HEADER])
def test_code_that_a_bundle_brought_is_not_run(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b"int other;\n")
    with pytest.raises(BrokenBundle, match=f"{name} is not what this edgefer generates from model.tflite"):
        engines.load(folder / SOURCE, "c")
    assert not (tmp_path / "cache").exists()


def test_c_is_generated_again_only_for_what_it_was_not_generated_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(graph: Graph, name: str) -> dict[str, bytes]:
        calls.append(name)
        return write(graph, name)

    monkeypatch.setattr(engines_c, "write", counted)
    engines.load(folder / SOURCE, "c")
    engines.load(folder / SOURCE, "c")
    assert len(calls) == 1
    monkeypatch.setattr(engines_c, "checksum", lambda: "of another edgefer")
    engines.load(folder / SOURCE, "c")
    assert len(calls) == 2
    (folder / SOURCE).write_bytes((folder / SOURCE).read_bytes() + b"int other;\n")
    with pytest.raises(BrokenBundle, match="is not what this edgefer generates"):
        engines.load(folder / SOURCE, "c")
    assert len(calls) == 3


@pytest.mark.parametrize("kernel", [kernel.name for kernel in KERNELS])
def test_a_forced_kernel_runs_or_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    monkeypatch.setenv(KERNEL, kernel)
    try:
        assert engines.load(folder / SOURCE, "c").provider == f"{kernel} kernels"
    except NotSetUp as error:
        assert f"this processor has not what the kernels {kernel}" in str(error)


def test_an_unknown_kernel_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KERNEL, "avx3")
    with pytest.raises(UnknownName, match="avx2"):
        engines.load(folder / SOURCE, "c")


def test_a_compiler_that_is_missing_or_fails_is_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler.find_compiler.cache_clear()
    try:
        monkeypatch.setenv("CC", "no-such-compiler")
        with pytest.raises(MissingEngine, match="no-such-compiler of the variable CC is not installed"):
            engines.load(folder / SOURCE, "c")
        script = tmp_path / "failing"
        script.write_text(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo made 1 && exit 0\necho 'error: no space' >&2; exit 3\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("CC", str(script))
        with pytest.raises(CompilerFailed, match=r"made 1 ended with 3 \(error: no space\)"):
            engines.load(folder / SOURCE, "c")
        assert list((tmp_path / "cache" / "c").iterdir()) == []
    finally:
        compiler.find_compiler.cache_clear()


def test_a_library_of_other_flags_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgefer.runtime.files.cache_folder", lambda: tmp_path / "cache")
    script = tmp_path / "copying"  # it writes its flags where the library is asked for
    script.write_text(
        '#!/bin/sh\nfor word; do [ "$last" = -o ] && out=$word; last=$word; done\n'
        '[ -n "$out" ] && echo "$@" >"$out"\necho made 1\n'
    )
    script.chmod(0o755)
    made = []
    for flags in ("", " -O1"):
        monkeypatch.setenv("CC", f"{script}{flags}")
        compiler.find_compiler.cache_clear()
        made.append(compiler.library({SOURCE: b""}))
    compiler.find_compiler.cache_clear()
    assert made[0] != made[1]
    assert ["-O1" in library.read_text() for library in made] == [False, True]


@pytest.mark.parametrize("kernel", ["plain", "small", "sse41", "avx2", "avx512"])
def test_sanitizers_find_nothing(folder: Path, tmp_path: Path, kernel: str) -> None:
    (folder / "main.c").write_text(MAIN)
    program = tmp_path / "program"
    flags = ("-g", "-O1", "-std=c99", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    line = ["gcc", *flags, f"-DEDGEFER_KERNEL=EDGEFER_{kernel.upper()}", "main.c", "model.c", "-o", str(program)]
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc and its sanitizers")
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no sanitizers: {done.stderr.splitlines()[-1]}")
    inputs = np.concatenate(
        [drawn_inputs((1, 13, 11, 3)), np.random.default_rng(2).integers(-128, 128, (8, 13, 11, 3))]
    )
    ran = subprocess.run([str(program)], input=inputs.astype(np.int8).tobytes(), capture_output=True, check=False)
    if ran.returncode == 77:
        pytest.skip(f"this processor has no {kernel}")
    assert ran.returncode == 0, ran.stderr.decode()[-2000:]
    assert len(ran.stdout) == 7 * len(inputs)
