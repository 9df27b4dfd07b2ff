"""What int8 does to a network's answers, by the method of its ranges: a record and its table.

    python benchmarks/calibrations.py --arch ean --data fer2013.csv

Each engine's int8 bundle is built with each method from faces of Training, and answers the faces of each split, one at
a time. Choose a method by Training and PublicTest; PrivateTest is reported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgefer.arch import get_arch
from edgefer.runtime import machine, records
from edgefer.runtime.errors import AccuracyDropped
from edgefer.runtime.terminal_table import markdown
from edgefer.training.weights import load_trained_model

HERE = Path(__file__).parent
EDGEFER = [sys.executable, "-c", "from edgefer.cli import main; main()"]
TARGETS = ("tflite-int8", "onnx-int8", "openvino-int8", "ncnn-int8")
METHODS = ("mse", "percentile")
SPLITS = ("Training", "PublicTest", "PrivateTest")
PACKAGES = ("edgefer", "torch", "ai-edge-litert", "ai-edge-quantizer", "onnxruntime", "openvino", "ncnn")


def measure(arch: str, data: Path, methods: tuple[str, ...]) -> dict[str, Any]:
    """Build and verify; the record that `render` reads. A loss of accuracy is a result here, no failure."""
    rows = []
    for method in methods:
        with tempfile.TemporaryDirectory() as folder:
            asked = [word for name in TARGETS for word in ("--target", name)]
            given = ["--calibration", str(data), "--calibration-method", method, "--out", folder, "--json"]
            bundles = [built["folder"] for built in _json("build", "--arch", arch, *asked, *given)]
            for split in SPLITS:
                for check in _json("verify", *bundles, "--data", str(data), "--split", split, "--json"):
                    accuracy = check["accuracy"]
                    rows.append(
                        {
                            "method": method,
                            "split": split,
                            "target": check["bundle"].removeprefix(f"{arch}."),
                            "images": accuracy["artifact"]["images"],
                            "float": accuracy["exact"]["accuracy"],
                            "drop": accuracy["drop"],
                            "agreement": accuracy["agreement"],
                        }
                    )
                    print(rows[-1], flush=True)
    return {
        "schema": "edgefer/calibrations/1",
        "arch": arch,
        "weights_sha256": load_trained_model(get_arch(arch), None).sha256,
        "environment": records.plain(machine.describe_environment(PACKAGES, 2)),
        "rows": rows,
    }


def _json(*words: str) -> Any:
    ran = subprocess.run([*EDGEFER, *words], stdout=subprocess.PIPE, check=False)
    if ran.returncode not in (0, AccuracyDropped.exit_code):
        raise SystemExit(f"edgefer {words[0]} ended with exit code {ran.returncode}")
    return json.loads(ran.stdout)


def render(record: dict[str, Any]) -> str:
    """The page of benchmarks/tables."""
    rows = record["rows"]
    keys = [(split, method) for split in SPLITS for method in dict.fromkeys(row["method"] for row in rows)]
    cell = {(row["split"], row["method"], row["target"]): row for row in rows}
    images = {row["split"]: row["images"] for row in rows}

    def page(figure: str, form: str) -> str:
        lines = [
            (
                f"{split}, {images[split]:,} faces",
                method,
                *(form.format(cell[split, method, t][figure]) for t in TARGETS),
            )
            for split, method in keys
        ]
        return markdown(("faces", "ranges by", *TARGETS), lines)

    arch, where = record["arch"], record["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items())
    return "\n\n".join(
        (
            f"# {arch}: int8 by the method of its ranges",
            f"Written by `python benchmarks/calibrations.py --arch {arch}`. Ranges are from faces of Training; weights "
            f"{record['weights_sha256'][:12]}. PrivateTest is reported beside the two that a choice may look at.",
            "## Answers equal to the float network's, in percent",
            page("agreement", "{:.2f}"),
            "## Points of accuracy lost",
            page("drop", "{:+.2f}"),
            f"{where['cpu']}, {where['system']}, Python {where['python']}; {packages}.\n",
        )
    )


def main() -> None:
    """Measure (with --data) and render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="ean")
    parser.add_argument("--data", type=Path, help="fer2013.csv; without it only the table is rendered again")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    given = parser.parse_args()
    result = HERE / "results" / f"{given.arch}-calibrations.json"
    if given.data is not None:
        result.write_text(json.dumps(measure(given.arch, given.data, tuple(given.methods)), indent=2) + "\n")
    (HERE / "tables" / f"{given.arch}-calibrations.md").write_text(render(json.loads(result.read_text())))


if __name__ == "__main__":
    main()
