"""Training of one network: seeded, one checkpoint an epoch, resumable.

An epoch depends only on (seed, epoch, weights, optimiser state), so a run that was killed and
resumed gives the weights of one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset
from edgefer.runtime.errors import Diverged
from edgefer.runtime.training_record import Epoch
from edgefer.training import evaluation, losses, parallel, schedule
from edgefer.training.augment import augment, grey, mix, to_channels
from edgefer.training.bank import Bank
from edgefer.training.losses import Teacher
from edgefer.training.muon import Muon, parameter_groups
from edgefer.training.recipes import Plan, Recipe
from edgefer.training.torch_settings import precision

Tensors = tuple[Tensor, ...] | list[Tensor]
EPOCH_SEEDS = 1_000_003  # spreads (seed, epoch) pairs so that no two runs share a stream
RANK_SEEDS = 1 << 48  # beyond the seeds of all epochs, so that no two processes draw the same dropout


@dataclass
class State:
    """Everything that changes while training; what a checkpoint holds.

    best are the weights of the best epoch so far, teacher those of the round's teacher (rounds after the first).
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    curve: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    teacher: dict[str, Tensor] = field(default_factory=dict)
    round: int = 0

    @property
    def evaluated(self) -> nn.Module:
        """What is evaluated and kept: the running average where there is one, else the network."""
        return self.network if self.average is None else self.average.module


@dataclass(frozen=True)
class TrainingData:
    """What does not change: the faces of Training with soft labels (N, classes), PublicTest, teachers from outside.

    With a bank its logits stand in for teachers.
    """

    faces: Dataset
    labels: Tensor
    public: Dataset
    teachers: Sequence[Teacher] = ()
    bank: Bank | None = None


@dataclass(frozen=True)
class Batch:
    """Grey faces (N, 1, S, S) in [0, 1] and their soft labels (N, classes), on one device.

    teacher_logits (teachers, N, classes) where they come from a bank.
    """

    faces: Tensor
    labels: Tensor
    teacher_logits: Tensor | None = None

    def share(self, rows: slice) -> Batch:
        """These rows of the batch."""
        logits = None if self.teacher_logits is None else self.teacher_logits[:, rows]
        return Batch(self.faces[rows], self.labels[rows], logits)


def _stride_before_pointwise(network: nn.Module) -> None:
    """Let 1x1 convolutions with a stride apply it to their input first, which gives the same.

    The gradient of LCNN's, 8 channels with stride 2 and channels last, crashes torch 2.13.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.stride != (1, 1):
            down, right = module.stride
            module.register_forward_pre_hook(lambda _, inputs, y=down, x=right: (inputs[0][:, :, ::y, ::x],))
            module.stride = (1, 1)


def start(arch: Arch, recipe: Recipe, device: str = "cpu") -> State:
    """A fresh network of `arch` before the first epoch."""
    network = arch.build()
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload] # benchmarks/tables/training.md
    _stride_before_pointwise(network)
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True  # a third of a batch's time is ReLUs' fresh memory (benchmarks/tables/training.md)
        if isinstance(module, nn.Dropout):
            module.p *= recipe.dropout_scale
    average = running_average(network, recipe.average) if recipe.average else None
    return State(network, _optimizer(network, recipe), average)


def running_average(network: nn.Module, decay: float) -> AveragedModel:
    """The average of a network's weights and statistics over its steps, with less decay in the first ones.

    They go by TensorFlow's ExponentialMovingAverage with num_updates. A short training would else keep much of the
    weights that it began with: with 0.999 throughout, 80 steps leave 92 % of them.
    """

    def update(averages: Tensors, weights: Tensors, steps: Tensor | int) -> None:
        done = int(average.n_averaged)  # the same as steps, but never on a GPU, which would have to be waited for
        mean = get_ema_multi_avg_fn(min(decay, (1 + done) / (10 + done)))  # type: ignore[no-untyped-call]
        mean(averages, weights, steps)

    average = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
    return average


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "muon":
        return Muon(parameter_groups(network, recipe.lr, recipe.weight_decay), recipe.lr, recipe.momentum)
    without_decay = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": without_decay, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, recipe.lr)
    return torch.optim.SGD(groups, recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)


def start_from(state: State, tensors: dict[str, Tensor]) -> None:
    """Let a network that is not trained yet, and its running average, start from these weights."""
    state.network.load_state_dict(tensors)
    state.evaluated.load_state_dict(tensors)


def next_round(state: State, plan: Plan) -> None:
    """The best student becomes the teacher; its successor starts from its weights, or afresh (EAN, section 3.3)."""
    number, best = state.round + 1, state.best
    torch.manual_seed(plan.seed + number)
    fresh = start(plan.arch, plan.recipe, plan.device)
    if plan.recipe.hand_over:
        start_from(fresh, best)
    state.network, state.optimizer, state.average = fresh.network, fresh.optimizer, fresh.average
    state.round, state.teacher = number, best


def epochs(state: State, plan: Plan, data: TrainingData, tick: Callable[[float], None]) -> Iterator[Epoch]:
    """Run the epochs that are left, one per step of the iterator; `tick` is called with the loss of each batch."""
    model = parallel.data_parallel(state.network, plan.device)
    while not schedule.is_over(plan.recipe, state.curve, state.round):
        if schedule.round_over(plan.recipe, state.curve, state.round):
            next_round(state, plan)
            model = parallel.data_parallel(state.network, plan.device)
        began, number = time.perf_counter(), len(state.curve)
        lr = schedule.learning_rate(plan.recipe, schedule.epochs_of_round(state.curve, state.round), state.round, 0.0)
        loss, right = _one_epoch(state, model, plan, data, tick)
        _require_finite(state, number + 1)
        public = parallel.of_main_process(lambda: evaluation.accuracy_and_nll(state.evaluated, data.public, plan.arch))
        took = time.perf_counter() - began
        epoch = Epoch(number + 1, lr, loss, 100 * right, 100 * public[0], took, state.round, public[1])
        state.curve.append(epoch)
        if schedule.chosen_epoch(plan.recipe, state.curve) is epoch:
            state.best = parallel.of_main_process(lambda: _copied(state.evaluated))
        yield epoch


def _require_finite(state: State, epoch: int) -> None:
    """Raise Diverged where the last step of an epoch, whose loss no batch has shown, left weights that are none."""
    for network in {state.network, state.evaluated}:
        broken = [name for name, value in network.state_dict().items() if not value.isfinite().all()]
        if broken:
            raise Diverged(f"{len(broken)} tensors ({broken[0]}) are nan or infinite at the end of epoch {epoch}")


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _teachers(state: State, plan: Plan, data: TrainingData) -> list[Teacher]:
    """The teachers of this round: those from outside, and the best student of the rounds before."""
    if not plan.recipe.alpha:
        return []
    teachers = list(data.teachers)
    if state.teacher:
        network = plan.arch.build()
        network.load_state_dict(state.teacher)
        teachers.append(Teacher(plan.arch, network.eval().to(plan.device)))
    return teachers


def step(
    state: State,
    model: nn.Module,
    recipe: Recipe,
    arch: Arch,
    teachers: Sequence[Teacher],
    batch: Batch,
    weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Learn from one batch, or a share of it: its mean loss, and the logits (N, classes) before, on its device.

    model is the state's network as parallel.data_parallel gives it; weight is of a share (parallel.Share).
    """
    with precision(recipe.precision, batch.faces.device):
        logits = model(to_channels(batch.faces, arch).contiguous(memory_format=torch.channels_last)).float()
    with precision(recipe.teacher_precision, batch.faces.device):
        probabilities = None
        if batch.teacher_logits is not None:
            probabilities = losses.mean_probabilities(batch.teacher_logits, recipe.temperature)
        elif teachers:
            probabilities = losses.teacher_probabilities(teachers, batch.faces, recipe.temperature)
    loss = losses.loss(logits, batch.labels, probabilities, recipe)
    state.optimizer.zero_grad()
    (loss * weight).backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    if state.average is not None:
        state.average.update_parameters(state.network)
    return loss.detach(), logits.detach()


