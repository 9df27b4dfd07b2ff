"""EAN's iteration: who teaches, who hands over weights, when it ends, and that it resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset
from edgefer.data.load import load
from edgefer.runtime.training_record import Epoch
from edgefer.training import loop, recipes, run
from tests.made import write_csv

EAN = get_arch("ean")
TWO = replace(
    recipes.get_recipe("iterative"),
    epochs=2,
    batch=16,
    lr=0.1,
    rounds=2,
    round_epochs=2,
    patience=0,
    average=0.9,
    schedule="linear",
)
PLAN = recipes.Plan(EAN, TWO, seed=3, threads=1)
SILENT = run.Listener(lambda _: None, lambda _: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", {"Training": 12, "PublicTest": 8}))


class Killed(Exception):
    """Stands for a kill between two epochs."""


def test_resumes_in_the_middle_of_a_round(data: Dataset, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    record = run.train(PLAN, data, whole, SILENT)
    assert record.curve[-1].round >= 1

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 3:  # the first of round 1
            raise Killed

    with pytest.raises(Killed):
        run.train(PLAN, data, cut, run.Listener(stop, lambda _: None))
    run.train(PLAN, data, cut, SILENT)
    assert (cut / "ean.safetensors").read_bytes() == (whole / "ean.safetensors").read_bytes()


@pytest.mark.parametrize("hand_over", [True, False])
def test_next_round_starts_from_the_best_weights_or_afresh(hand_over: bool) -> None:
    plan = replace(PLAN, recipe=replace(TWO, hand_over=hand_over))
    torch.manual_seed(0)
    state = loop.start(EAN, plan.recipe)
    state.best = {name: torch.full_like(value, 2) for name, value in state.network.state_dict().items()}
    before = state.best
    loop.next_round(state, plan)
    assert state.round == 1 and state.teacher is before
    for network in (state.network, state.evaluated):
        same = [torch.equal(value, before[name]) for name, value in network.state_dict().items()]
        assert all(same) if hand_over else not any(same)


def test_teacher_of_a_round_is_the_best_of_the_rounds_before(data: Dataset) -> None:
    training_data = loop.TrainingData(data.split("Training"), torch.empty(0), data.split("PublicTest"))
    torch.manual_seed(0)
    state = loop.start(EAN, TWO)
    assert loop._teachers(state, PLAN, training_data) == []
    state.best = {name: value.clone() for name, value in state.network.state_dict().items()}
    loop.next_round(state, PLAN)
    (teacher,) = loop._teachers(state, PLAN, training_data)
    assert all(torch.equal(v, state.teacher[k]) for k, v in teacher.network.state_dict().items())
    assert not teacher.network.training


def test_average_is_what_is_kept(data: Dataset, tmp_path: Path) -> None:
    plan = replace(PLAN, recipe=replace(TWO, rounds=0, average=0.5))
    torch.manual_seed(plan.seed)
    state = loop.start(EAN, plan.recipe)
    labels = torch.nn.functional.one_hot(torch.from_numpy(data.split("Training").labels), 7).float()
    training_data = loop.TrainingData(data.split("Training"), labels, data.split("PublicTest"))
    next(loop.epochs(state, plan, training_data, lambda _: None))
    assert state.evaluated is not state.network
    mine, averaged = state.network.state_dict(), state.evaluated.state_dict()
    assert not torch.equal(mine["stem.0.weight"], averaged["stem.0.weight"])
    assert torch.equal(state.best["stem.0.weight"], averaged["stem.0.weight"])
