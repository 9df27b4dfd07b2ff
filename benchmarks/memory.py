"""Peak memory of reading a data set and of one epoch over it, by its size: a record and its table.

    python benchmarks/memory.py FOLDER

Makes sets of 3,000, 30,000 and 300,000 images under FOLDER (1.2 GB, removed afterwards): 48 x 48 grey JPEGs of noise on
a gradient, 512 different ones under many names, in the seven class folders. Each is read, and gone through once in
shuffled batches of 128, in a fresh process per row.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgefer.data import decode
from edgefer.data.listing import ReadOptions
from edgefer.data.load import load
from edgefer.runtime import machine, records
from edgefer.runtime.labels import LABELS
from edgefer.runtime.terminal_table import markdown

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "results" / "data-memory.json", HERE / "tables" / "data-memory.md"
SIZES, DIFFERENT, SIDE, BATCH, EVERY = (3_000, 30_000, 300_000), 512, 48, 128, 0.005
WAYS = {  # in this order: the second row of a size finds the file that the first wrote
    "first": "mapped, file written",
    "again": "mapped, file there",
    "memory": "in memory",
}


def pictures() -> list[bytes]:
    """The different JPEGs."""
    random, jpegs = np.random.default_rng(0), []
    gradient = np.linspace(0, 150, SIDE)[None] + np.zeros((SIDE, 1))
    for _ in range(DIFFERENT):
        file = io.BytesIO()
        pixels = np.rot90(gradient, random.integers(4)) + random.integers(0, 100, (SIDE, SIDE))
        Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=75)
        jpegs.append(file.getvalue())
    return jpegs


def write_set(folder: Path, images: int) -> None:
    """A set of so many images."""
    jpegs = pictures()
    for name in LABELS:
        (folder / "train" / name).mkdir(parents=True)
    for number in range(images):
        (folder / "train" / LABELS[number % 7] / f"{number:07}.jpg").write_bytes(jpegs[number % DIFFERENT])


def resident() -> dict[str, int]:
    """Bytes: anonymous now, pages of files now, and the most of both together so far, which Linux calls VmHWM."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: 1024 * int(lines[name].split()[0]) for name in ("RssAnon", "RssFile", "VmHWM")}


class Peak(threading.Thread):
    """The most of RssAnon and RssFile that was seen: Linux keeps no peak of these, so they are sampled."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, int] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        """Sample until stopped."""
        while not self.stop.wait(EVERY):
            self.sample()

    def sample(self) -> None:
        """Look once."""
        self.seen = {name: max(value, self.seen.get(name, 0)) for name, value in resident().items()}


def measure(folder: Path, cache: Path, way: str) -> dict[str, Any]:
    """One row; to be called in a fresh process. Small sets are mapped too, so that rows compare."""
    decode.LARGE = 1 << 60 if way == "memory" else 0
    before, peak = resident(), Peak()
    peak.start()
    began = time.perf_counter()
    faces = load(folder, SIDE, ReadOptions(cache=cache)).split("Training")
    read = time.perf_counter()
    order, total = np.random.default_rng(0).permutation(len(faces)), 0
    for start in range(0, len(order), BATCH):
        total += int(faces.pixels[order[start : start + BATCH]].sum(dtype=np.int64))
    done = time.perf_counter()
    peak.stop.set()
    peak.join()
    peak.sample()
    after = {"anonymous": "RssAnon", "file": "RssFile", "total": "VmHWM"}
    return {
        "images": len(faces),
        "way": way,
        "pixel_sum": total,
        "before": before["RssAnon"],
        **{name: peak.seen[key] for name, key in after.items()},
        "read_s": round(read - began, 2),
        "epoch_s": round(done - read, 2),
    }


def collect(folder: Path) -> dict[str, Any]:
    """All rows, smallest set first."""
    rows = []
    for images in SIZES:
        images_folder, cache = folder / f"set-{images}", folder / f"cache-{images}"
        write_set(images_folder, images)
        for way in WAYS:
            command = [sys.executable, __file__, str(images_folder), str(cache), way]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(rows[-1], flush=True)
        shutil.rmtree(images_folder)
        shutil.rmtree(cache)
    if any(len({row["pixel_sum"] for row in rows if row["images"] == images}) != 1 for images in SIZES):
        raise SystemExit("the ways did not give the same pixels: no record is written")
    return {"rows": rows, "environment": records.plain(machine.describe_environment(("numpy", "pillow"), 1))}


def per_image(record: dict[str, Any]) -> float:
    """Anonymous bytes that an image more costs, between the smallest and the largest set, with the file there."""
    first, *_, last = (row for row in record["rows"] if row["way"] == "again")
    return float(last["anonymous"] - first["anonymous"]) / (last["images"] - first["images"])


def render(record: dict[str, Any]) -> str:
    """The table, as Markdown."""
    rows = [
        (
            f"{row['images']:,}",
            WAYS[row["way"]],
            *(f"{value / 2**20:,.1f}" for value in (row["anonymous"] - row["before"], row["anonymous"], row["file"])),
            f"{row['total'] / 2**20:,.1f}",
            f"{row['read_s']:,.1f} s",
            f"{row['epoch_s']:,.1f} s",
        )
        for row in sorted(record["rows"], key=lambda row: list(WAYS).index(row["way"]))
    ]
    names = ("images", "faces are", "added", "anonymous", "file", "both (VmHWM)", "read", "epoch")
    machine = record["environment"]
    return (
        "# Memory by the size of the data set\n\nGenerated by `python benchmarks/memory.py`; not edited by hand. "
        "Peaks in MiB of a fresh process that reads a folder of made 48 x 48 grey JPEGs and goes through it once.\n\n"
        f"{markdown(names, rows)}\n\n"
        "*anonymous* is memory that only this process can give back (RssAnon, sampled every 5 ms), *added* what of it "
        "came after the start. *file* is pages of files (RssFile, sampled): the mapped faces, which Linux keeps while "
        "memory is free and drops without writing when it is not. VmHWM is Linux's own peak and counts both. Mapped, "
        f"{per_image(record):.0f} bytes are added per image (labels, splits, numbers, and while reading its path); its "
        f"pixels are {SIDE * SIDE:,}.\n\n"
        f"{machine['cpu']}, numpy {machine['packages']['numpy']}, Pillow {machine['packages']['pillow']}.\n"
    )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
    else:
        RESULT.write_text(json.dumps(collect(Path(sys.argv[1])), indent=2) + "\n")
        TABLE.write_text(render(json.loads(RESULT.read_text())))