def _batch(plan: Plan, data: TrainingData, epoch: int, index: Tensor, generator: torch.Generator) -> Batch:
    """The faces `index` of Training as the recipe shows them, or as the bank did, on the device."""
    device = torch.device(plan.device)
    faces, labels = grey(data.faces.pixels[index.numpy()], device), data.labels[index].to(device)
    if data.bank is not None:
        return Batch(data.bank.view(epoch, faces, index), labels, data.bank.teacher_logits(epoch, index).to(device))
    faces = augment(faces, plan.arch.crop, plan.recipe.augmentation, generator)
    return Batch(*mix(faces, labels, plan.recipe.mixup, generator))


def _one_epoch(
    state: State, model: nn.Module, plan: Plan, data: TrainingData, tick: Callable[[float], None]
) -> tuple[float, float]:
    """Mean loss and accuracy of one pass over the training faces."""
    recipe, earlier = plan.recipe, schedule.epochs_of_round(state.curve, state.round)
    teachers = _teachers(state, plan, data)
    seed = plan.seed * EPOCH_SEEDS + len(state.curve)
    torch.manual_seed(seed + parallel.rank() * RANK_SEEDS)  # dropout
    generator = torch.Generator().manual_seed(seed)  # order and augmentation
    order = torch.randperm(len(data.faces), generator=generator)
    if recipe.balanced:
        order = torch.from_numpy(schedule.balanced_order(data.faces.labels, plan.seed, len(state.curve)))
    steps = math.ceil(len(order) / recipe.batch)
    state.network.train()
    total, right = 0.0, 0.0
    for number in range(steps):
        index = order[number * recipe.batch : (number + 1) * recipe.batch]
        for group in state.optimizer.param_groups:
            rate = schedule.learning_rate(recipe, earlier, state.round, (number + 1) / steps)
            group["lr"] = rate * group.get("share", 1.0)  # Muon's matrices have a share of it
        batch = _batch(plan, data, len(state.curve), index, generator)
        share = parallel.share_of(len(index))
        mean, logits = step(state, model, recipe, plan.arch, teachers, batch.share(share.rows), share.weight)
        loss, answers = mean.item(), logits.argmax(1).cpu().numpy()
        if share.weight and not math.isfinite(loss):
            rate = state.optimizer.param_groups[0]["lr"]
            raise Diverged(
                f"the loss is {loss} in epoch {len(state.curve) + 1}, batch {number + 1} of {steps}, rate {rate:g}"
            )
        if share.weight:
            total += loss * len(answers)
            right += int((answers == data.faces.labels[index[share.rows].numpy()]).sum())
        tick(loss)
    total, right = parallel.all_reduce_sum(total, right)
    return total / len(order), right / len(order)
