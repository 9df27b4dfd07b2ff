"""A network's WebAssembly in wasmtime, as a page would run it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Instance:
    """An instance of the module; `imports` and `exports` are names."""

    def __init__(self, content: bytes) -> None:
        import wasmtime

        self._store: Any = wasmtime.Store()
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
