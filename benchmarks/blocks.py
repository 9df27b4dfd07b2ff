"""Every made block and head on every target: built and right, or refused in which words; never silently wrong.

    python benchmarks/blocks.py [BLOCK ...]

Each network of made_blocks.py learns to tell drawn pictures apart, for a second or two, is built as a user's own is,
int8 from some of the pictures, and the bundle is shown others. A process a block; a cell is written down as soon as
it is known: started again, the script goes on where it was. `--again` forgets first.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_blocks
import matrix
import numpy as np
from numpy.typing import NDArray

from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import machine, records
from edgefer.runtime.errors import EdgeferError
from edgefer.runtime.files import write_atomic
from edgefer.runtime.terminal_table import markdown

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "blocks.json", HERE / "tables" / "blocks.md"
NAMES = (*made_blocks.HEADS, *made_blocks.BLOCKS)
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
TRAINING, SHOWN = 24, 20  # pictures of each class
STEPS, SURE = 80, 0.1  # of learning, and its label smoothing
# What a bundle may be off its float network on pictures that it was not calibrated on: agreement in percent, root mean
# square of the probabilities. Float ones are exact but for rounding.
MARGIN = 0.02  # between float's first two classes: of closer ones the answer may change, the rms still counts
INT8_LIMITS, FLOAT_LIMITS = (93.0, 0.05), (99.0, 0.01)


def pictures(each: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """uint8 (7 x each, 32, 32, 3) and labels: noise of any brightness with a band whose height tells the label."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(LABELS)), each)
    side = made_blocks.SIDE
    drawn = random.integers(0, 60, (len(labels), side, side, 3)) + random.integers(0, 60, (len(labels), 1, 1, 3))
    for picture, label in zip(drawn, labels, strict=True):
        picture[1 + 4 * label : 7 + 4 * label] += random.integers(60, 136, 3)
    return drawn.astype(np.uint8), labels


def train(name: str) -> Any:
    """The network, taught the drawn pictures."""
    import torch

    network = made_blocks.make(name)
    drawn, labels = pictures(TRAINING, 0)
    faces, expected = torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(STEPS):
        optimizer.zero_grad()
        _loss(name, network(faces), expected).backward()
        optimizer.step()
    return network.eval()


def _loss(name: str, answers: Any, expected: Any) -> Any:
    from torch.nn import functional

    if name == "head-sigmoid":
        return functional.binary_cross_entropy(answers, functional.one_hot(expected, len(LABELS)).float())
    if name == "head-softmax":
        return functional.nll_loss((answers + 1e-6).log(), expected)
    return functional.cross_entropy(answers, expected, label_smoothing=SURE)


def build(name: str, targets: list[str]) -> Iterator[dict[str, Any]]:
    """Build the block for the targets and show each bundle pictures; each cell as soon as it is known."""
    import torch
    from safetensors.torch import save_file

    from edgefer.data.dataset import Dataset
    from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
    from edgefer.pipeline.float_model import FloatModel
    from edgefer.pipeline.user_model import load
    from edgefer.pipeline.user_model.contract_file import ContractFile

    network, (drawn, labels) = train(name), pictures(TRAINING, 1)
    faces = Dataset("drawn pictures", LABELS, drawn, labels, np.zeros_like(labels), np.arange(len(labels)))
    size = f"3x{made_blocks.SIDE}x{made_blocks.SIDE}"
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        kept = {key: value for key, value in network.state_dict().items() if "num_batches" not in key}
        save_file(kept, weights)
        setattr(made_blocks, name, lambda: made_blocks.make(name))
        try:
            arch, trained = load.from_torch(
                f"made_blocks:{name}", weights, ContractFile(name=name, labels=LABELS, input=size)
            )
        except EdgeferError as error:
            yield from ({"target": target, "refused": _words(error)} for target in targets)
            return
        float_model = FloatModel(arch, trained)
        network = float_model.network
        shown = pictures(SHOWN, 2)[0]
        with torch.inference_mode():
            inputs = torch.from_numpy(shown).permute(0, 3, 1, 2).float()
            baseline = torch.cat([network(each[None]) for each in inputs]).numpy()
        for target in targets:
            job = BuildJob(arch, target, get_target(target), trained, CalibrationOptions(faces=faces))
            try:
                built = build_bundle(job, Path(folder) / "dist", float_model=float_model)
            except EdgeferError as error:
                yield {"target": target, "refused": _words(error)}
            else:
                yield {"target": target} | judge(built, shown, baseline)


