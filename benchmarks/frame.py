"""What a frame of edgefer's bench holds besides the engine's own inference: a record and its table.

    python benchmarks/frame.py --dist dist --blocks 60

One process an engine and bundle, one thread. Blocks of frames as `edgefer bench` times them (the input copied in, one
inference, the output copied out as a new array) stand in turn with blocks of the engine's inference alone, on tensors
that are set once:

- OpenVINO: `ov_infer_request_infer` through ctypes. By the clock of OpenVINO's Python module, `InferRequest.latency`,
  which the C API has not, an inference took as long to 1 %
- ONNX Runtime: `run_with_iobinding`
- LiteRT: `Interpreter.invoke`
- ncnn: an extractor, its input and output by name, as benchncnn does
- C: the call through ctypes with addresses that are known

Each figure is a ratio of percentiles over all frames of all blocks: the 10th, which other processes disturb little, and
the median. `benchmarks/bench.py` compares with the engines' own programs, which run in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.benchmark.workload import open_workload
from edgefer.runtime import machine, records, sampling, shell
from edgefer.runtime.contract import to_input, to_pixels
from edgefer.runtime.golden import golden_picture
from edgefer.runtime.terminal_table import markdown
from edgefer.runtime.verify import open_model

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "results" / "frame.json", HERE / "tables" / "frame.md"
BUNDLES = tuple(
    f"ean.{name}"
    for name in (
        "openvino-fp32",
        "openvino-int8",
        "onnx-fp32",
        "onnx-int8",
        "tflite-fp32",
        "tflite-int8",
        "ncnn-fp32",
        "ncnn-int8",
        "c-int8",
    )
)
FRAMES, WARM = 100, 20  # of a block
Alone = Callable[[], Any]


def alone(model: Any, given: Any, kind: str) -> Alone:
    """The engine's inference alone."""
    model.run(given)  # sets the input
    if kind == "openvino":
        from edgefer.runtime.engines.openvino_library import infer

        return lambda: infer(model._request)
    if kind == "onnx":
        return lambda: model._session.run_with_iobinding(model._binding)
    if kind == "tflite":
        invoke: Alone = model._interpreter.invoke
        return invoke
    if kind == "c":
        return lambda: model._call(*model._addresses)
    import ncnn

    tensor = ncnn.Mat(given[0]).clone()

    def extract() -> Any:
        extractor = model._net.create_extractor()
        extractor.input(model.input.name, tensor)
        return extractor.extract(model.output.name)

    return extract


def measure(folder: Path, blocks: int) -> dict[str, Any]:
    """Nanoseconds of each frame, both ways; to be called in a fresh process."""
    bundle = open_workload(folder).bundle
    assert bundle is not None
    model, agreed = open_model(bundle).unchecked, bundle.manifest.contract
    given = to_input(to_pixels(golden_picture()[None], agreed), agreed)
    bare = alone(model, given, bundle.manifest.format)
    times: dict[str, list[int]] = {"frame": [], "alone": []}
    before = machine.state()
    with sampling.undisturbed():
        for _ in range(blocks):
            for name, step in (("frame", lambda: model.run(given)), ("alone", bare)):
                for number in range(WARM + FRAMES):
                    began = time.perf_counter_ns()
                    step()
                    taken = time.perf_counter_ns() - began
                    if number >= WARM:
                        times[name].append(taken)
    busy = [str(each) for each in machine.warnings_between(before, machine.state(), machine.describe().cores)]
    percentiles = {name: np.percentile(taken, (10, 50)) for name, taken in times.items()}
    low, middle = (percentiles["frame"] / percentiles["alone"]).tolist()
    seconds = {name: [value / 1e9 for value in each] for name, each in percentiles.items()}
    figures = {"engine": model.engine, "frames": blocks * FRAMES, "low": low, "median": middle, "seconds": seconds}
    return figures | {"busy": busy}


def collect(dist: Path, blocks: int) -> dict[str, Any]:
    """A row for each bundle, each in a fresh process."""
    rows = {}
    for name in BUNDLES:
        line = [sys.executable, __file__, "--dist", str(dist), "--blocks", str(blocks), "--only", name]
        done = shell.run(line, environment=shell.environment())
        if done.code:
            raise SystemExit(f"{name} failed:\n{done.err}")
        rows[name] = json.loads(done.out)
        print(name, rows[name], flush=True)
    return {"rows": rows, "environment": records.plain(machine.describe_environment(("numpy",), 1))}


def render(record: dict[str, Any]) -> str:
    """The table, as Markdown."""
    rows = [
        (name, row["engine"], f"{100 * (row['low'] - 1):+.1f} %", f"{100 * (row['median'] - 1):+.1f} %")
        for name, row in record["rows"].items()
    ]
    table = markdown(("bundle", "engine", "added, 10th percentile", "added, median"), rows)
    busy = ((name, line) for name, row in record["rows"].items() for line in row["busy"])
    notes = "".join(f" {name}: {line}." for name, line in busy)
    return (
        "# What a frame holds besides the inference\n\nGenerated by `python benchmarks/frame.py`; not edited by hand. "
        "A frame of `edgefer bench` is: the input copied into the engine's tensor, one inference, the output copied "
        "out as a new array. Beside it, in turn in one process, the engine's inference alone.\n\n"
        f"{table}\n\n{record['environment']['cpu']}, one thread, {FRAMES} frames a block.{notes}\n"
    )


def main() -> None:
    """Measure, and write the record and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, default=Path("dist"), help="a folder with EAN's bundles")
    parser.add_argument("--blocks", type=int, default=60)
    parser.add_argument("--only", help="measure this bundle in this process, and print its row")
    options = parser.parse_args()
    if options.only is not None:
        print(json.dumps(measure(options.dist / options.only, options.blocks)))
        return
    RESULT.write_text(json.dumps(collect(options.dist, options.blocks), indent=2) + "\n")
    TABLE.write_text(render(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
