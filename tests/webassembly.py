"""A network's WebAssembly in wasmtime, as a page would run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.c import compiler
from edgefer.runtime.c.generate import SOURCE, exports

# What an engine computes whose relaxed dot product takes bytes as unsigned ones: wasmtime's does not, on any processor.
UNSIGNED_DOT = b"""#include <wasm_simd128.h>
static inline v128_t unsigned_dot(v128_t w, v128_t a, v128_t s) {
  v128_t l = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(w), wasm_u16x8_extend_low_u8x16(a));
  v128_t h = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(w), wasm_u16x8_extend_high_u8x16(a));
  return wasm_i32x4_add(s, wasm_i32x4_add(wasm_i32x4_shuffle(l, h, 0, 2, 4, 6), wasm_i32x4_shuffle(l, h, 1, 3, 5, 7)));
}
"""


def exact(sources: Mapping[str, bytes], name: str, kernel: str | None) -> Instance:
    """The network's module with these kernels; those for unsigned bytes with plain instructions as the dot product."""
    given = {**sources, "exports.c": exports(name).encode()}
    if kernel == "relaxed_unsigned":
        text = given[SOURCE].replace(b"#include <wasm_simd128.h>\n", UNSIGNED_DOT)
        given[SOURCE] = text.replace(b"wasm_i32x4_relaxed_dot_i8x16_i7x16_add(", b"unsigned_dot(")
    return Instance(compiler.webassembly(given, kernel).read_bytes())


class Instance:
    """An instance of the module; `imports` and `exports` are names.

    `deterministic`: the relaxed dot product takes bytes as signed ones, exactly; else as is fastest on this processor.
    """

    def __init__(self, content: bytes, deterministic: bool = True) -> None:
        import wasmtime

        config = wasmtime.Config()
        config.wasm_relaxed_simd = True
        config.wasm_relaxed_simd_deterministic = deterministic
        self._store: Any = wasmtime.Store(wasmtime.Engine(config))
        module = wasmtime.Module(self._store.engine, content)
        self.imports, self.exports = ([each.name for each in kind] for kind in (module.imports, module.exports))
        exported = wasmtime.Instance(self._store, module, []).exports(self._store)
        self._memory, self._run = exported["memory"], exported["run"]
        self._input, self._output = (exported[name](self._store) for name in ("input", "output"))

    def run(self, given: NDArray[np.int8], outputs: int) -> NDArray[np.int8]:
        """One inference."""
        self._memory.write(self._store, given.tobytes(), self._input)
        self._run(self._store)
        return np.frombuffer(self._memory.read(self._store, self._output, self._output + outputs), np.int8)