def judge(bundle: Any, shown: NDArray[np.uint8], baseline: NDArray[np.float32]) -> dict[str, Any]:
    """The cell of a bundle: agreement and distance at one thread and at two; what is wrong, if it is."""
    from edgefer.runtime import engines, verify

    model_contract, path = bundle.manifest.contract, bundle.folder / bundle.manifest.model
    try:
        verify.check_golden(bundle)
        answers = [
            np.concatenate(
                [*engines.run_each(engines.load(path, bundle.manifest.format, threads), shown, model_contract)]
            )
            for threads in (1, 1, 2)
        ]
    except (EdgeferError, RuntimeError, ValueError) as error:
        return {"wrong": f"built, and stops: {' '.join(str(error).split())[:200]}"}
    best = np.sort(baseline, 1)
    sure = best[:, -1] - best[:, -2] >= MARGIN
    agreement = 100 * float((answers[0].argmax(1) == baseline.argmax(1))[sure].mean()) if sure.any() else None
    rms = float(np.sqrt(np.square(answers[0] - baseline).mean()))
    apart = max(float(np.abs(answers[0] - other).max()) for other in answers[1:])
    limits = INT8_LIMITS if bundle.manifest.precision in ("int8", "dynamic") else FLOAT_LIMITS
    cell = {"agreement": None if agreement is None else round(agreement, 1), "rms": round(rms, 4)}
    if not apart <= 0.02:
        return cell | {"wrong": f"built, and its answers differ by {apart:.3f} from run to run or with two threads"}
    if not ((agreement is None or agreement >= limits[0]) and rms <= limits[1]):
        return cell | {"wrong": f"built, and {cell['agreement']} % agree, rms {rms:.3f}"}
    return cell


def _words(error: EdgeferError) -> str:
    """What was said, without where packages are installed here."""
    return re.sub(r"/[^ :]*/site-packages/", "", str(error))


def render(record: dict[str, Any]) -> str:
    """The page of benchmarks/tables."""
    rows = record["blocks"]
    targets = [name for name, target in all_targets().items() if not target.tried]  # those for any network
    cells = [(name, target, cell) for name, row in rows.items() for target, cell in row.items()]
    wrong = [(name, target, cell["wrong"]) for name, target, cell in cells if "wrong" in cell]
    refused = [(name, target, cell["refused"]) for name, target, cell in cells if "refused" in cell]
    lines = [
        "# Every made block and head on every target",
        "",
        f"Written by `python benchmarks/blocks.py` from `results/{RECORD.name}`. Each network is a stem, the block and "
        f"a head, taught {STEPS} steps on drawn pictures; int8 was calibrated on {TRAINING * len(LABELS)} others. A "
        f"cell: percent of {SHOWN * len(LABELS)} further pictures, where float's two likeliest classes are "
        f"{MARGIN} apart, on which the bundle gives the float one's answer, "
        "(unsure: there are none), and the root mean square difference of the probabilities. "
        "Wrong is what was built and is below "
        f"{INT8_LIMITS[0]:.0f} % or above {INT8_LIMITS[1]} (float: {FLOAT_LIMITS[0]:.0f} %, {FLOAT_LIMITS[1]}), stops, "
        "or answers differently with two threads or from run to run.",
        "",
        f"{len(cells) - len(wrong) - len(refused)} of {len(cells)} are built and right, {len(refused)} refused, "
        f"{len(wrong)} wrong.",
        "",
        markdown(("block", *targets), [(n, *(_cell(rows[n].get(t)) for t in targets)) for n in NAMES if n in rows]),
    ]
    for title, found in (("Wrong:", wrong), ("Refused, in these words:", refused)):
        if found:
            lines += ["", title, "", markdown(("block", "targets", "why"), _together(found))]
    return "\n".join(lines) + "\n"


def _together(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """One row for all targets of a block that were told the same."""
    targets: dict[tuple[str, str], list[str]] = {}
    for name, target, why in found:
        targets.setdefault((name, why.replace(f"{name}.{target}", name)), []).append(target)
    return [(name, ", ".join(those), why) for (name, why), those in targets.items()]


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not run"
    if "refused" in cell:
        return "refused"
    if "wrong" in cell:
        return "WRONG"
    agreement = "unsure" if cell["agreement"] is None else f"{cell['agreement']:g} %"
    return f"{agreement}, {cell['rms']:.3f}"


def main() -> None:
    """Measure what is missing, write the record and its page; exit with 1 if a cell is wrong."""
    given = matrix.arguments(__doc__, "block")
    if given.child:
        for cell in build(given.names[0], given.names[1:]):
            print(json.dumps(cell), flush=True)
        return
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {"schema": "edgefer/blocks/1", "blocks": {}}
    record["environment"] = records.plain(machine.describe_environment(matrix.PACKAGES, os.cpu_count() or 1))

    def keep(_: str) -> None:
        records.write(RECORD, record)
        write_atomic(TABLE, render(record).encode())

    matrix.fill(record["blocks"], given.names or NAMES, given.again, keep, _cell, Path(__file__))
    if wrong := [f"{n}.{t}" for n, row in record["blocks"].items() for t, cell in row.items() if "wrong" in cell]:
        sys.exit(f"built and wrong: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
