"""What recipes reach: every training that was kept, and a table of them.

    python benchmarks/recipes.py weights/ean.json ...     # add what these records say
    python benchmarks/recipes.py --cut weights/ean.checkpoint ...     # trainings that did not end: PublicTest only

PrivateTest stands only beside trainings that ended; nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from edgefer.runtime import records
from edgefer.runtime.terminal_table import markdown
from edgefer.runtime.training_record import TrainingRecord
from edgefer.training.recipes import RENAMED

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "recipes.json", HERE / "tables" / "recipes.md"
OPEN = "not scored: the training did not end"


def ended(record: TrainingRecord) -> dict[str, Any]:
    """The row of a training that ended."""
    private = record.private
    return {
        "arch": record.arch,
        "command": record.command,
        "epochs": len(record.curve),
        "best": record.best_epoch,
        "training": max(epoch.train_accuracy for epoch in record.curve),
        "public": record.public.accuracy,
        "public_nll": next(epoch.public_nll for epoch in record.curve if epoch.epoch == record.best_epoch),
        "public_ten": record.public.ten_crop,
        "private": None if private is None else private.accuracy,
        "private_ten": None if private is None else private.ten_crop,
        "seconds": record.seconds,
        "cpu": record.environment.cpu,
    }


def cut(path: Path, command: str) -> dict[str, Any]:
    """The row of a training that was stopped, from its checkpoint."""
    parts = torch.load(path, weights_only=True)
    curve = parts["curve"]
    best = max(curve, key=lambda epoch: (epoch["public_accuracy"], -epoch["epoch"]))
    return {
        "arch": parts["settings"]["arch"],
        "command": command,
        "epochs": len(curve),
        "best": best["epoch"],
        "training": max(epoch["train_accuracy"] for epoch in curve),
        "public": best["public_accuracy"],
        "public_nll": best.get("public_nll"),
        "public_ten": None,
        "private": None,
        "private_ten": None,
        "seconds": sum(epoch["seconds"] for epoch in curve),
        "cpu": None,
        "cut": True,
    }


def render(rows: list[dict[str, Any]]) -> str:
    """The page of benchmarks/tables."""

    def percent(row: dict[str, Any], key: str) -> str:
        value = row[key]
        if value is None:
            return OPEN if row.get("cut") else "not scored"
        return f"{value:.2f} %"

    def nll(row: dict[str, Any]) -> str:
        return "not recorded" if row.get("public_nll") is None else f"{row['public_nll']:.3f}"

    heads = (
        "network",
        "command",
        "epochs",
        "best",
        "Training",
        "PublicTest",
        "NLL",
        "ten crops",
        "PrivateTest",
        "ten crops ",
    )
    cells = [
        (
            row["arch"],
            f"`{row['command']}`",
            str(row["epochs"]),
            str(row["best"]),
            percent(row, "training"),
            percent(row, "public"),
            nll(row),
            *(percent(row, key) for key in ("public_ten", "private", "private_ten")),
        )
        for row in sorted(rows, key=lambda row: -row["public"])
    ]
    return (
        "# What was tried\n\nWritten by `python benchmarks/recipes.py`; not edited by hand. FER2013; Training's "
        "accuracy is of augmented images, the best epoch was chosen on PublicTest (centre crop), by which the table is "
        "sorted, or is the last one; NLL is PublicTest's at that epoch.\n\n"
        f"{markdown(heads, cells)}\n{render_seeds(rows)}"
    )


def render_seeds(rows: list[dict[str, Any]]) -> str:
    """The commands that were run with several seeds: mean and standard deviation over them."""
    groups: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in rows:
        seed = re.search(r" --seed (\d+)", row["command"])
        if seed and row["private_ten"] is not None:
            same = re.sub(r" --(seed|threads) \d+", "", _current_names(row["command"]))  # threads change roundings
            groups[same][int(seed[1])] = row
    keys = ("public", "private", "private_ten")
    cells = [
        (
            f"`{command}`",
            ", ".join(map(str, sorted(seeds))),
            *(_mean_and_deviation([r[key] for r in seeds.values()]) for key in keys),
        )
        for command, seeds in groups.items()
        if len(seeds) > 1
    ]
    heads = ("command", "seeds", "PublicTest", "PrivateTest", "ten crops")
    return (
        f"\n## Several seeds\n\nMean and standard deviation over the seeds.\n\n{markdown(heads, cells)}\n"
        if cells
        else ""
    )


def _current_names(command: str) -> str:
    """The command with the names that its settings have now."""
    for older, name in RENAMED.items():
        command = command.replace(f" --set {older}=", f" --set {name}=")
    return command


def _mean_and_deviation(values: list[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values):.2f} %"


def main() -> None:
    """Add rows, write the record and its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", nargs="*", type=Path)
    parser.add_argument("--cut", nargs=2, action="append", default=[], metavar=("CHECKPOINT", "COMMAND"))
    arguments = parser.parse_args()
    rows = json.loads(RECORD.read_text()) if RECORD.is_file() else []
    new = [ended(records.read(TrainingRecord, path)) for path in arguments.records]
    new += [cut(Path(path), command) for path, command in arguments.cut]
    commands = {row["command"] for row in new}
    rows = [row for row in rows if row["command"] not in commands] + new
    RECORD.write_text(json.dumps(rows, indent=2) + "\n")
    TABLE.write_text(render(rows))


if __name__ == "__main__":
    main()
