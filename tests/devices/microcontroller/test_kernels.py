"""The kernels for Cortex-M on emulated processors: LiteRT's bytes for made networks, with and without chains."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from edgefer.devices import config
from edgefer.devices.microcontroller import firmware
from edgefer.devices.microcontroller.firmware import Firmware
from edgefer.runtime.c.generate import generate
from edgefer.runtime.contract import TensorSpec
from edgefer.runtime.engines.c import Network
from tests.runtime.c.made_tflite import MadeNetwork
from tests.runtime.c.test_engine import network
from tests.runtime.c.test_generate import drawn_inputs, expected, made_networks

pytestmark = pytest.mark.skipif(firmware.lacking() is not None, reason=str(firmware.lacking()))
CASES = [("cortex-m4-emulated", "dsp"), ("cortex-m55-emulated", "mve")]


def check(name: str, kernel: str, made: tuple[MadeNetwork, int], folder: Path, *fuse: bool) -> None:
    """The firmware of a made network beside LiteRT; its arena is all the memory that it needs."""
    network, output = made
    content, inputs = network.file(output), drawn_inputs(network.shape(network.input))
    wanted = expected(content, inputs, folder)
    shapes = network.shape(network.input), (1, wanted.shape[1])
    given, returned = (TensorSpec("made", shape, "int8", 1.0, 0) for shape in shapes)
    for fused in fuse:
        sources = generate(content, "made", fused)
        row = config.microcontrollers()[name]
        image = firmware.compiled(Network(sources, "made", given, returned), row, "made")
        ran = Firmware("made", row, image, 0, given, returned).run_all(inputs)
        assert ran.kernel == kernel
        np.testing.assert_array_equal(ran.outputs, wanted, f"{kernel}, fused: {fused}")


@pytest.mark.parametrize(("name", "kernel"), CASES)
@settings(
    max_examples=2, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@hypothesis.given(made=made_networks())
def test_made_networks_answer_like_litert(
    name: str, kernel: str, made: tuple[MadeNetwork, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(name, kernel, made, tmp_path_factory.mktemp("made"), True)


@pytest.mark.long
@pytest.mark.parametrize(("name", "kernel"), CASES)
@settings(max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@hypothesis.given(made=made_networks())
def test_many_made_networks_answer_like_litert(
    name: str, kernel: str, made: tuple[MadeNetwork, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    check(name, kernel, made, tmp_path_factory.mktemp("made"), True, False)


@pytest.mark.parametrize("shift", [1, 2])
@pytest.mark.parametrize(("name", "kernel"), CASES)
def test_the_memory_may_begin_anywhere(
    name: str, kernel: str, shift: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frame, scores and arena of the firmware begin `shift` bytes behind a boundary."""
    start = firmware.START.read_text(encoding="utf-8")
    for size in ("arena[ARENA + BEHIND]", "input[INPUT]", "output[OUTPUT]"):
        memory, _, rest = size.partition("[")
        assert start.count(size) == 1
        start = start.replace(size, f"whole_{memory}[{shift} + {rest} __attribute__((aligned(16)))")
        start = start.replace("extern uint32_t", f"#define {memory} (whole_{memory} + {shift})\nextern uint32_t", 1)
    (tmp_path / firmware.START.name).write_text(start)
    monkeypatch.setattr(firmware, "START", tmp_path / firmware.START.name)
    check(name, kernel, network(), tmp_path, True)
