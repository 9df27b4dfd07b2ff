"""A bundle comes over a network, and its TFLite file decides what C is generated and run: none may do harm."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edgefer.arch import get_arch
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime.c.generate import generate
from edgefer.runtime.errors import ExportFailed
from edgefer.training import weights
from tests.conftest import Once
from tests.runtime.c import hostile
from tests.runtime.c.made_tflite import SAME, VALID, MadeNetwork
from tests.runtime.c.test_engine import MAIN, network

NETWORKS = ("ean", "lcnn", "microexpnet-xxs")
SANITIZED = ("-g", "-O0", "-std=c99", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SECONDS = 20  # of the processor, for one file


def made() -> bytes:
    """A small network with all the operators."""
    network_, output = network()
    return network_.file(output)


def accepted(content: bytes, seeds: range) -> Iterator[bytes]:
    """The mutants that C is generated from; all others are refused by one short line, and none takes long."""
    for seed in seeds:
        for mutate in (hostile.of_bytes, hostile.of_tables):
            mutant, began = mutate(content, seed), time.process_time()
            refused = refusal(mutant)
            assert time.process_time() - began < SECONDS
            if refused is None:
                yield mutant
            else:
                assert len(refused) <= 2000
                assert refused.isprintable()


def refusal(content: bytes) -> str | None:
    """What the generator says, None if it generates C."""
    try:
        generate(content, "made")
    except ExportFailed as error:
        return str(error)
    return None


def ran(sources: Mapping[str, bytes], folder: Path, kernel: str, size: int) -> bytes:
    """What the compiled C answers to a few inputs: the sanitizers find nothing."""
    for name, text in {**sources, "main.c": MAIN.encode()}.items():
        (folder / name).write_bytes(text)
    line = ["gcc", *SANITIZED, f"-DEDGEFER_KERNEL=EDGEFER_{kernel.upper()}", "main.c", "model.c", "-o", "program"]
    subprocess.run(line, cwd=folder, check=True, timeout=300)
    inputs = np.random.default_rng(1).integers(-128, 128, (3, size)).astype(np.int8)
    inputs[0] = 127
    done = subprocess.run(
        [str(folder / "program")], input=inputs.tobytes(), capture_output=True, timeout=300, check=False
    )
    if done.returncode == 77:
        pytest.skip(f"this processor has no {kernel}")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def require_sanitizers(folder: Path) -> None:
    (folder / "empty.c").write_text("int main(void) { return 0; }\n")
    if (
        shutil.which("gcc") is None
        or subprocess.run(["gcc", *SANITIZED, "empty.c"], cwd=folder, capture_output=True, check=False).returncode
    ):
        pytest.skip("needs gcc and its sanitizers")


def check_runs(content: bytes, folder: Path, *kernels: str) -> None:
    """The C runs clean, and gives the same bytes fused and not, with each kernel: no map lies in another's way."""
    results = set()
    for fuse in (True, False):
        sources = generate(content, "made", fuse)
        size = int(sources["model.h"].split(b"_INPUT ")[1].split()[0])
        results |= {ran(sources, folder, kernel, size) for kernel in kernels}
    assert len(results) == 1


def test_mutants_are_refused_by_one_line_or_generated() -> None:
    assert 3 < sum(1 for _ in accepted(made(), range(100))) < 50


def test_mutants_that_are_generated_run_clean(tmp_path: Path) -> None:
    require_sanitizers(tmp_path)
    for mutant in islice(accepted(made(), range(1000, 2000)), 2):
        check_runs(mutant, tmp_path, "plain")


@pytest.fixture(params=NETWORKS)
def shipped(request: pytest.FixtureRequest, once: Once) -> bytes:
    """The int8 TFLite file of a shipped network."""
    arch = get_arch(request.param)

    def make(folder: Path) -> None:
        trained = weights.load_trained_model(arch, None)
        build_bundle(BuildJob(arch, "tflite-int8", get_target("tflite-int8"), trained, CalibrationOptions()), folder)

    return next(once(f"hostile-{request.param}", make).glob("*/model.tflite")).read_bytes()


@pytest.mark.long
def test_mutants_of_shipped_networks_are_refused_or_run_clean(shipped: bytes, tmp_path: Path) -> None:
    require_sanitizers(tmp_path)
    for mutant in islice(accepted(shipped, range(100)), 0, 24, 4):
        check_runs(mutant, tmp_path, "plain")


@pytest.mark.long
@pytest.mark.parametrize("kernel", ["avx2", "avx512"])
def test_mutants_of_the_made_network_run_clean_with_vectors(kernel: str, tmp_path: Path) -> None:
    require_sanitizers(tmp_path)
    for mutant in islice(accepted(made(), range(5000, 7000)), 12):
        check_runs(mutant, tmp_path, "plain", kernel)


def padded_on_one_side() -> bytes:
    """A depthwise layer that is padded above and on the left only: its output is smaller than its input."""
    network_ = MadeNetwork((1, 9, 9, 3))
    x = network_.conv(network_.input, 16, (1, 1), activation=1)
    x = network_.depthwise(network_.pad(x, 1, 0, 1, 0), (3, 3), 1, VALID)
    return network_.file(network_.softmax(network_.connect(network_.mean(x), 3)))


def depthwise_by_turns() -> bytes:
    """Pointwise layers that are both behind a depthwise layer and before one."""
    network_ = MadeNetwork((1, 34, 33, 3))
    x = network_.conv(network_.input, 8, (3, 3), 1, SAME, 1)
    for channels in (16, 8, 24):
        x = network_.conv(network_.depthwise(x, (3, 3), 1, SAME, 1), channels, (1, 1), 1, SAME, 1)
    return network_.file(network_.softmax(network_.connect(network_.mean(x), 3)))


@pytest.mark.parametrize("content", [padded_on_one_side(), depthwise_by_turns()], ids=["one side", "by turns"])
def test_what_fusing_must_leave_alone(content: bytes, tmp_path: Path) -> None:
    require_sanitizers(tmp_path)
    check_runs(content, tmp_path, "plain")


def with_vector_length(length: int) -> bytes:
    """A file whose table of the model has one vector of so many subgraphs, in no more bytes than it needs."""
    model = struct.pack("<I4s", 24, b"TFL3") + struct.pack("<HHHHH", 10, 8, 0, 0, 4) + bytes(6)
    return model + struct.pack("<iI", 24 - 8, 4) + struct.pack("<I", length) + bytes(64)


@pytest.mark.parametrize("length", [0, 17, 2**31, 2**32 - 1])
def test_a_vector_that_is_longer_than_the_file_is_refused_at_once(length: int) -> None:
    began = time.perf_counter()
    with pytest.raises(ExportFailed, match="TFLite file"):
        generate(with_vector_length(length), "made")
    assert time.perf_counter() - began < 1


def large(channels: int, side: int) -> bytes:
    network_ = MadeNetwork((1, side, side, 3))
    return network_.file(network_.conv(network_.input, channels, (1, 1)))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (large(20, 3000), "values in its tensors .at most"),
        (large(2**20 + 1, 1), "sides of 1 to 1,048,576"),
        (large(2**20, 1), "at most 8,388,608"),
    ],
    ids=["maps", "side", "weights"],
)
def test_what_needs_too_much_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ExportFailed, match=words):
        generate(content, "made")
