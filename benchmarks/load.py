"""Time and memory of large inputs, beside another checkout's: a record and its table.

    python benchmarks/load.py FOLDER --before CHECKOUT

Made under FOLDER, each read in a fresh process, this checkout's and the other's in turn (ROUNDS of them):

- a fer2013.csv of ROWS rows of random pixels (64 different ones): `load`
- RECORDS records of a bench, one result of 1,000 samples each: what `edgefer report` reads and draws
- BUNDLES folders of bundles whose model is none: `edgefer bench` selects all
- PICTURES pictures of 48 x 48 in class folders, 512 different ones under many names: `load` without a cache
- FRAMES frames at full speed through `predict` with a made network: the memory after a tenth and in the end

Seconds are a process's own (user and system), which other processes disturb less than a clock; memory is its peak.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RESULT, TABLE = HERE / "results" / "load.json", HERE / "tables" / "load.md"
ROWS, RECORDS, BUNDLES, PICTURES, FRAMES, ROUNDS = 300_000, 200, 1_000, 100_000, 20_000, 3
SIDE = 48


def write_csv(path: Path, rows: int) -> None:
    """A fer2013.csv."""
    random, words = np.random.default_rng(0), [str(value) for value in range(256)]
    texts = [" ".join(words[value] for value in random.integers(0, 256, SIDE * SIDE)) for _ in range(64)]
    splits = ("Training",) * 8 + ("PublicTest", "PrivateTest")
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        file.writelines(f"{number % 7},{texts[number % 64]},{splits[number % 10]}\n" for number in range(rows))


def write_records(folder: Path, count: int) -> None:
    """Records of benches."""
    from edgefer.benchmark.report import read_bench
    from edgefer.runtime import records

    folder.mkdir(exist_ok=True)
    (record,) = read_bench(HERE / "results" / "ean-x86.json")
    (first, *_), random = record.results, np.random.default_rng(0)
    for number in range(count):
        run = replace(first.runs[0], samples=(1e-4 * (1 + random.random(1000))).tolist())
        result = replace(first, bundle=f"ean.made{number}", id=f"x86/ean.made{number}", protocol=None, runs=[run])
        records.write(folder / f"{number:04}.json", replace(record, results=[result]))


def write_bundles(folder: Path, count: int) -> None:
    """Bundles that are whole, but for a model."""
    sys.path.insert(0, str(HERE.parent))
    from tests.benchmark.made import bundle

    for number in range(count):
        bundle(folder / f"ean.made{number}")


def write_pictures(folder: Path, count: int) -> None:
    """Pictures in class folders."""
    from PIL import Image

    from edgefer.runtime.labels import LABELS

    random, files = np.random.default_rng(0), []
    for _ in range(512):
        file = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)).save(file, "PNG")
        files.append(file.getvalue())
    for name in LABELS:
        (folder / "train" / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / "train" / LABELS[number % 7] / f"{number:07}.png").write_bytes(files[number % 512])


def read_csv(path: Path) -> dict[str, float]:
    """The peak beside the pixels."""
    from edgefer.data.load import load

    before = peak_memory()
    faces = load(path, SIDE)
    return {"times_pixels": (peak_memory() - before) / (len(faces) * SIDE * SIDE)}


def read_pictures(path: Path) -> dict[str, float]:
    """In memory."""
    from edgefer.data import decode
    from edgefer.data.load import load

    decode.LARGE = 1 << 60
    return {"faces": len(load(path, SIDE))}


def report(path: Path) -> dict[str, float]:
    """What the command does, without its imports."""
    from edgefer.benchmark.report import page, read_bench
    from edgefer.papers.protocols import protocol_notes
    from edgefer.runtime.terminal_table import table

    benches = [record for file in sorted(path.glob("*.json")) for record in read_bench(file)]
    return {"lines": page(benches, table, protocol_notes).count("\n")}


def select(path: Path) -> dict[str, float]:
    """Every bundle's files against their checksums."""
    from edgefer.benchmark import workload

    return {"bundles": len(workload.select((), path))}


class Network:
    """Answers by the mean of the pixels; its contract is EAN's."""

    def __init__(self) -> None:
        from edgefer.arch import get_arch
        from edgefer.runtime.contract import TensorSpec

        spec = TensorSpec("pixels", (1, 3, 44, 44), "float32"), TensorSpec("probabilities", (1, 7), "float32")
        self.contract = get_arch("ean").contract("NCHW", *spec)

    def run(self, pixels: Any) -> Any:
        """Probabilities (7,)."""
        answers = np.full(7, 0.1, np.float32)
        answers[int(pixels.mean()) % 7] = 0.4
        return answers


