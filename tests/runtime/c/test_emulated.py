"""The NEON kernels under QEMU: LiteRT's bytes, and the choice that each processor makes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from numpy.typing import NDArray

from edgefer.runtime.c.generate import generate
from tests.runtime.c.made_tflite import MadeNetwork
from tests.runtime.c.test_engine import MAIN, network
from tests.runtime.c.test_generate import drawn_inputs, expected, made_networks

QEMU, GCC = "qemu-aarch64", "aarch64-linux-gnu-gcc"
ZIG = (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl")
pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"needs {QEMU}")
by_zig = pytest.mark.skipif(find_spec("ziglang") is None, reason="needs ziglang")
by_gcc = pytest.mark.skipif(shutil.which(GCC) is None, reason=f"needs {GCC}")
STRICT = ("-std=gnu99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffp-contract=off", "-static")


def compiled(sources: dict[str, bytes], folder: Path, *flags: str, compiler: tuple[str, ...] = ZIG) -> Path:
    """A program for 64-bit ARM that answers each input of its standard input."""
    for name, content in (sources | {"main.c": MAIN.encode()}).items():
        (folder / name).write_bytes(content)
    line = [*compiler, *STRICT, *(flags or ("-O1",))]
    done = subprocess.run(
        [*line, "main.c", "model.c", "-o", "program"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]
    return folder / "program"


def answers(program: Path, cpu: str, inputs: NDArray[np.int8], outputs: int) -> tuple[str, NDArray[np.int8] | None]:
    """The kernels that an emulated processor chose and what they gave, None if it has not those compiled."""
    ran = subprocess.run([QEMU, "-cpu", cpu, str(program)], input=inputs.tobytes(), capture_output=True, check=False)
    if ran.returncode == 77:
        return "", None
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stderr.decode(), np.frombuffer(ran.stdout, np.int8).reshape(-1, outputs)


def check(
    made: MadeNetwork, output: int, folder: Path, *flags: str, fuse: bool = True, compiler: tuple[str, ...] = ZIG
) -> None:
    """Both kernels beside LiteRT."""
    content = made.file(output)
    inputs = drawn_inputs(made.shape(made.input))
    wanted = expected(content, inputs, folder)
    program = compiled(generate(content, "made", fuse), folder, *flags, compiler=compiler)
    for cpu, kernel in (("cortex-a53", "neon"), ("cortex-a76", "dotprod")):
        chosen, given_back = answers(program, cpu, inputs, wanted.shape[1])
        assert chosen == kernel
        np.testing.assert_array_equal(given_back, wanted, f"{kernel}, fused: {fuse}")


@by_zig
@pytest.mark.parametrize("fuse", [True, False])
def test_neon_and_dot_products_answer_like_litert(tmp_path: Path, fuse: bool) -> None:
    check(*network(), tmp_path, fuse=fuse)


@by_gcc
def test_gcc_warns_of_nothing_and_its_kernels_answer_like_litert(tmp_path: Path) -> None:
    check(*network(), tmp_path, "-O3", compiler=(GCC,))


@by_zig
def test_outputs_that_16_bits_do_not_hold_are_limited(tmp_path: Path) -> None:
    made = MadeNetwork((1, 9, 9, 3))
    x = made.conv(made.input, 24, (3, 3), activation=1)  # zero is even
    wide = made._tensors[x].quantization
    wide.scale = wide.scale / np.float32(100)
    check(made, made.softmax(made.connect(made.mean(made.depthwise(x)), 3)), tmp_path, fuse=False)


@by_zig
@pytest.mark.long
@settings(max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(made_networks())
def test_many_made_networks_answer_like_litert(made: tuple[MadeNetwork, int]) -> None:
    for fuse in (True, False):
        with TemporaryDirectory() as folder:
            check(*made, Path(folder), fuse=fuse)


@by_zig
@pytest.mark.parametrize(
    ("kernel", "cpus"),
    [
        ("neon", {"cortex-a53": "neon", "cortex-a72": "neon", "cortex-a76": "neon", "max": "neon"}),
        ("dotprod", {"cortex-a53": "", "cortex-a72": "", "cortex-a76": "dotprod", "max": "dotprod"}),
    ],
)
def test_a_forced_kernel_runs_where_the_processor_has_it(tmp_path: Path, kernel: str, cpus: dict[str, str]) -> None:
    made = MadeNetwork((1, 8, 8, 3))
    output = made.softmax(made.connect(made.mean(made.conv(made.input, 8, (3, 3))), 3))
    inputs = drawn_inputs((1, 8, 8, 3))
    program = compiled(
        generate(made.file(output), "made"), tmp_path, "-O1", f"-DEDGEFER_KERNEL=EDGEFER_{kernel.upper()}"
    )
    assert {cpu: answers(program, cpu, inputs, 3)[0] for cpu in cpus} == cpus
