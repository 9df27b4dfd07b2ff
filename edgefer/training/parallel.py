"""One training in several processes, as torchrun starts them, with torch's DistributedDataParallel.

Every process goes through the same batches in the same order, with the same augmentation, and trains on its share of
each; gradients are averaged. So weights are the same in all processes, and a network without batch norm and dropout
gets the weights that one process gives it, but for the order in which floats are added up. Batch norm takes its
statistics from a process's own share on CPUs and from the whole batch on GPUs (SyncBatchNorm); each process draws its
own dropout. What is kept is the main process's: running statistics are of its shares on CPUs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from edgefer.runtime import units
from edgefer.runtime.errors import BadSetting

T = TypeVar("T")


def world_size() -> int:
    """How many processes train one network; 1 where torchrun started none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process among them."""
    return int(os.environ.get("RANK", "0")) if world_size() > 1 else 0


def is_main_process() -> bool:
    """Whether this is the process that writes, evaluates and prints."""
    return rank() == 0


@contextlib.contextmanager
def process_group(device: str) -> Iterator[None]:
    """Connect the processes, if there are several, for as long as the block runs; on `cuda` each takes a GPU.

    Raises BadSetting where a machine has more processes than GPUs.
    """
    if world_size() == 1 or distributed.is_initialized():  # by whoever calls this
        yield
        return
    if device == "cuda":
        _take_gpu()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _take_gpu() -> None:
    """Let `cuda` be the GPU with this process's number on its machine."""
    processes, gpus = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
    if processes > gpus:
        raise BadSetting(
            f"torchrun started {processes} processes on a machine with {units.counted(gpus, 'GPU')}: "
            "start one for each GPU (--nproc-per-node), or train with --device cpu."
        )
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def of_main_process(work: Callable[[], T]) -> T:
    """The result of `work`, which the main process alone does; all processes get it."""
    if world_size() == 1:
        return work()
    result = [work() if is_main_process() else None]
    distributed.broadcast_object_list(result, 0)
    return result[0]  # type: ignore[return-value]


def all_reduce_sum(*values: float) -> list[float]:
    """The sums of the processes' values."""
    if world_size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(sums)
    return [float(value) for value in sums]


@dataclass(frozen=True)
class Share:
    """The rows of a batch that this process trains on.

    Times `weight`, the mean loss over them has the gradient of the whole batch's mean once processes are averaged.
    """

    rows: slice
    weight: float


def share_of(batch: int) -> Share:
    """This process's share of a batch of so many faces.

    A batch of fewer faces than processes leaves some without one: they take the first face and weigh it nothing.
    """
    start, stop = (batch * number // world_size() for number in (rank(), rank() + 1))
    if start == stop:
        return Share(slice(0, 1), 0.0)
    return Share(slice(start, stop), world_size() * (stop - start) / batch)


def data_parallel(network: nn.Module, device: str) -> nn.Module:
    """What to call in training: the network itself in one process, else its DistributedDataParallel.

    On `cuda` the network's batch norms become SyncBatchNorm, which torch has for GPUs only; its parameters stay the
    same objects.
    """
    if world_size() == 1:
        return network
    if device == "cuda":
        convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm
        network = convert(network)
    return DistributedDataParallel(network)
