"""What test_parallel does in one process and in two: parallel_worker.py FOLDER DATA, under torchrun, does all of it."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from edgefer.arch import Arch, get_arch
from edgefer.data.load import load
from edgefer.runtime.training_record import Epoch
from edgefer.training import parallel, recipes, run
from edgefer.training.recipes import Plan

BATCHES = (6, 6, 1)  # the last leaves one of two processes without a face
SHORT = replace(recipes.get_recipe("plain"), epochs=2, batch=8, warmup=1)
# A running average, and a second round in which the first student is the teacher.
ROUNDS = replace(SHORT, lr=0.01, average=0.9, alpha=0.5, temperature=2.0, rounds=1, round_epochs=1, round_lr=0.01)


@dataclass(frozen=True)
class WithoutDropout(Arch):
    """A network whose dropout drops nothing."""

    def build(self, classes: int | None = None, seed: int | None = None) -> nn.Module:
        network = super().build(classes, seed)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        return network


PLAIN = get_arch("microexpnet-xxs")
NETWORKS = {"ean": get_arch("ean"), "dropout": PLAIN, "plain": WithoutDropout(**vars(PLAIN))}


def faces(network: Arch) -> tuple[Tensor, Tensor]:
    """Six made faces in float64, and their labels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(6, network.channels, network.crop, network.crop, dtype=torch.float64, generator=generator)
    return x, torch.randint(0, 7, (6,), generator=generator)


def steps(name: str) -> tuple[nn.Module, list[float]]:
    """Three steps of a network in float64: it, and the losses."""
    torch.manual_seed(0)
    network = NETWORKS[name].build().double().train()
    x, y = faces(NETWORKS[name])
    model = parallel.data_parallel(network, "cpu")
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    losses = []
    for batch in BATCHES:
        share = parallel.share_of(batch)
        loss = functional.cross_entropy(model(x[:batch][share.rows]), y[:batch][share.rows])
        optimizer.zero_grad()
        (loss * share.weight).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses += parallel.all_reduce_sum(loss.item() * share.weight / parallel.world_size())
    return network, losses


def step(out: Path) -> None:
    """A network without batch norm and dropout: its losses and weights."""
    network, losses = steps("plain")
    if parallel.is_main_process():
        torch.save({"losses": torch.tensor(losses), **network.state_dict()}, out)


def same(name: str) -> bool:
    """Whether the processes end with the same parameters."""
    parameters = {key: value.tolist() for key, value in steps(name)[0].named_parameters()}
    gathered: list[dict[str, object]] = [{}] * parallel.world_size()
    distributed.all_gather_object(gathered, parameters)
    return all(each == parameters for each in gathered)


def norm(out: Path) -> None:
    """One pass of EAN over six faces, in training mode: its state after."""
    torch.manual_seed(0)
    network = NETWORKS["ean"].build().double().train()
    parallel.data_parallel(network, "cpu")(faces(NETWORKS["ean"])[0][parallel.share_of(6).rows])
    if parallel.is_main_process():
        torch.save(network.state_dict(), out)


class Stopped(Exception):
    """Stands for a kill between two epochs."""


def train(out: Path, data: Path, network: str, recipe: str, last: int = 0) -> None:
    """A training; with `last` it stops after that epoch."""
    plan = Plan(NETWORKS[network], {"short": SHORT, "rounds": ROUNDS}[recipe], seed=3, threads=1)

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == last:
            raise Stopped

    faces_of_plan = load(data, plan.arch.resize)
    with contextlib.suppress(Stopped):
        run.train(plan, faces_of_plan, out, run.Listener(stop, lambda _loss: None))


def main(folder: Path, data: Path) -> None:
    """All of it in one start, since each costs an import of torch in every process."""
    with parallel.process_group("cpu"):
        step(folder / "step.pt")
        norm(folder / "norm.pt")
        print(f"same {same('ean')} {same('dropout')}\n", end="", flush=True)  # whole, also beside other processes
        for recipe in ("short", "rounds"):
            train(folder / f"plain-{recipe}", data, "plain", recipe)
        for network, recipe in (("ean", "rounds"), ("dropout", "short")):
            train(folder / f"{network}-whole", data, network, recipe)
            train(folder / f"{network}-cut", data, network, recipe, last=1)
            distributed.barrier()  # until the checkpoint is written
            if parallel.is_main_process():
                print("left", *sorted(path.suffix for path in (folder / f"{network}-cut").iterdir()))
            train(folder / f"{network}-cut", data, network, recipe)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
