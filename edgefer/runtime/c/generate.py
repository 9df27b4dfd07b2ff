"""Writes a network as C: `model.c` and `model.h` from an int8 TFLite file, the same text on any machine.

The C is C99 and calls nothing but memcpy and memset, and on 64-bit ARM what tells the processor's features (getauxval,
Apple's sysctlbyname). It gives the answers of LiteRT (XNNPACK on x86) byte for byte,
whichever of its kernels runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgefer.runtime.c.calls import Calls
from edgefer.runtime.c.checks import check
from edgefer.runtime.c.constants import Arrays
from edgefer.runtime.c.modes import (
    LANES,
    MODES,
    PAIRS,
    RELAXED_SIGNED,
    RELAXED_UNSIGNED,
    SIGNED,
    UNSIGNED,
    WORDS,
    Mode,
)
from edgefer.runtime.c.row_calls import RowCalls, chained
from edgefer.runtime.c.steps import shape_of, steps_of
from edgefer.runtime.c.tflite_file import Graph, read
from edgefer.runtime.c.widened_weights import WideCalls
from edgefer.runtime.files import digest_contents

SOURCE, HEADER = "model.c", "model.h"
_KERNELS = Path(__file__).parent / "kernels"
_ALIGNMENT = 64  # bytes; the arena may begin anywhere


@dataclass(frozen=True)
class Kernel:
    """One of the kernels in the C: the name of its file of instructions, and how its activations are stored.

    vectors  files of instructions that several kernels have
    tile     the file of k_tile, or of convolutions that are computed otherwise
    own      files of operators that take the place of those in operators.c
    rows     that of what lies between two fused layers, by default the layout's
    """

    name: str
    mode: Mode
    vectors: tuple[str, ...] = ()
    tile: str = "tile"
    own: tuple[str, ...] = ()
    rows: str = ""

    @property
    def switch(self) -> str:
        """The macro that is 1 where the kernel is compiled."""
        return f"USE_{self.name.upper()}"


NEON_OPERATORS = ("neon_strips", "neon_maps")
PAIRS_OPERATORS = ("pairs_rows", "pairs_depthwise", "pairs_max_pool", "pairs_values")


def relaxed(rule: str, mode: Mode) -> Kernel:
    """That of relaxed SIMD whose dot product takes stored bytes by this rule."""
    return Kernel(
        f"relaxed_{rule}",
        mode,
        vectors=("wasm_vectors", "relaxed_vectors"),
        tile="relaxed_tile",
        own=("relaxed_values",),
        rows="relaxed_rows",
    )


KERNELS = (
    Kernel("avx512", UNSIGNED, own=("avx512_strips", "avx512_values")),
    Kernel("avx2", PAIRS, tile="wide", own=PAIRS_OPERATORS),
    Kernel("sse41", PAIRS, tile="wide", own=PAIRS_OPERATORS),
    Kernel("dotprod", SIGNED, vectors=("neon_vectors",), tile="dotprod_tile", own=NEON_OPERATORS, rows="dotprod_rows"),
    Kernel("neon", SIGNED, vectors=("neon_vectors",), tile="neon_tile", own=NEON_OPERATORS, rows="neon_rows"),
    Kernel("wasm", PAIRS, vectors=("wasm_vectors", "wasm_pairs"), tile="pairs_tile", own=PAIRS_OPERATORS),
    relaxed("unsigned", RELAXED_UNSIGNED),
    relaxed("signed", RELAXED_SIGNED),
    Kernel("mve", LANES, tile=""),
    Kernel("dsp", WORDS, vectors=("scalar",), tile="dsp_tile"),
    Kernel("small", WORDS, vectors=("scalar",), tile="small_tile"),
    Kernel("plain", PAIRS, tile="pairs_tile", own=PAIRS_OPERATORS),
)
RELAXED = tuple(kernel.name for kernel in KERNELS if kernel.mode.relaxed)


def generate(content: bytes, name: str, fuse: bool = True) -> dict[str, bytes]:
    """`model.c` and `model.h` of the function edgefer_<name>; raises ExportFailed for a network that there is no C for.

    `fuse` off leaves the peepholes out: the same answers from one call an operator.
    """
    return write(read(content), name, fuse)


def write(graph: Graph, name: str, fuse: bool = True) -> dict[str, bytes]:
    """What `generate` gives, of a file that has been read."""
    check(graph)
    steps = steps_of(graph, fuse)
    arrays = Arrays()
    rows = chained(graph, steps_of(graph, False), fuse)
    calls = {
        mode.name: RowCalls(graph, rows, mode, arrays)
        if mode.by_rows
        else (WideCalls if mode.widened else Calls)(graph, steps, mode, arrays)
        for mode in MODES
    }
    arenas = {mode.name: calls[mode.name].arena_bytes for mode in MODES}
    identifier = function_name(name)
    values = {
        "NAME": identifier,
        "UPPER": identifier.upper(),
        "ARENA": str(max(arenas.values()) + _ALIGNMENT),
        "WORDS_ARENA": str(arenas[WORDS.name]),
        "LANES_ARENA": str(max(arenas[LANES.name], arenas[WORDS.name])),
        "INPUT": _count(shape_of(graph.tensors[graph.input])),
        "OUTPUT": _count(shape_of(graph.tensors[graph.output])),
        "ALIGNMENT": str(_ALIGNMENT),
    }
    kernels = "\n".join(_kernel(kernel, calls[kernel.mode.name].source) for kernel in KERNELS)
    begin = _fill("begin.c", values).partition("/* COMMON */\n")
    parts = (begin[0], _text("common.c"), begin[2], arrays.source(), kernels, _fill("end.c", values))
    return {SOURCE: "\n".join(parts).encode(), HEADER: _fill("header.h", values).encode()}


@cache
def checksum() -> str:
    """Of the generator's own files: another one may write other C."""
    folder = _KERNELS.parent
    paths = (*folder.glob("*.py"), *_KERNELS.iterdir())
    return digest_contents({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})


