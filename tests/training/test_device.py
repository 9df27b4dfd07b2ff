"""Training off the CPU. No GPU is at hand here: torch's meta device has shapes and no values, and like a GPU refuses
to compute with a tensor that was left on the CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset
from edgefer.data.load import load
from edgefer.runtime.errors import BadSetting
from edgefer.training import loop, losses, recipes, run
from edgefer.training.augment import mix
from tests.made import write_csv

META = torch.device("meta")
SILENT = run.Listener(lambda _: None, lambda _: None)
EAN = get_arch("ean")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", {"Training": 4, "PublicTest": 2}))


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_whole_step_is_on_the_device(name: str, data: Dataset) -> None:
    recipe = replace(recipes.get_recipe(name), precision="float32", teacher_precision="float32")  # meta has no autocast
    plan = recipes.Plan(EAN, recipe, 0, 1, device="meta")
    training_data = loop.TrainingData(data.split("Training"), torch.rand(28, 7), data.split("PublicTest"))
    state = loop.start(EAN, recipe, "meta")
    batch = loop._batch(plan, training_data, 0, torch.arange(8), torch.Generator().manual_seed(0))
    teachers = [losses.Teacher(EAN, EAN.build().to(META).eval())] if recipe.alpha else []
    loss, out = loop.step(state, state.network, recipe, EAN, teachers, batch)
    assert {batch.faces.device, batch.labels.device, loss.device, out.device} == {META}
    assert {value.device for value in state.evaluated.state_dict().values()} == {META}


def test_a_tensor_left_on_the_cpu_is_an_error(data: Dataset) -> None:
    recipe = recipes.get_recipe("plain")
    state = loop.start(EAN, recipe, "meta")
    left = loop.Batch(torch.rand(8, 1, 44, 44), torch.rand(8, 7))
    with pytest.raises(RuntimeError, match="meta"):
        loop.step(state, state.network, recipe, EAN, [], left)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="sees no CUDA GPU"):
        run.train(recipes.Plan(EAN, recipes.get_recipe("plain"), 0, 1, device="cuda"), data, tmp_path, SILENT)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_trains_on_a_gpu(data: Dataset, tmp_path: Path) -> None:
    short = replace(recipes.get_recipe("plain"), epochs=2, batch=8)
    record = run.train(recipes.Plan(EAN, short, 0, 1, device="cuda"), data, tmp_path, SILENT)
    assert record.gpu and record.command.endswith("--device cuda")


def test_mixed_labels_say_what_is_in_the_picture() -> None:
    """One pixel a class: a mixed image holds as much of each class as its label says."""
    labels = torch.eye(7)
    faces = labels.view(7, 1, 1, 7)
    mixed, soft = mix(faces, labels, 0.4, torch.Generator().manual_seed(1))
    assert torch.equal(mixed.view(7, 7), soft) and not torch.equal(soft, labels)
    assert torch.allclose(soft.sum(1), torch.ones(7)) and torch.allclose(soft.sum(0), torch.ones(7))
    again: tuple[Tensor, Tensor] = mix(faces, labels, 0.4, torch.Generator().manual_seed(1))
    assert torch.equal(again[0], mixed)
    assert mix(faces, labels, 0.0, torch.Generator()) == (faces, labels)


def test_bfloat16_is_computed_with(data: Dataset) -> None:
    """Its rounding is seen, and the weights stay float32."""
    plan = recipes.Plan(EAN, recipes.get_recipe("plain"), 0, 1)
    training_data = loop.TrainingData(data.split("Training"), torch.rand(28, 7), data.split("PublicTest"))
    batch = loop._batch(plan, training_data, 0, torch.arange(8), torch.Generator().manual_seed(0))
    logits = []
    for precision in recipes.PRECISIONS:
        torch.manual_seed(0)
        recipe = replace(plan.recipe, precision=precision)
        state = loop.start(EAN, recipe)
        logits.append(loop.step(state, state.network, recipe, EAN, [], batch)[1])
        assert {p.dtype for p in state.network.parameters()} == {torch.float32}
    float32, bfloat16 = logits
    assert not torch.equal(float32, bfloat16) and torch.allclose(float32, bfloat16, atol=0.1)
