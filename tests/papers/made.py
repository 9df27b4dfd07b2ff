"""What there is to take evidence from, made by hand."""

from __future__ import annotations

from dataclasses import replace

from edgefer.papers import paper_files, transcription
from edgefer.papers.comparison import CellRef
from edgefer.papers.counts import Counts
from edgefer.papers.evidence import Records
from edgefer.papers.measured import Benches, BenchResult
from edgefer.runtime.bench_record import BenchRecord, Gpu, Settings
from edgefer.runtime.training_record import Environment, Epoch, Scores, TrainingRecord
from tests.benchmark.made import record, result, run

EAN = {
    "parameters": 43_840,
    "parameters_and_statistics": 46_526,
    "macs": 4_568_040,
    "ptflops": 5_054_158,
    "ptflops_modules": 5_286_782,
    "thop": 5_054_662,
    "torchsummary": 4_091_568,
    "torchsummary_modules": 5_952_560,
}
# 33.634 M parameters are printed of VGG-16: here they are wrong, the others right.
VGG = {"parameters": 30_000_000, "ptflops_modules": 557_136_128, "torchsummary_modules": 147_355_668}
# What edgefer really counts: 0.5 % less memory than is printed, which its cell's note tells.
RESNET = {"parameters": 11_172_423, "ptflops_modules": 1_101_271_552, "torchsummary_modules": 68_289_556}
LCNN = {"parameters": 56_951, "parameters_and_statistics": 58_423}


def counts() -> Counts:
    """Of the networks of Kong et al. Table 5; a checkpoint of LCNN, shapes of MicroExpNet's layers."""
    networks = {"ean": EAN, "vgg16-bn-44": VGG, "lcnn": LCNN, "resnet18-44": RESNET}
    for name in ("mobilenetv2-44", "squeezenet-44", "shufflenetv2-44", "mini-xception-44"):
        networks[name] = dict.fromkeys(EAN, 1_000_000)
    return Counts("0" * 64, "2.13.0", networks, {"lcnn": 761_675}, {"microexpnet-m": {"fc1-in": 3872}})


def training(arch: str, name: str = "plain", private: float = 65.366, **recipe: object) -> TrainingRecord:
    """Weights of a network that were trained by a recipe."""
    public = Scores(3589, 63.277, None, None, {"angry": 55.67})
    test = Scores(3589, private, None, None, {"angry": 62.1, "happy": 87.26})
    epochs = [Epoch(1, 0.1, 1.5, 40.0, 50.0, 1.0), Epoch(2, 0.1, 1.0, 66.4321, 63.277, 1.0)]
    where = Environment("A processor", 4, 2, "Linux", "3.11", {})
    made = {"name": name, "epochs": 40, **recipe}
    sha = "ca5d7057" + "0" * 56
    return TrainingRecord(*(arch, "", "0.0.0", made, 0, {}, sha, 2, public, test, 9.0, where, epochs))


def bench(protocol: str, *bundles: str, scale: float = 1.0, samples: int = 1000, gpu: Gpu | None = None) -> BenchRecord:
    """The bundles, each slower than the one before."""
    settings = Settings(samples=samples, seconds=None)
    runs = {name: run(scale * (n + 1)) for n, name in enumerate(bundles)}
    if samples >= 100:
        runs = {name: replace(each, samples=each.samples * (samples // 100)) for name, each in runs.items()}
    results = [replace(result(name, [each, each], protocol), settings=settings) for name, each in runs.items()]
    whole = record(results)
    return replace(whole, machine=replace(whole.machine, board=None, gpu=gpu))


def counted(board: str, bundle: str, instructions: int | None, reason: str | None = None) -> BenchRecord:
    """A count on an emulated board, or why there is none; it is of no protocol and holds no times."""
    bare = replace(run(), samples=[])
    made = replace(result(bundle, [bare]), id=f"{board}/{bundle}")
    return record([replace(made, instructions_per_frame=instructions, instructions_reason=reason)])


def benches(*benched: BenchRecord, file: str = "made.json") -> Benches:
    """As if they had been read from a file."""
    results = tuple(BenchResult(file, each, one) for each in benched for one in each.results)
    return Benches(results, tuple((file.removesuffix(".json"), line) for each in benched for line in each.left_out))


def recorded(*benched: BenchRecord, trainings: tuple[TrainingRecord, ...] = ()) -> Records:
    """With the counts above."""
    return Records(counts(), benches(*benched), trainings)


def at(name: str, row: str, column: str, dataset: str = "") -> CellRef:
    """A printed figure by its place."""
    paper, table = paper_files.tables()[name]
    return CellRef(name, paper, table, table.cell(row, column, dataset))


def printed(text: str, kind: transcription.Kind = "parameters", unit: transcription.Unit = "M") -> CellRef:
    """A figure of a made table, of EAN."""
    column = transcription.Column("figure", "Figure", kind, unit)
    table = transcription.Table("1", "made", 1, "1", (column,), (transcription.Row("row", (text,), "ean"),))
    return CellRef("made-1", paper_files.tables()["ean-1"][0], table, table.cells[0])