def predict(path: Path) -> dict[str, float]:
    """Bytes that Python's objects and the process take after a tenth of the frames, and how many more in the end."""
    from edgefer.runtime import predict_run
    from edgefer.runtime.detectors import load_detector
    from edgefer.runtime.frames import Frame
    from edgefer.runtime.sources import Source

    del path
    random, seen = np.random.default_rng(0), dict[str, tuple[int, int]]()
    pictures = [random.integers(0, 256, (120, 160, 3), dtype=np.uint8) for _ in range(16)]

    def frames(_source: Source) -> Any:
        for number in range(FRAMES):
            if number in (FRAMES // 10, FRAMES - 1):
                seen[str(number)] = tracemalloc.get_traced_memory()[0], resident()
            yield Frame(number, number / 30, pictures[number % 16])

    vars(predict_run).update(frames=frames, import_decoders=lambda _: None)
    tracemalloc.start()
    source = Source("made", "stream", "made")
    options = predict_run.RunOptions()
    detectors = {source.kind: load_detector("none")}
    predict_run.run(Network(), detectors, [source], options, lambda _: None, lambda *_: None)
    (objects, process), (objects_end, process_end) = seen.values()
    return {"objects_grew": objects_end - objects, "process_grew": process_end - process}


def peak_memory() -> int:
    """Bytes, as Linux counts them."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def resident() -> int:
    """Bytes now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# What is made, how much of it, and what is measured of it.
CASES: dict[str, tuple[Callable[[Path, int], None] | None, int, Callable[[Path], dict[str, float]]]] = {
    "csv": (write_csv, ROWS, read_csv),
    "report": (write_records, RECORDS, report),
    "bundles": (write_bundles, BUNDLES, select),
    "pictures": (write_pictures, PICTURES, read_pictures),
    "predict": (None, FRAMES, predict),
}


def measure(case: str, path: Path) -> dict[str, float]:
    """One case in this process."""
    began = resource.getrusage(resource.RUSAGE_SELF)
    found = CASES[case][2](path)
    ended = resource.getrusage(resource.RUSAGE_SELF)
    seconds = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    return {"seconds": seconds, "peak_bytes": peak_memory(), **found}


def collect(folder: Path, before: Path, rounds: int) -> dict[str, Any]:
    """Each case in both checkouts, in turn."""
    from edgefer.runtime import machine, records

    rows: dict[str, dict[str, list[dict[str, float]]]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for case, (make, count, _) in CASES.items():
        path = folder / case
        if make is not None and not path.exists():
            make(path, count)
        for _ in range(rounds):
            for name, checkout in (("before", before), ("now", HERE.parent)):
                environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
                line = [sys.executable, "-P", __file__, str(path), "--case", case]
                done = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
                rows.setdefault(case, {}).setdefault(name, []).append(json.loads(done.stdout))
                print(case, name, rows[case][name][-1], flush=True)
    environment = records.plain(machine.describe_environment(("numpy", "pillow"), 1))
    return {"rows": rows, "counts": {case: row[1] for case, row in CASES.items()}, "environment": environment}


def render(record: dict[str, Any]) -> str:
    """The table, as Markdown."""
    from edgefer.runtime.terminal_table import markdown

    words = {
        "csv": "rows of a fer2013.csv",
        "report": "records of 1,000 samples, `edgefer report`",
        "bundles": "bundles opened",
        "pictures": "pictures in class folders, in memory",
        "predict": "frames through `predict` (traced)",
    }
    rows = []
    for case, both in record["rows"].items():
        middle = {
            name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in both.items()
        }
        old, new = middle["before"], middle["now"]
        rows.append(
            (
                f"{record['counts'][case]:,} {words[case]}",
                *(f"{each['seconds']:.2f} s" for each in (old, new)),
                f"{new['seconds'] / old['seconds']:.2f}",
                *(f"{each['peak_bytes'] / 2**20:,.0f} MiB" for each in (old, new)),
            )
        )
    of_csv, of_predict = record["rows"]["csv"], record["rows"]["predict"]["now"]
    times = {name: statistics.median(run["times_pixels"] for run in runs) for name, runs in of_csv.items()}
    grew = {key: max(run[key] for run in of_predict) for key in ("objects_grew", "process_grew")}
    names = ("what", "before", "now", "ratio", "peak before", "peak now")
    return (
        "# Large inputs\n\nGenerated by `python benchmarks/load.py`; not edited by hand. Seconds of processor time of "
        "fresh processes, both checkouts in turn, the median of each.\n\n"
        f"{markdown(names, rows)}\n\nReading the CSV took {times['before']:.2f} times its pixels in memory, now it "
        f"takes {times['now']:.2f} times. From the first tenth of `predict`'s frames to the last one Python's objects "
        f"grew by {grew['objects_grew']:,.0f} bytes, the process by {grew['process_grew'] / 2**20:.1f} MiB.\n\n"
        f"{record['environment']['cpu']}, numpy {record['environment']['packages']['numpy']}; other processes ran "
        "too.\n"
    )


def main() -> None:
    """Measure, and write the record and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier edgefer")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--case", choices=CASES, help="measure this one of FOLDER in this process, and print it")
    options = parser.parse_args()
    if options.case is not None:
        print(json.dumps(measure(options.case, options.folder)))
        return
    if options.before is None:
        parser.error("--before names the checkout to compare with")
    RESULT.write_text(json.dumps(collect(options.folder, options.before, options.rounds), indent=2) + "\n")
    TABLE.write_text(render(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
