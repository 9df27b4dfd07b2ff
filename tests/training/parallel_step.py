"""Three steps of EAN in float64, in as many processes as torchrun starts; the first writes losses and weights."""

from __future__ import annotations

import sys

import torch
from torch.nn import functional

from edgefer.arch import get_arch
from edgefer.training import parallel

BATCHES = (6, 6, 1)  # the last leaves one of two processes without a face


def main() -> None:
    torch.manual_seed(0)
    x, y = torch.rand(6, 3, 44, 44, dtype=torch.float64), torch.randint(0, 7, (6,))
    network = get_arch("ean").build().double()
    network.train()
    learner = parallel.Learner(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    losses = []
    for batch in BATCHES:
        mine = learner.share(batch)
        loss = functional.cross_entropy(learner(x[:batch][mine]), y[:batch][mine])
        optimizer.zero_grad()
        learner.backward(loss)
        optimizer.step()
        losses += parallel.total(loss.item() * learner.weight / parallel.size())
    if parallel.leads():
        torch.save({"losses": torch.tensor(losses), **network.state_dict()}, sys.argv[1])


with parallel.joined():
    main()
