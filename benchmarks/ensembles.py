"""Networks alone and together on PublicTest: a record and its table, by which teachers and students are chosen.

    python benchmarks/ensembles.py teachers --data fer2013.csv teacher.safetensors ...
    python benchmarks/ensembles.py students --data fer2013.csv --batch-norm edgefer-bank seed1.safetensors ...
    python benchmarks/ensembles.py tails --data fer2013.csv --average mean.safetensors --teacher a.safetensors ... \\
        tail1.safetensors ...

Each network, then all of them by the mean of their probabilities (what a bank's students learn from). With --average
FILE also one network with the mean of their weights (Wortsman et al., "Model soups", ICML 2022), which are to come from
one training: tails of it in other orders; it is written to FILE. With --batch-norm RECIPE each of these networks again
with the statistics of its batch norms measured anew, on FACES faces of Training as that recipe shows them. With
--teacher FILE how far each network is from these teachers' mean probabilities, on PublicTest and on FACES faces of
Training: as far on faces that it never saw means that it doesn't overfit. PrivateTest is not read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn

from edgefer.arch import Arch
from edgefer.data.conditions import CONDITIONS, ChangedFaces
from edgefer.data.dataset import Dataset
from edgefer.data.load import load
from edgefer.runtime import machine, records
from edgefer.runtime.files import sha256, write_atomic
from edgefer.runtime.terminal_table import markdown
from edgefer.training import evaluation, weights
from edgefer.training.augment import augment, grey, to_channels
from edgefer.training.losses import mean_probabilities
from edgefer.training.recipes import Augmentation, get_recipe
from edgefer.training.torch_settings import keep_freed_pages, torch_threads

HERE = Path(__file__).parent
FACES, BATCH, SEED = 10_000, 500, 1
SIZE = 48  # FER2013's own
PACKAGES = ("torch", "numpy")
NAMES = ("teachers", "students", "tails")
Named = tuple[str, Arch, nn.Module]
TOGETHER, AVERAGED, AGAIN = "mean of the probabilities", "mean of the weights", ", batch norm measured anew"


@dataclass(frozen=True)
class Row:
    """Accuracy in percent and mean NLL of PublicTest's labels, of the centre crop and of the mean of ten crops.

    conditions is the mean accuracy of the centre crop under what a camera brings (data.conditions).
    """

    name: str
    centre: float
    centre_nll: float
    ten_crops: float
    ten_crops_nll: float
    conditions: float


def row(name: str, answers: Tensor, labels: Tensor) -> Row:
    """The row of `probabilities`."""
    accuracy = 100 * (answers.argmax(2) == labels).double().mean(1)
    centre_nll, ten_nll = (functional.nll_loss(each.log(), labels).item() for each in answers[:2])
    one, ten, *conditions = accuracy.tolist()
    return Row(name, round(one, 2), round(centre_nll, 4), round(ten, 2), round(ten_nll, 4), round(mean(conditions), 2))


def probabilities(network: nn.Module, arch: Arch, faces: Dataset) -> Tensor:
    """float32 (2 + conditions, N, classes): of the centre crop, of ten crops, under each condition."""
    centre = evaluation.logits(network, faces, arch).softmax(1)
    ten = evaluation.ten_crop_probabilities(network, faces, arch)
    shown = (ChangedFaces(faces.pixels, condition) for condition in CONDITIONS)
    return torch.stack([centre, ten, *(evaluation.pixel_logits(network, each, arch).softmax(1) for each in shown)])


def average(networks: Sequence[nn.Module]) -> nn.Module:
    """One network with the mean of the others' weights and statistics; their architecture is one."""
    states, result = [network.state_dict() for network in networks], deepcopy(networks[0])
    means = {name: torch.stack([s[name].double() for s in states]).mean(0).to(v.dtype) for name, v in states[0].items()}
    result.load_state_dict(means)
    return result


def some_rows(faces: Dataset, generator: torch.Generator) -> NDArray[np.int64]:
    """FACES random rows, or all where there are fewer."""
    rows: NDArray[np.int64] = torch.randperm(len(faces), generator=generator)[:FACES].numpy()
    return rows


def batch_norm_again(network: nn.Module, arch: Arch, faces: Dataset, how: Augmentation) -> nn.Module:
    """The network with statistics of FACES random faces, each in one view."""
    generator = torch.Generator().manual_seed(SEED)
    rows = some_rows(faces, generator)

    def views() -> Iterator[Tensor]:
        for start in range(0, len(rows), BATCH):
            shown = grey(faces.pixels[rows[start : start + BATCH]])
            yield to_channels(augment(shown, arch.crop, how, generator), arch)

    result = deepcopy(network)
    update_bn(views(), result)
    return result.eval()


def opened(paths: Sequence[Path]) -> list[Named]:
    """The networks of weights files."""
    archs = [(path, weights.arch_of_weights(path)) for path in paths]
    return [(path.stem, arch, weights.load_trained_model(arch, path).network) for path, arch in archs]


