"""What each step of shortening takes off the model files of the networks that ship weights.

    python benchmarks/lean.py [--bundles FOLDER]

Each network is built for every target as its converter writes it (`edgefer build --keep-names`), from recorded ranges,
or such bundles are taken from a folder. The steps of the target's exporter are applied one after the other. The first
and the last file answer drawn pictures, and must answer alike, to the bit. The record is benchmarks/results/lean.json,
the table benchmarks/tables/lean.md. Nothing is timed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.arch import ARCHS
from edgefer.data.dataset import other_synthetic_faces
from edgefer.pipeline.export import import_exporter
from edgefer.pipeline.options import BuildOptions, build_bundles
from edgefer.pipeline.targets import all_targets
from edgefer.runtime import contract, engines, machine
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.files import shipped_folder, write_atomic
from edgefer.runtime.terminal_table import markdown

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "lean.json", HERE / "tables" / "lean.md"
PICTURES = 64
NCNN = """ncnn has no steps: its files are a text of a line a layer, and bare weights. Layers named by numbers and
parameters at their defaults left out would take 2.3 % off EAN's int8 file, 1.3 % off its fp16 file, and less off all
others but LCNN's int8 file (1.5 %)."""


def shortened() -> list[str]:
    """The targets whose files are shortened: what a bundle holds of its twin is that target's own."""
    return [name for name, target in all_targets().items() if target.twin is None]


def main() -> None:
    """Build, shorten, compare, and write record and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=Path, metavar="FOLDER", help="bundles that edgefer build --keep-names wrote")
    given = parser.parse_args().bundles
    with tempfile.TemporaryDirectory() as made:
        rows = [measure(read_bundle(folder)) for folder in bundles(given or Path(made), build=given is None)]
    versions = sorted({package for engine in engines.ENGINES.values() for package in engine.converters})
    kinds = dict.fromkeys(all_targets()[name].format for name in shortened())
    steps = {kind: list(import_exporter(kind).LEAN) for kind in kinds}
    record = {"packages": machine.package_versions(versions), "pictures": PICTURES, "steps": steps, "rows": rows}
    write_atomic(RECORD, (json.dumps(record, indent=1) + "\n").encode())
    write_atomic(TABLE, render(record).encode())


def bundles(folder: Path, build: bool) -> Iterator[Path]:
    """The folders of the bundles of every shipped network and target, built first if that is asked for."""
    for network in (name for name in ARCHS if (shipped_folder("weights") / f"{name}.safetensors").is_file()):
        if build:
            options = BuildOptions(tuple(shortened()), arch=network, out=folder, keep_names=True)
            for outcome in build_bundles(options):
                outcome.require()
        yield from (folder / f"{network}.{target}" for target in shortened())


def measure(bundle: Bundle) -> dict[str, Any]:
    """Bytes of the bundle's model as it is and behind each step, and how far the answers are apart at most."""
    manifest = bundle.manifest
    assert manifest.keep_names, f"{bundle.folder} is shortened already: build it with --keep-names"
    stem = Path(manifest.model).stem
    names = [f"{stem}{suffix}" for suffix in engines.ENGINES[manifest.format].suffixes]
    files = {name: bundle.path(name).read_bytes() for name in names}
    before, sizes = answers(files, bundle), [sum(map(len, files.values()))]
    for step in import_exporter(manifest.format).LEAN.values():
        files = step(files)
        sizes.append(sum(map(len, files.values())))
    difference = float(np.abs(answers(files, bundle) - before).max())
    row = {"network": manifest.arch, "target": manifest.target, "bytes": sizes, "difference": difference}
    print(row, flush=True)
    return row


def answers(files: dict[str, bytes], bundle: Bundle) -> np.ndarray:
    """What the model stores for each drawn picture."""
    agreed = bundle.manifest.contract
    pixels = contract.to_pixels(other_synthetic_faces(PICTURES).pixels[:], agreed)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        model = engines.load(Path(folder) / bundle.manifest.model, bundle.manifest.format)
        return np.concatenate([model.run(contract.to_input(face[None], agreed)) for face in pixels]).astype(np.float64)


def render(record: dict[str, Any]) -> str:
    """The page."""
    return "\n\n".join(["# Bytes of shortened model files", *_sections(record)]) + "\n"


def _sections(record: dict[str, Any]) -> Iterator[str]:
    largest = max(row["difference"] for row in record["rows"])
    yield (
        "Written by `python benchmarks/lean.py` from `results/lean.json`. `0` is the file as its converter writes it "
        "(`edgefer build --keep-names`), each further column is behind one step more, the last one is what "
        f"`edgefer build` writes. On {record['pictures']} drawn pictures the outputs of both differ by {largest:g} at "
        "most. With " + ", ".join(f"{name} {version}" for name, version in record["packages"].items()) + "."
    )
    for kind, steps in record["steps"].items():
        rows = [row for row in record["rows"] if all_targets()[row["target"]].format == kind]
        if not steps:
            yield f"## {kind}\n\n{NCNN}"
            continue
        legend = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
        table = markdown(("file", *map(str, range(len(steps) + 1)), "less"), map(_cells, rows))
        yield f"## {kind}\n\n{legend}\n\n{table}"


def _cells(row: dict[str, Any]) -> list[str]:
    sizes = row["bytes"]
    less = 100 * (1 - sizes[-1] / sizes[0])
    return [f"{row['network']}.{row['target']}", *(f"{size:,}" for size in sizes), f"{less:.1f} %"]


if __name__ == "__main__":
    main()