def exports(name: str) -> str:
    """C that exports the function edgefer_<name> from WebAssembly, with its input and output."""
    identifier = function_name(name)
    return _fill("exports.c", {"NAME": identifier, "UPPER": identifier.upper()})


def peak_source() -> dict[str, bytes]:
    """C that measures what these kernels could compute at most: `edgefer_peak`, and `edgefer_peak_kernel`."""
    values = {"NAME": "peak", "UPPER": "PEAK", "ALIGNMENT": str(_ALIGNMENT)}
    choice, _, rest = _text("end.c").partition("void edgefer_@NAME@(")
    kernel = "const char *edgefer_@NAME@_kernel(void)" + rest.partition("const char *edgefer_@NAME@_kernel(void)")[2]
    peak = (_KERNELS.parent / "peak.c").read_text(encoding="utf-8")
    parts = (_fill("begin.c", values), choice, peak, re.sub("@NAME@", values["NAME"], kernel))
    return {SOURCE: "\n".join(parts).encode(), HEADER: b""}


def function_name(name: str) -> str:
    """The network's name as C has it."""
    return re.sub(r"\W", "_", name.lower(), flags=re.ASCII)


def _count(shape: tuple[int, int, int]) -> str:
    return str(shape[0] * shape[1] * shape[2])


def _text(name: str) -> str:
    return (_KERNELS / name).read_text(encoding="utf-8")


def _fill(name: str, values: dict[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda found: values[found[1]], _text(name))


def _kernel(kernel: Kernel, calls: str) -> str:
    """One kernel's instructions, operators and the network's calls, their names with the kernel's instead of `k`."""
    layout = kernel.mode.layout
    parts = (
        kernel.name,
        *kernel.vectors,
        f"{layout}_weights",
        kernel.tile,
        *kernel.own,
        kernel.rows or layout,
        "operators",
        "rows" if kernel.mode.by_rows else "",
    )
    text = "\n".join(_text(f"{part}.c") for part in parts if part) + calls
    upper = kernel.name.upper()
    renamed = re.sub(r"\bk_", f"{kernel.name}_", re.sub(r"\bK_", f"{upper}_", text))
    return f"#if {kernel.switch}\n{renamed}#endif\n"