def divergences(
    teachers: Sequence[Named], networks: Sequence[Named], splits: Sequence[Dataset]
) -> list[dict[str, Any]]:
    """Mean KL divergence in nats, by network and split, of its probabilities from the teachers' mean (centre crops)."""
    rows: list[dict[str, Any]] = [{"name": name, "from": []} for name, _, _ in networks]
    for faces in splits:
        target = mean_probabilities([evaluation.logits(network, faces, arch) for _, arch, network in teachers], 1.0)
        for line, (_, arch, network) in zip(rows, networks, strict=True):
            mine = evaluation.logits(network, faces, arch).log_softmax(1)
            line["from"].append(round(functional.kl_div(mine, target, reduction="batchmean").item(), 4))
    return rows


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The record."""
    data = load(arguments.data, SIZE)
    public, training = data.split("PublicTest"), data.split("Training")
    seen = training.take(some_rows(training, torch.Generator().manual_seed(SEED)))
    labels = torch.from_numpy(public.labels)
    named = opened(arguments.weights)
    answers = {name: probabilities(network, arch, public) for name, arch, network in named}
    rows = [row(name, answers[name], labels) for name in answers]
    if len(named) > 1:
        rows.append(row(TOGETHER, torch.stack(list(answers.values())).mean(0), labels))
    alike = [*named]
    if arguments.average is not None:
        arch, mixed = named[0][1], average([network for _, _, network in named])
        write_atomic(arguments.average, weights.serialize(mixed.state_dict(), {"arch": arch.name}))
        alike.append((AVERAGED, arch, mixed))
        rows.append(row(AVERAGED, probabilities(mixed, arch, public), labels))
    if arguments.batch_norm:
        how = get_recipe(arguments.batch_norm).augmentation
        for name, arch, network in alike:
            again = batch_norm_again(network, arch, training, how)
            rows.append(row(name + AGAIN, probabilities(again, arch, public), labels))
    return {
        "faces": len(public),
        "divergence": divergences(opened(arguments.teacher), named, (public, seen)) if arguments.teacher else [],
        "batch_norm": arguments.batch_norm,
        "networks": [{"file": path.name, "sha256": sha256(path)} for path in arguments.weights],
        "rows": [asdict(each) for each in rows],
        "environment": records.plain(machine.describe_environment(PACKAGES, 1)),
    }


def render(record: dict[str, Any], name: str) -> str:
    """The page of benchmarks/tables."""
    cells = [
        (
            r["name"],
            f"{r['centre']:.2f} %",
            f"{r['centre_nll']:.3f}",
            f"{r['ten_crops']:.2f} %",
            f"{r['ten_crops_nll']:.3f}",
            f"{r['conditions']:.2f} %",
        )
        for r in record["rows"]
    ]
    anew = (
        f" Batch norm anew: {FACES:,} faces of Training as recipe `{record['batch_norm']}` shows them."
        if record["batch_norm"]
        else ""
    )
    table = markdown(("network", "centre crop", "NLL", "ten crops", "NLL ", "under a camera's conditions"), cells)
    return (
        f"# {name.capitalize()} alone and together\n\nWritten by `python benchmarks/ensembles.py {name}` from "
        f"`results/{name}.json`. PublicTest, {record['faces']:,} faces; NLL is the mean negative log-likelihood of the "
        f"given label, lower is better; a camera's conditions are the {len(CONDITIONS)} of "
        f"`edgefer eval --robustness`, their mean (centre crop).{anew}\n\n{table}\n{divergence_table(record)}"
    )


def divergence_table(record: dict[str, Any]) -> str:
    """The part of the page about teachers, where the record has it."""
    cells = [(each["name"], *(f"{value:.3f}" for value in each["from"])) for each in record.get("divergence", ())]
    if not cells:
        return ""
    return (
        "\n## From their teachers\n\nMean KL divergence of a network's probabilities from the mean of its teachers' in "
        f"nats, centre crops; of Training {FACES:,} faces.\n\n"
        f"{markdown(('network', 'PublicTest', 'Training'), cells)}\n"
    )


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=NAMES, help="what the record and the table are called")
    parser.add_argument("weights", nargs="+", type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--average", metavar="FILE", type=Path, help="where the mean of the weights is written")
    parser.add_argument("--batch-norm", metavar="RECIPE")
    parser.add_argument("--teacher", metavar="FILE", type=Path, action="append", default=[])
    return parser


def main() -> None:
    """Measure, write the record and its table."""
    arguments = parser().parse_args()
    keep_freed_pages()
    with torch_threads(1):
        record = measure(arguments)
    write_atomic(HERE / "results" / f"{arguments.name}.json", f"{json.dumps(record, indent=2)}\n".encode())
    page = render(record, arguments.name)
    write_atomic(HERE / "tables" / f"{arguments.name}.md", page.encode())
    print(page)


if __name__ == "__main__":
    main()
