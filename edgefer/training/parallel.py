"""One training in several processes, as torchrun starts them: data parallel, with the arithmetic of one process.

Every process goes through the same batches in the same order, with the same augmentation, and learns from its share of
each. Gradients are averaged (DistributedDataParallel), batch norm and dropout see the whole batch (training.together).
So the curve is that of one process but for the order in which floats are added up.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from edgefer.training import together

T = TypeVar("T")


def size() -> int:
    """How many processes train together; 1 where torchrun started none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This one's number among them."""
    return int(os.environ.get("RANK", "0")) if size() > 1 else 0


def leads() -> bool:
    """Whether this is the process that writes, evaluates and prints."""
    return rank() == 0


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Meet the other processes, if there are any, for as long as the block runs."""
    if size() == 1:
        yield
        return
    distributed.init_process_group("gloo")  # training computes on the CPU
    try:
        yield
    finally:
        distributed.destroy_process_group()


def led(work: Callable[[], T]) -> T:
    """Done by the first process alone; all get its answer."""
    if size() == 1:
        return work()
    answer = [work() if leads() else None]
    distributed.broadcast_object_list(answer, 0)
    return answer[0]  # type: ignore[return-value]


def total(*values: float) -> list[float]:
    """The sums of the processes' values."""
    if size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(sums)
    return [float(value) for value in sums]


class Learner:
    """A network as this process trains it: called with its share of a batch, weighing that share's loss.

    A batch of fewer faces than processes leaves some without one: they take the first face and weigh it nothing.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        if size() > 1:
            together.make(network)
            # Buffers need not be sent around: every process has the whole batch's statistics.
            self.network = DistributedDataParallel(network, forward_sync_buffers=False)

    def share(self, batch: int) -> slice:
        """The rows of a batch of so many that are this process's."""
        edges = [batch * number // size() for number in range(size() + 1)]
        mine = slice(edges[rank()], edges[rank() + 1])
        self.weight = size() * (mine.stop - mine.start) / batch  # the processes' gradients are averaged
        if not self.weight:
            mine = slice(0, 1)
        if size() > 1:
            together.announce(self.network, together.Share(batch, mine, float(bool(self.weight))))
        return mine

    def __call__(self, views: Tensor) -> Tensor:
        """Logits of this process's share."""
        out: Tensor = self.network(views)
        return out

    def backward(self, loss: Tensor) -> None:
        """Gradients of the mean loss over the whole batch."""
        (loss if size() == 1 else loss * self.weight).backward()  # type: ignore[no-untyped-call]
