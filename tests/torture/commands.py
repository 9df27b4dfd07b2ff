"""The commands that are killed, each where an earlier result of it lies."""

from __future__ import annotations

from pathlib import Path

from edgefer.cli import main as _main  # noqa: F401 - imported once, before processes are forked
from edgefer.runtime.golden import golden_png
from tests.made import write_csv
from tests.torture.faults import Command, run

NETWORK = "microexpnet-xxs"  # the smallest
BUNDLE = f"dist/{NETWORK}.onnx-fp32"
_TFLITE = f"dist/{NETWORK}.tflite-fp32"


def _ran(folder: Path, *arguments: str) -> None:
    done = run(arguments, folder)
    assert done.code == 0, done


def _build(folder: Path, target: str = "onnx-fp32") -> None:
    _ran(folder, "build", "--arch", NETWORK, "--target", target, "--out", "dist")


def _faces(folder: Path) -> None:
    write_csv(folder / "faces.csv", {"Training": 2, "PublicTest": 1, "PrivateTest": 1})


def _picture(folder: Path) -> None:
    _build(folder)
    (folder / "face.png").write_bytes(golden_png())


_TRAIN = ("train", "--arch", NETWORK, "--data", "faces.csv", "--out", "out", "--epochs", "2", "--threads", "1")
_SWEEP = ("sweep", "--arch", NETWORK, "--epochs", "1", "--data", "faces.csv", "--threads", "1", "--out", "sweeps")
_BENCH = ("bench", BUNDLE, "--processes", "1", "--samples", "3", "--no-instructions", "--out", "bench.json")
COMMANDS: dict[str, Command] = {
    "build": Command(("build", "--arch", NETWORK, "--target", "onnx-fp32", "--out", "dist"), _build),
    "train": Command(_TRAIN, _faces),
    "bench": Command((*_BENCH, "--markdown", "bench.md", "--csv", "bench.csv"), _build),
    "sweep": Command((*_SWEEP, "--grid", "lr=0.01,0.02"), _faces, (*_SWEEP, "--grid", "lr=0.01")),
    "tables": Command(("tables", "ean-5", "--markdown", "ean-5.md", "--csv", "ean-5.csv"), lambda folder: None),
    "predict": Command(("predict", "face.png", "--bundle", BUNDLE, "--detector", "none", "--out", "drawn"), _picture),
    "app": Command(("app", "android", _TFLITE, "--out", "module"), lambda folder: _build(folder, "tflite-fp32")),
}
