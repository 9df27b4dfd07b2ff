"""ncnn's param and bin, on the CPU or through Vulkan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from edgefer.runtime.contract import Layout, TensorSpec

# By default ncnn stores and computes in half precision where the processor can: fast, but not what
# the file says. Int8 layers compute in int8 whatever these are.
EXACT = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_vulkan_compute",
)
VULKAN = "vulkan"


class NcnnModel:
    """See runtime.Model."""

    engine = f"ncnn {ncnn.__version__}"
    layout: Layout = "NCHW"

    def __init__(self, path: Path, threads: int, provider: str | None = None) -> None:
        self._net = ncnn.Net()
        self._net.opt.num_threads = threads
        for name in EXACT:
            # Older versions lack some; setting an option that is not there is an error.
            if hasattr(self._net.opt, name):
                setattr(self._net.opt, name, False)
        if provider == VULKAN:
            from edgefer.runtime.engines import vulkan

            self.gpu = vulkan.start(self._net)
        if self._net.load_param(str(path)) or self._net.load_model(str(path.with_suffix(".bin"))):
            raise RuntimeError("not a model that this ncnn can load")
        shape = _input_shape(path)
        self.input = TensorSpec(self._net.input_names()[0], shape, "float32")
        self.output = TensorSpec(self._net.output_names()[0], (), "float32")
        # The files don't tell the output's shape.
        returned = self.run(np.zeros(shape, np.float32)).shape
        self.output = TensorSpec(self.output.name, tuple(int(n) for n in returned), "float32")
        if provider == VULKAN:
            self.provider, self.notes = vulkan.told(self._net, self.gpu)

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """One inference; ncnn has no batch dimension, the array that comes back has. The result is a copy."""
        extractor = self._net.create_extractor()
        # A copy: on the array itself ncnn may compute in place, and crashes where its channels aren't aligned.
        extractor.input(self.input.name, ncnn.Mat(given[0]).clone())
        code, returned = extractor.extract(self.output.name)
        if code:
            raise RuntimeError(f"ncnn's inference failed with {code}")
        result: NDArray[Any] = np.array(returned)[None]
        return result


def _input_shape(path: Path) -> tuple[int, int, int, int]:
    """(1, channels, height, width) as the Input line of a param file has them."""
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, words = line.partition(" ")
        if kind == "Input":
            sizes = dict(word.split("=", 1) for word in words.split() if "=" in word)
            return 1, int(sizes["2"]), int(sizes["1"]), int(sizes["0"])
    raise ValueError("the param file has no Input line")


def load(path: Path, threads: int, provider: str | None = None) -> NcnnModel:
    """Open a .param file with the .bin beside it; raises NoGpu if Vulkan is asked for and finds none."""
    return NcnnModel(path, threads, provider)
