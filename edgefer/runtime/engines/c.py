"""Networks as C, compiled here and called through ctypes.

No code runs because a bundle brought it: the C is generated again from the TFLite file beside it, by edgefer's own
generator, and that is what is compiled. A bundle whose C is another one is refused. That it is the same is kept in the
cache, by a checksum of the generator and all that it was given and wrote, so that it is generated once. For a board its
host does all that.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime import files
from edgefer.runtime.c import compiler
from edgefer.runtime.c.board_libraries import VARIABLE, compile_for_boards, find_compiled
from edgefer.runtime.c.compiler import find_compiler, library
from edgefer.runtime.c.generate import HEADER, KERNELS, RELAXED, SOURCE, checksum, exports, write
from edgefer.runtime.c.tflite_file import Graph, Tensor, read
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.errors import BrokenBundle, NotSetUp, OutputFailed, UnknownName
from edgefer.runtime.process import library_errors

KERNEL = "EDGEFER_KERNEL"  # of the environment: the kernels to use, instead of the fastest that the processor has
_DECLARED = re.compile(rb"^void edgefer_(\w{1,100})\(", re.MULTILINE)


class CModel:
    """See runtime.Model."""

    layout: Layout = "NHWC"

    def __init__(self, path: Path) -> None:
        content = path.with_suffix(".tflite").read_bytes()
        graph = read(content)
        self.input, self.output = _specs(graph)
        made, name, forced, made_by = _library(path, content, graph)
        loaded = ctypes.CDLL(str(made))
        self.provider = f"{_kernel(loaded, name, forced)} kernels"
        self.engine = f"C {made_by}"
        self.arena = int(loaded[f"edgefer_{name}_arena"]())
        self._call = loaded[f"edgefer_{name}"]
        self._call.argtypes, self._call.restype = [ctypes.c_void_p] * 3, None
        self._arena = np.empty(self.arena, np.uint8)
        self._given, self._returned = np.zeros(self.input.shape, np.int8), np.zeros(self.output.shape, np.int8)
        # Their addresses once: numpy takes a microsecond to tell one.
        self._addresses = [each.ctypes.data for each in (self._given, self._returned, self._arena)]

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; the result is a new array."""
        if given.shape != self.input.shape:  # it would be repeated until it fits
            raise ValueError(f"an input of {given.shape}, the network takes {self.input.shape}")
        self._given[...] = given
        self._call(*self._addresses)
        return self._returned.copy()


@dataclass(frozen=True)
class Network:
    """A network's C, generated here; its function is edgefer_<name>."""

    sources: dict[str, bytes]
    name: str
    input: TensorSpec
    output: TensorSpec


def read_network(path: Path) -> Network:
    """The C of the TFLite file beside `path`, model.c; raises ValueError if the folder has other C."""
    content = path.with_suffix(".tflite").read_bytes()
    graph = read(content)
    return Network(*_generated(path, content, graph), *_specs(graph))


def _library(path: Path, content: bytes, graph: Graph) -> tuple[Path, str, str | None, str]:
    """The library, the network's name in it, kernels that were forced, and what compiled it."""
    folder = os.environ.get(VARIABLE)
    if folder:
        brought, name = _brought(path)
        made, network = find_compiled(Path(folder), brought)
        return made, name, network.kernel, network.compiler
    sources, name = _generated(path, content, graph)
    forced = _forced()
    return library(sources, forced), name, forced, find_compiler().title


def for_boards(path: Path, machines: tuple[str, ...]) -> dict[str, bytes]:
    """What a board gets besides a bundle, by the names in the folder of VARIABLE; raises what compiling raises.

    Raises BrokenBundle for a bundle whose C is not what is generated from its TFLite file.
    """
    with library_errors(lambda reason: BrokenBundle(f"no library can be made of {path.parent} ({reason}).")):
        return compile_for_boards(read_network(path).sources, _forced(), machines)


def _brought(path: Path) -> tuple[dict[str, bytes], str]:
    """The bundle's C and the network's name in it; raises ValueError if it names none."""
    brought = {name: (path.parent / name).read_bytes() for name in (SOURCE, HEADER)}
    declared = _DECLARED.search(brought[HEADER])
    if declared is None:
        raise ValueError(f"{HEADER} declares no function of edgefer's")
    return brought, declared[1].decode()


def _generated(path: Path, content: bytes, graph: Graph) -> tuple[dict[str, bytes], str]:
    """The C of the TFLite file and its function's name; raises ValueError if the folder has other C."""
    brought, name = _brought(path)
    given = {**brought, path.with_suffix(".tflite").name: content}
    seen = files.cache_folder() / "c-generated" / files.digest_contents(given, checksum(), name)
    if seen.is_file():
        return brought, name
    sources = write(graph, name)
    for file, text in sources.items():
        if brought[file] != text:
            raise ValueError(
                f"{file} is not what this edgefer generates from {path.with_suffix('.tflite').name}; it is not run"
            )
    with contextlib.suppress(OutputFailed):  # a cache that can't be written costs time only
        files.write_atomic(seen, b"", durable=False)
    return sources, name


def _forced() -> str | None:
    """The kernels of the environment's variable; raises UnknownName for others than there are."""
    forced = os.environ.get(KERNEL) or None
    if forced is not None and forced not in (names := [kernel.name for kernel in KERNELS]):
        raise UnknownName.of(f"kernel of the variable {KERNEL}", forced, names)
    return forced


def _kernel(loaded: ctypes.CDLL, name: str, forced: str | None) -> str:
    """The kernels that run here; raises NotSetUp if there are none, which only a forced one can bring about."""
    ask = loaded[f"edgefer_{name}_kernel"]
    ask.restype = ctypes.c_char_p
    kernel = ask()
    if kernel is None:
        raise NotSetUp(f"this processor has not what the kernels {forced} of {KERNEL} need: take that variable away.")
    return str(kernel.decode())


def _specs(graph: Graph) -> tuple[TensorSpec, TensorSpec]:
    given, returned = (graph.tensors[index] for index in (graph.input, graph.output))
    return _spec("input", given), _spec("output", returned)


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    return TensorSpec(name, tensor.shape, "int8", float(tensor.scales[0]), tensor.zero_point)


def webassembly(path: Path, kernel: str | None = None) -> bytes:
    """The network of model.c as WebAssembly, compiled here; raises what `load` does, MissingEngine without zig.

    `kernel` is that of relaxed SIMD which is in it instead of the one for every browser.
    """
    network = read_network(path)
    sources = network.sources | {"exports.c": exports(network.name).encode()}
    return compiler.webassembly(sources, kernel).read_bytes()


def webassembly_modules(path: Path) -> dict[str, bytes]:
    """The modules of which a page loads the fastest that is exact in its browser, by the ends of their names."""
    return {f"{kernel and '.'}{kernel}.wasm": webassembly(path, kernel or None) for kernel in ("", *RELAXED)}


def load(path: Path, threads: int) -> CModel:  # noqa: ARG001 - the C runs in the thread that calls it
    """Open model.c, with model.h and model.tflite beside it; raises what compiling raises, NotSetUp and ValueError."""
    return CModel(path)
