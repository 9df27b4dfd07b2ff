"""The checked call: what is too small, missing or for another processor has a code, and nothing is written."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefer.runtime.c.generate import HEADER, KERNELS, SOURCE, generate
from tests.compilers import lacking
from tests.runtime.c.test_engine import network
from tests.runtime.c.test_generate import ELSEWHERE, compiled, drawn_inputs, require_compiler

pytestmark = pytest.mark.skipif(lacking() is not None, reason=str(lacking()))
OK, BAD_INPUT, BAD_OUTPUT, BAD_ARENA, NO_KERNEL = range(5)  # as in header.h
INPUT, OUTPUT = 13 * 11 * 3, 7
USER = """#include "made.h"
#include "other.h"
int main(void) {
  static uint8_t arena[EDGEFER_MADE_ARENA + EDGEFER_OTHER_ARENA];
  static int8_t input[EDGEFER_MADE_INPUT], output[EDGEFER_OTHER_OUTPUT];
  int error = edgefer_made_checked(input, sizeof input, output, sizeof output, arena, sizeof arena);
  return error == EDGEFER_OK ? edgefer_other_checked(input, sizeof input, output, sizeof output, 0, 0) : error;
}
"""


@pytest.fixture(scope="module")
def sources() -> dict[str, bytes]:
    made, output = network()
    return generate(made.file(output), "made")


@pytest.fixture(scope="module")
def library(sources: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compiled(sources, tmp_path_factory.mktemp("checked"), "-O1")


def call(library: ctypes.CDLL, *words: tuple[int | None, int]) -> int:
    """The checked call with an address and a number of bytes for each of input, output and arena."""
    function = library.edgefer_made_checked
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t] * 3
    return int(function(*(word for pair in words for word in pair)))


def memory(library: ctypes.CDLL) -> dict[str, NDArray[Any]]:
    """An input, and an output and an arena that show what is written to them."""
    made = drawn_inputs((1, 13, 11, 3))[2].ravel()
    return {"input": made, "output": np.full(OUTPUT, 77, np.int8), "arena": np.full(arena_of(library), 85, np.uint8)}


def arena_of(library: ctypes.CDLL) -> int:
    return int(library.edgefer_made_arena())


@pytest.mark.parametrize(
    ("name", "bytes_more", "code"),
    [
        ("input", -1, BAD_INPUT),
        ("input", 1, BAD_INPUT),  # a picture of another size
        ("input", None, BAD_INPUT),
        ("output", -1, BAD_OUTPUT),
        ("output", None, BAD_OUTPUT),
        ("arena", -1, BAD_ARENA),
        ("arena", None, BAD_ARENA),
    ],
)
def test_what_is_wrong_has_a_code_and_nothing_is_written(
    name: str, bytes_more: int | None, code: int, library: ctypes.CDLL
) -> None:
    given = memory(library)
    words: dict[str, tuple[int | None, int]] = {key: (each.ctypes.data, each.size) for key, each in given.items()}
    address, size = words[name]
    words[name] = (None, size) if bytes_more is None else (address, size + bytes_more)
    assert call(library, *words.values()) == code
    assert (given["output"] == 77).all() and (given["arena"] == 85).all()


def test_what_is_right_answers_like_the_other_call(library: ctypes.CDLL) -> None:
    given = memory(library)
    library.edgefer_made.argtypes, library.edgefer_made.restype = [ctypes.c_void_p] * 3, None
    library.edgefer_made(*(each.ctypes.data for each in given.values()))
    wanted = given["output"].copy()
    given["output"][:] = 77
    room = {"input": 0, "output": 1, "arena": 1}  # more than it needs is as good
    assert call(library, *((each.ctypes.data, each.size + room[key]) for key, each in given.items())) == OK
    assert given["output"].tolist() == wanted.tolist() and (wanted != 77).any()


def test_kernels_of_another_processor_only_are_no_answer(sources: dict[str, bytes], tmp_path: Path) -> None:
    library = compiled(sources, tmp_path, "-O1", "-DEDGEFER_KERNEL=EDGEFER_MVE")
    given = memory(library)
    assert call(library, *((each.ctypes.data, each.size) for each in given.values())) == NO_KERNEL
    assert (given["output"] == 77).all()


@pytest.mark.parametrize("kernel", [kernel.name for kernel in KERNELS if kernel.name not in ELSEWHERE])
def test_memory_may_begin_anywhere(kernel: str, sources: dict[str, bytes], tmp_path: Path) -> None:
    """Input, output and arena at each address of a line of the cache, the arena of no byte more than it asks for."""
    library = compiled(sources, tmp_path, "-O1", f"-DEDGEFER_KERNEL=EDGEFER_{kernel.upper()}")
    library.edgefer_made_kernel.restype = ctypes.c_char_p
    if library.edgefer_made_kernel() is None:
        pytest.skip(f"this processor has no {kernel}")
    size, answers = arena_of(library), set()
    for shift in range(65):
        arena, output = np.full(size + 129, 85, np.uint8), np.full(OUTPUT + 129, 77, np.int8)
        frame = np.zeros(INPUT + 65, np.int8)
        frame[shift : shift + INPUT] = memory(library)["input"]
        places = [(frame, INPUT), (output, OUTPUT), (arena, size)]
        assert call(library, *((each.ctypes.data + shift, count) for each, count in places)) == OK
        assert (arena[:shift] == 85).all() and (arena[shift + size :] == 85).all()
        assert (output[:shift] == 77).all() and (output[shift + OUTPUT :] == 77).all()
        answers.add(tuple(output[shift : shift + OUTPUT].tolist()))
    assert len(answers) == 1


def test_a_program_may_have_two_networks(sources: dict[str, bytes], tmp_path: Path) -> None:
    made, output = network()
    for name in ("made", "other"):
        written = generate(made.file(output), name)
        (tmp_path / f"{name}.h").write_bytes(written[HEADER])
        (tmp_path / f"{name}.c").write_bytes(written[SOURCE].replace(b'"model.h"', f'"{name}.h"'.encode()))
    (tmp_path / "user.c").write_text(USER)
    flags = ("-O1", "-std=c99", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
    line = [*require_compiler(), *flags, "user.c", "made.c", "other.c", "-o", "user"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([str(tmp_path / "user")], check=False).returncode == BAD_ARENA
