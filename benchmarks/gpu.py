"""Every network on this machine's GPU, every way to it that is installed; a record and its table. It can be stopped.

    pip install torch onnxruntime-gpu[cuda,cudnn]       # NVIDIA; for other GPUs: pip install ncnn, openvino
    python benchmarks/gpu.py --dist dist

Networks without shipped weights get random ones: how long one takes does not depend on them. Bundles are those in
--dist; what is not there is built where the converters are installed (the extra build; its onnxruntime is the
processor's, so build first, in another environment). Started again it goes on where it was stopped, on the same GPU
with the same packages. A Vulkan driver that computes on the processor is labelled software and needs its own --name.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from edgefer.arch import ARCHS, Arch, get_arch
from edgefer.benchmark.report import record_page
from edgefer.benchmark.run import Plan, bench
from edgefer.benchmark.workload import Workload, open_workload
from edgefer.devices.gpu import LocalGpu
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord, Settings
from edgefer.runtime.bundle import MANIFEST
from edgefer.runtime.engines import ENGINES
from edgefer.runtime.errors import EdgeferError, MissingEngine, NoGpu
from edgefer.runtime.files import write_atomic
from edgefer.runtime.terminal_table import markdown

HERE = Path(__file__).parent
NAME = "gpu"
BATCHES = (1, 8, 64, 256)
FORMATS = tuple(name for name, engine in ENGINES.items() if engine.providers)


def main() -> None:
    """Measure what is not measured yet and render; without --dist the table is rendered again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dist", type=Path, help="folder of the bundles")
    parser.add_argument("--name", default=NAME, help="of the record and the table")
    parser.add_argument("--networks", nargs="*", default=list(ARCHS), metavar="ARCH")
    parser.add_argument("--batches", type=int, nargs="*", default=list(BATCHES), metavar="N", help="of torch")
    parser.add_argument("--samples", type=int, help="per process; default: 1000, but no longer than 10 s")
    parser.add_argument("--processes", type=int, default=3)
    given = parser.parse_args()
    result, table = HERE / "results" / f"{given.name}.json", HERE / "tables" / f"{given.name}.md"
    try:
        if given.dist is not None:
            settings = Settings() if given.samples is None else Settings(samples=given.samples, seconds=None)
            device = LocalGpu()
            device.require_ready()
            measure(device, result, given.dist, given.networks, given.batches, settings, given.processes)
        found = records.read(BenchRecord, result)
    except EdgeferError as error:
        print(f"gpu.py: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    table.parent.mkdir(exist_ok=True)
    write_atomic(table, page(found).encode())
    print(f"wrote {result} and {table}")


def measure(
    device: LocalGpu,
    result: Path,
    dist: Path,
    networks: list[str],
    batches: list[int],
    settings: Settings,
    processes: int,
) -> None:
    """Network by network, batch by batch; each is in the file as soon as it is done. Raises NoGpu if nothing ran."""
    sizes = [replace(settings, mode="batch" if size > 1 else "back-to-back", batch=size) for size in batches]
    for name in networks:
        workloads, unbuilt = there(get_arch(name), dist)
        try:
            ways = device.expand(workloads)
        except NoGpu as error:
            if name == networks[-1] and not result.is_file():
                raise
            print(f"{name}: {error}", file=sys.stderr)
            continue
        told = [*device.left_out, *unbuilt]
        for size in sizes:
            wanted = [way for way in ways if size.batch == 1 or way.bundle is None]
            missing = [way for way in wanted if not done(result, way.name, size)]
            if missing:
                print(f"{name}, batch {size.batch}: {len(missing)} workloads", file=sys.stderr)
                add(result, replace(bench(Plan(missing, size, processes, device)), left_out=told))


def there(arch: Arch, dist: Path) -> tuple[list[Workload], list[str]]:
    """The network in torch and its bundles, built where they are not there; and what could not be built, and why."""
    workloads, unbuilt = [Workload(network=arch.name)], []
    for name, target in all_targets().items():
        folder = dist / f"{arch.name}.{name}"
        if target.format not in FORMATS:
            continue
        if not (folder / MANIFEST).is_file():
            try:
                folder = build(arch, name, dist)
            except EdgeferError as error:
                unbuilt.append(f"{folder.name}: not built: {error}")
                continue
        workloads.append(open_workload(folder))
    return workloads, unbuilt


def build(arch: Arch, name: str, dist: Path) -> Path:
    """One bundle, from shipped or random weights; raises what build_bundle raises, MissingEngine."""
    from edgefer.training import random_init

    try:
        from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
    except ModuleNotFoundError as error:
        raise MissingEngine.of(error.name or str(error), "build") from error
    dist.mkdir(parents=True, exist_ok=True)
    return build_bundle(
        BuildJob(arch, name, get_target(name), random_init.shipped_or_random(arch), CalibrationOptions()), dist
    ).folder


def done(result: Path, name: str, settings: Settings) -> bool:
    """Whether the record has it already."""
    if not result.is_file():
        return False
    return any(r.bundle == name and r.settings == settings for r in records.read(BenchRecord, result).results)


def add(result: Path, new: BenchRecord) -> None:
    """Put new results behind those in the file; raises NoGpu for those of another GPU, or of software as a GPU's."""
    gpu = new.machine.gpu
    if result.stem == NAME and gpu is not None and gpu.software:
        raise NoGpu(f"{gpu.name} computes on the processor: give another --name, such as vulkan-software.")
    if result.is_file():
        old = records.read(BenchRecord, result)
        if (old.machine, old.versions) != (new.machine, new.versions):
            raise NoGpu(f"{result} is of {old.machine.fingerprint} or of other packages: move it away, start anew.")
        kept = [*old.left_out, *(line for line in new.left_out if line not in old.left_out)]
        new = replace(new, results=[*old.results, *new.results], left_out=kept)
    result.parent.mkdir(exist_ok=True)
    records.write(result, new)
    if new.interrupted:
        raise KeyboardInterrupt


def page(found: BenchRecord) -> str:
    """The table, as Markdown."""
    gpu = found.machine.gpu
    name = "a GPU" if gpu is None else f"{gpu.name} (software: says nothing of a GPU)" if gpu.software else gpu.name
    return "\n".join(
        (
            f"# Networks on {name}",
            "",
            "Generated by `python benchmarks/gpu.py`; not edited by hand. A time is that from an array in the",
            "computer's memory to the answer there, copies included; `on the GPU` is the GPU's own, without them.",
            "",
            record_page(replace(found, left_out=shortened(found.left_out)), markdown).rstrip(),
            "",
        )
    )


def shortened(left_out: list[str]) -> list[str]:
    """One line for a reason: the first that it keeps out, and how many more."""
    reasons: dict[str, list[str]] = {}
    for line in left_out:
        names, _, reason = line.partition(": ")
        reasons.setdefault(reason, []).extend(names.split(", "))
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {reason}"
        for reason, names in reasons.items()
    ]


if __name__ == "__main__":
    main()
