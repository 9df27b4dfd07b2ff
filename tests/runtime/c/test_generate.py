"""The C of made networks gives LiteRT's bytes with every kernel that this machine has, with and without fusing."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgefer.runtime.c.compiler import find_compiler
from edgefer.runtime.c.generate import KERNELS, RELAXED, generate
from edgefer.runtime.engines.tflite import open_interpreter
from edgefer.runtime.errors import ExportFailed
from tests.compilers import lacking
from tests.runtime.c.made_tflite import SAME, VALID, MadeNetwork

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-ffp-contract=off", "-fPIC", "-shared")
ANSWERS = 6
# Of Cortex-M: tests of emulated microcontrollers run them. Of WebAssembly: those in test_webassembly.py do.
ELSEWHERE = ("dsp", "mve", "wasm", *RELAXED)
ABSENT: set[str] = set()  # kernels that this processor turned out not to have: that they compile is seen once


def require_compiler() -> tuple[str, ...]:
    if (why := lacking()) is not None:
        pytest.skip(why)
    return find_compiler().command


def compiled(sources: Mapping[str, bytes], folder: Path, *flags: str) -> ctypes.CDLL:
    for name, content in sources.items():
        (folder / name).write_bytes(content)
    made = folder / f"model{abs(hash(flags))}.so"
    line = [*require_compiler(), *STRICT, *flags, "-o", str(made), str(folder / "model.c")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    return ctypes.CDLL(str(made))


def answers(library: ctypes.CDLL, inputs: NDArray[np.int8], outputs: int) -> NDArray[np.int8] | None:
    """What the C gives, None if the processor has not the kernels; what lies beside its memory stays."""
    library.edgefer_made_kernel.restype = ctypes.c_char_p
    if library.edgefer_made_kernel() is None:
        return None
    run, size = library.edgefer_made, int(library.edgefer_made_arena())
    run.argtypes, run.restype = [ctypes.c_void_p] * 3, None
    arena, returned = np.full(size + 64, 85, np.uint8), np.full((len(inputs), outputs + 16), 77, np.int8)
    for each, result in zip(inputs, returned, strict=True):
        run(each.ctypes.data, result.ctypes.data, arena.ctypes.data)
    assert (arena[size:] == 85).all()
    assert (returned[:, outputs:] == 77).all()
    return returned[:, :outputs]


def expected(content: bytes, inputs: NDArray[np.int8], folder: Path) -> NDArray[np.int8]:
    (folder / "model.tflite").write_bytes(content)
    interpreter = open_interpreter(folder / "model.tflite", 1)
    first, last = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    results = []
    for each in inputs:
        interpreter.set_tensor(first, each[None])
        interpreter.invoke()
        results.append(interpreter.get_tensor(last).ravel().copy())
    return np.stack(results)


def drawn_inputs(shape: tuple[int, ...]) -> NDArray[np.int8]:
    random = np.random.default_rng(1)
    inputs = random.integers(-128, 128, (ANSWERS, *shape[1:])).astype(np.int8)
    inputs[0], inputs[1] = -128, 127
    return inputs


def check(network: MadeNetwork, output: int, *flags: str, kernels: tuple[str, ...] | None = None) -> None:
    """All kernels, fused and not, beside LiteRT; plain C only with the fused steps."""
    content = network.file(output)
    inputs = drawn_inputs(network.shape(network.input))
    with TemporaryDirectory() as name:
        folder = Path(name)
        wanted = expected(content, inputs, folder)
        for fuse in (True, False):
            sources = generate(content, "made", fuse)
            for kernel in kernels or [each.name for each in KERNELS if each.name not in {*ELSEWHERE, *ABSENT}]:
                library = compiled(
                    sources, folder, f"-DEDGEFER_KERNEL=EDGEFER_{kernel.upper()}", *flags, f"-DFUSED={fuse:d}"
                )
                given = answers(library, inputs, wanted.shape[1])
                if given is None:
                    ABSENT.add(kernel)
                else:
                    np.testing.assert_array_equal(given, wanted, f"{kernel}, fused: {fuse}")


@st.composite
def made_networks(draw: st.DrawFn) -> tuple[MadeNetwork, int]:
    """A stem, some blocks of all the operators, and a head."""
    side = draw(st.integers(9, 14))
    network = MadeNetwork((1, side, side + draw(st.integers(0, 2)), 3), draw(st.integers(0, 999)))
    stride, padding = draw(st.sampled_from([1, 2])), draw(st.sampled_from([SAME, VALID]))
    x = network.conv(
        network.input, draw(st.sampled_from([5, 8, 16])), (3, 3), stride, padding, draw(st.sampled_from([0, 1]))
    )
    for _ in range(draw(st.integers(1, 3))):
        x = draw(st.sampled_from(BLOCKS))(network, x, draw)
    if draw(st.booleans()):
        _, height, width, channels = network.shape(x)
        x = network.reshape(network.transpose(x, (0, 3, 1, 2)), (1, height * width * channels))
        return network, network.softmax(network.connect(x, 7))
    return network, network.softmax(network.connect(network.mean(x), draw(st.integers(3, 9))))


def expansion(network: MadeNetwork, x: int, draw: st.DrawFn) -> int:
    """What is fused: an expansion, a depthwise layer, padded by itself or not, and a projection."""
    stride, padded = draw(st.sampled_from([1, 2])), draw(st.booleans())
    y = network.conv(x, draw(st.sampled_from([8, 16, 24, 48])), draw(st.sampled_from([(1, 1), (3, 3)])), activation=1)
    y = network.pad(y, 1, 1, 1, 1) if padded else y
    y = network.depthwise(y, (3, 3), stride, VALID if padded else SAME, draw(st.sampled_from([0, 1, 3])))
    y = network.conv(y, draw(st.sampled_from([network.shape(x)[3], 8, 12])), (1, 1))
    return network.add(y, x) if network.shape(y) == network.shape(x) else y


def window(network: MadeNetwork, x: int, draw: st.DrawFn) -> int:
    size, stride = draw(st.sampled_from([(1, 3), (3, 2), (5, 5)])), draw(st.sampled_from([1, 2]))
    if draw(st.booleans()):
        return network.depthwise(x, size, stride, SAME, draw(st.sampled_from([0, 1])))
    return network.conv(x, draw(st.sampled_from([6, 8, 20])), size, stride, SAME, draw(st.sampled_from([0, 3])))


def pool(network: MadeNetwork, x: int, draw: st.DrawFn) -> int:
    if min(network.shape(x)[1:3]) < 3:
        return x
    return network.max_pool(
        x, draw(st.sampled_from([2, 3])), draw(st.sampled_from([1, 2])), draw(st.sampled_from([SAME, VALID]))
    )


def attention(network: MadeNetwork, x: int, _: st.DrawFn) -> int:
    return network.attention(x)


def joined(network: MadeNetwork, x: int, draw: st.DrawFn) -> int:
    return network.concatenate([x, network.max_pool(x, 3, 1, SAME)], draw(st.sampled_from([1, 2, 3])))


BLOCKS = (expansion, expansion, window, pool, attention, joined)


@settings(
    max_examples=4, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(made_networks())
def test_made_networks_answer_like_litert(made: tuple[MadeNetwork, int]) -> None:
    check(*made, "-O1")


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))  # so that processes share the longest test
@settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(made=made_networks())
def test_many_made_networks_answer_like_litert(part: int, made: tuple[MadeNetwork, int]) -> None:
    check(*made, "-O1")


@pytest.mark.parametrize("width", [5, 6, 9, 11, 12, 17, 22])
def test_rows_of_any_length_answer_like_litert(width: int) -> None:
    network = MadeNetwork((1, 6, width, 3), width)
    x = network.conv(network.input, 16, (3, 3), 1, SAME, 1)
    y = network.depthwise(network.conv(x, 48, (1, 1), activation=1), (3, 3), 1, SAME, 1)
    x = network.attention(network.add(network.conv(y, 16, (1, 1)), x))
    y = network.conv(network.depthwise(network.conv(x, 40, (1, 1), activation=1), (3, 3), 2, SAME, 1), 24, (1, 1))
    x = network.conv(network.attention(network.conv(y, 8, (3, 3), 1, SAME)), 20, (3, 3), 1, SAME)
    check(network, network.softmax(network.connect(network.mean(x), 7)), "-O1", kernels=("avx512",))


def test_the_source_does_not_depend_on_names() -> None:
    network = MadeNetwork((1, 8, 8, 3))
    output = network.softmax(network.connect(network.mean(network.conv(network.input, 8, (3, 3))), 3))
    named = generate(network.file(output), "made")
    for tensor in network._tensors:
        tensor.name = None
    assert generate(network.file(output), "made") == named


def refused_networks() -> Iterator[tuple[str, bytes]]:
    network = MadeNetwork((1, 8, 8, 3))
    yield "RELU", network.file(network.unary("RELU", network.input))
    network = MadeNetwork((1, 8, 8, 3))
    yield "ABS", network.file(network.unary("ABS", network.input))
    network = MadeNetwork((2, 8, 8, 3))
    yield "batch 1", network.file(network.conv(network.input, 8, (3, 3)))
    network = MadeNetwork((1, 8, 8, 3))
    other = network.concatenate([network.input, network.conv(network.input, 3, (1, 1))], 3)  # of the first one's scale
    yield "CONCATENATION that changes its scale", network.file(other)
    for axis in (0, 1):
        network = MadeNetwork((1, 1, 8, 8, 3))
        yield "CONCATENATION of batches", network.file(network.concatenate([network.input], axis))
    network = MadeNetwork((1, 1, 8, 8, 3))
    yield "PAD of the shape", network.file(network.pad(network.input, 1, 1, 1, 1))
    network = MadeNetwork((1, 1, 8, 3))
    yield "TRANSPOSE of the shape", network.file(network.transpose(network.input, (1, 0, 2, 3)))


@pytest.mark.parametrize(("word", "content"), refused_networks(), ids=lambda each: str(each)[:8])
def test_what_there_is_no_template_for_is_refused_by_name(word: str, content: bytes) -> None:
    with pytest.raises(ExportFailed, match=word):
        generate(content, "made")


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\0\0\0TFL3" + bytes(40), b"\xff" * 100])
def test_what_is_no_tflite_file_is_refused(content: bytes) -> None:
    with pytest.raises(ExportFailed, match="TFLite file"):
        generate(content, "made")
