"""Training: learns, resumes exactly, and refuses what does not belong together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.utils import deterministic as torch_deterministic

from edgefer.arch import get_arch
from edgefer.benchmark import torch_worker
from edgefer.data.dataset import Dataset
from edgefer.data.load import load
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.targets import get_target
from edgefer.runtime import records, verify
from edgefer.runtime.bench_record import Settings
from edgefer.runtime.errors import BadCheckpoint, BadWeights, Diverged, EmptyData, MissingFile, OutputFailed
from edgefer.runtime.files import sha256, shipped_folder
from edgefer.runtime.training_record import Epoch, TrainingRecord
from edgefer.training import evaluation, loop, model_card, recipes, run, weights
from tests.made import write_csv, write_weights

EAN = get_arch("ean")
SHORT = replace(recipes.get_recipe("plain"), epochs=3, batch=16, warmup=1)
PLAN = recipes.Plan(EAN, SHORT, seed=7, threads=1)
SILENT = run.Listener(lambda _: None, lambda _: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(
        write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", {"Training": 12, "PublicTest": 4, "PrivateTest": 4})
    )


@pytest.fixture(scope="module")
def trained(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingRecord]:
    out = tmp_path_factory.mktemp("trained")
    return out, run.train(PLAN, data, out, SILENT)


def test_leaves_weights_record_and_curves(trained: tuple[Path, TrainingRecord]) -> None:
    out, record = trained
    assert sorted(p.name for p in out.iterdir()) == ["ean.json", "ean.md", "ean.png", "ean.safetensors"]
    assert records.read(TrainingRecord, out / "ean.json") == record
    assert weights.load_trained_model(EAN, out / "ean.safetensors").record == record
    assert [e.epoch for e in record.curve] == [1, 2, 3]
    assert record.curve[0].loss > record.curve[-1].loss
    assert record.public.accuracy == pytest.approx(max(e.public_accuracy for e in record.curve), abs=1e-3)
    assert record.private is not None and record.private.images == 28
    assert (out / "ean.png").read_bytes().startswith(b"\x89PNG")


def test_leaves_torch_as_it_was(data: Dataset, tmp_path: Path) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    assert torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(3)
    try:
        run.train(replace(PLAN, recipe=replace(SHORT, epochs=1)), data, tmp_path, SILENT)
        assert torch.get_num_threads() == 3
        assert torch.are_deterministic_algorithms_enabled() == before[1]
        assert torch_deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    finally:
        torch.set_num_threads(before[0])


class Killed(Exception):
    """Stands for a kill between two epochs."""


def test_resumed_training_gives_the_weights_of_an_uninterrupted_one(
    data: Dataset, trained: tuple[Path, TrainingRecord], tmp_path: Path
) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        run.train(PLAN, data, tmp_path, run.Listener(stop, lambda _: None))
    assert [p.name for p in tmp_path.iterdir()] == ["ean.checkpoint"]
    epochs: list[int] = []
    run.train(PLAN, data, tmp_path, run.Listener(lambda e: epochs.append(e.epoch), lambda _: None))
    assert epochs == [1, 2, 3]
    assert (tmp_path / "ean.safetensors").read_bytes() == (trained[0] / "ean.safetensors").read_bytes()


def test_a_finished_training_is_not_repeated_and_no_other_one_written_over_it(
    data: Dataset, trained: tuple[Path, TrainingRecord]
) -> None:
    out, record = trained
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    epochs: list[Epoch] = []
    notes: list[str] = []
    assert run.train(PLAN, data, out, run.Listener(epochs.append, lambda _: None, notes.append)) == record
    assert not epochs and len(notes) == 1 and "is of this training, which is finished: nothing was trained" in notes[0]
    another = r"ean\.json is of another training, .* --seed 7 --threads 1`\): choose another folder with --out"
    with pytest.raises(OutputFailed, match=another):
        run.train(replace(PLAN, seed=8), data, out, SILENT)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_training_starts_from_pretrained_weights(data: Dataset, tmp_path: Path, average: float) -> None:
    still = replace(SHORT, epochs=1, lr=0.0, average=average)
    earlier = write_weights(tmp_path / "earlier.safetensors", "ean")
    record = run.train(replace(PLAN, recipe=still, pretrained=earlier), data, tmp_path, SILENT)
    before, after = load_file(earlier), load_file(tmp_path / "ean.safetensors")
    for name, _ in EAN.build().named_parameters():
        assert torch.allclose(before[name], after[name]), name
    assert record.pretrained == {"file": "earlier.safetensors", "sha256": sha256(earlier)}
    assert "--pretrained earlier.safetensors" in record.command
    assert sha256(earlier) in (tmp_path / "ean.md").read_text()


def test_a_checkpoint_of_other_pretrained_weights_is_refused(data: Dataset, tmp_path: Path) -> None:
    def stop(_: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        run.train(PLAN, data, tmp_path, run.Listener(stop, lambda _: None))
    earlier = write_weights(tmp_path / "earlier.safetensors", "ean")
    with pytest.raises(BadCheckpoint, match="another pretrained"):
        run.train(replace(PLAN, pretrained=earlier), data, tmp_path, SILENT)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_killed_process_leaves_a_whole_checkpoint(tmp_path: Path, sign: signal.Signals) -> None:
    csv = write_csv(tmp_path / "fer2013.csv", {"Training": 30, "PublicTest": 2})
    line = [sys.executable, "-c", "from edgefer.cli import main; main()"]
    line += ["train", "--arch", "ean", "--data", str(csv), "--out", str(tmp_path / "out"), "--threads", "1"]
    process = subprocess.Popen([*line, "--epochs", "500"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "ean.checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sign)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    if sign == signal.SIGINT:
        assert "interrupted" in errors.splitlines()[-1]
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["ean.checkpoint"]
    assert torch.load(tmp_path / "out" / "ean.checkpoint", weights_only=True)["curve"]


def test_checkpoint_of_other_settings(data: Dataset, tmp_path: Path) -> None:
    def stop(_: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        run.train(PLAN, data, tmp_path, run.Listener(stop, lambda _: None))
    with pytest.raises(BadCheckpoint, match="another seed"):
        run.train(replace(PLAN, seed=8), data, tmp_path, SILENT)
    (tmp_path / "ean.checkpoint").write_bytes(b"half")
    with pytest.raises(BadCheckpoint, match="can't be read"):
        run.train(PLAN, data, tmp_path, SILENT)


def test_a_checkpoint_with_settings_of_older_names_goes_on(
    data: Dataset, trained: tuple[Path, TrainingRecord], tmp_path: Path
) -> None:
    def stop(_: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        run.train(PLAN, data, tmp_path, run.Listener(stop, lambda _: None))
    parts = torch.load(tmp_path / "ean.checkpoint", weights_only=True)
    recipe = parts["settings"]["recipe"]
    recipe["turn"], recipe["zoom"], parts["master"] = recipe.pop("rotation"), recipe.pop("scale"), parts.pop("teacher")
    torch.save(parts, tmp_path / "ean.checkpoint")
    run.train(PLAN, data, tmp_path, SILENT)
    assert (tmp_path / "ean.safetensors").read_bytes() == (trained[0] / "ean.safetensors").read_bytes()


def test_needs_every_class_and_a_public_test(tmp_path: Path) -> None:
    only = load(write_csv(tmp_path / "fer2013.csv", {"Training": 2}))
    with pytest.raises(EmptyData, match="PublicTest"):
        run.train(PLAN, only, tmp_path / "out", SILENT)
    both = load(write_csv(tmp_path / "fer2013.csv", {"Training": 2, "PublicTest": 2}))
    lacking = both.take((both.labels != 1).nonzero()[0])
    with pytest.raises(EmptyData, match="disgust"):
        run.train(PLAN, lacking, tmp_path / "out", SILENT)


def test_weights_of_another_network(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "f.safetensors", "model_f")
    with pytest.raises(BadWeights, match="another network") as failure:
        weights.load_trained_model(EAN, path)
    assert failure.value.exit_code == 8
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadWeights, match="not a whole safetensors file"):
        weights.load_trained_model(EAN, path)
    with pytest.raises(MissingFile, match="ships no weights for model_f"):
        weights.load_trained_model(get_arch("model_f"), None)


@pytest.mark.parametrize("name", ["lcnn", "microexpnet-xxs", "shufflenetv2"])
def test_network_sees_the_same_faces_in_training_and_in_its_bundle(name: str, tmp_path: Path) -> None:
    """One channel or three, from 0 or -1, of 64, 84 or 224 pixels: trained, evaluated, run eagerly, built, compared."""
    arch = get_arch(name)
    faces = load(write_csv(tmp_path / "fer2013.csv", {"Training": 2, "PublicTest": 1}), arch.resize)
    record = run.train(recipes.Plan(arch, replace(SHORT, epochs=1), seed=1, threads=1), faces, tmp_path, SILENT)
    loaded = weights.load_trained_model(arch, tmp_path / f"{name}.safetensors")
    test = faces.split("PublicTest")
    probabilities = torch.softmax(evaluation.logits(loaded.network, test, arch), 1).numpy()
    assert record.public.accuracy == pytest.approx(100 * (probabilities.argmax(1) == test.labels).mean(), abs=1e-3)
    job = BuildJob(arch, "onnx-fp32", get_target("onnx-fp32"), loaded, CalibrationOptions())
    assert np.abs(verify.run_faces(build_bundle(job, tmp_path), test.pixels) - probabilities).max() < 1e-4
    step = torch_worker.make_step(loaded.network, arch, Settings())
    assert cast(torch.Tensor, step()).shape == (1, 7)


def test_shipped_weights_match_their_record() -> None:
    shipped = weights.load_trained_model(EAN, None)
    assert shipped.record is not None
    assert shipped.record.private is not None
    assert shipped.record.private.accuracy >= 62.0
    assert shipped.record.command.startswith("edgefer train --arch ean --data fer2013.csv")


def test_shipped_weights_score_what_their_record_says(fer2013: Path) -> None:
    from edgefer.data.dataset import unseen_rows
    from edgefer.runtime.metrics import score

    data = load(fer2013)
    shipped = weights.load_trained_model(EAN, None)
    assert shipped.record is not None and shipped.record.private is not None
    test = data.split("PrivateTest")
    scores = score(evaluation.logits(shipped.network, test, EAN).numpy(), test, unseen_rows(test, data))
    assert scores.accuracy == pytest.approx(shipped.record.private.accuracy, abs=0.06)  # two images
    assert scores.unseen_images == 3589 - 288


@pytest.mark.parametrize("path", sorted(shipped_folder("weights").glob("*.safetensors")), ids=lambda path: path.stem)
def test_shipped_weights_have_their_model_card(path: Path) -> None:
    record = records.read(TrainingRecord, path.with_suffix(".json"))
    assert weights.load_trained_model(get_arch(path.stem), path).record == record
    assert path.with_suffix(".md").read_text() == model_card.render(record)
    assert path.with_suffix(".png").is_file()


def test_model_card_holds_what_the_record_does(trained: tuple[Path, TrainingRecord]) -> None:
    out, record = trained
    text = (out / "ean.md").read_text()
    assert record.private is not None and record.private.confusion is not None
    for word in (
        record.command,
        f"{record.private.accuracy:.2f} %",
        record.data["sha256"],
        "must not",
        "label noise",
    ):
        assert word in text, word
    for name, recall in record.private.recall.items():
        assert any(line.startswith(f"| {name} |") and f"{recall:.2f} %" in line for line in text.splitlines())


def test_balanced_classes_are_drawn_equally_often(tmp_path: Path) -> None:
    """Of 7 classes one has a tenth of the others' images; a balanced epoch still learns from as many of each."""
    whole = load(write_csv(tmp_path / "fer2013.csv", {"Training": 20, "PublicTest": 2}))
    rare = whole.take(np.flatnonzero((whole.labels != 1) | (np.arange(len(whole)) < 14)))
    seen: list[float] = []
    plan = replace(PLAN, recipe=replace(SHORT, balanced=True, epochs=1))
    record = run.train(plan, rare, tmp_path / "out", run.Listener(lambda _: None, seen.append))
    assert len(seen) == -(-len(rare.split("Training")) // SHORT.batch)
    assert record.recipe["balanced"] is True


def test_weights_file_holds_tensors_only(trained: tuple[Path, TrainingRecord]) -> None:
    assert load_file(trained[0] / "ean.safetensors").keys() == EAN.build().state_dict().keys()


def test_a_rate_that_is_too_high_stops_at_the_first_loss_that_is_no_number(data: Dataset, tmp_path: Path) -> None:
    wild = replace(PLAN, recipe=replace(SHORT, lr=1e9, warmup=0))
    with pytest.raises(
        Diverged, match=r"the loss is (nan|inf) in epoch 1, batch \d of 6, rate .*: nothing was written"
    ):
        run.train(wild, data, tmp_path, SILENT)
    assert list(tmp_path.iterdir()) == []


def test_what_was_good_before_a_divergence_is_kept(data: Dataset, tmp_path: Path) -> None:
    states: list[loop.State] = []

    def spoil(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            next(states[0].network.parameters()).data.fill_(float("nan"))

    start = loop.start

    def started(*given: Any) -> loop.State:
        states.append(start(*given))
        return states[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "start", started)
        with pytest.raises(
            Diverged, match=r"the loss is nan in epoch 3, batch 1 of 6, rate .*: ean.checkpoint has epoch 2"
        ):
            run.train(PLAN, data, tmp_path, run.Listener(spoil, lambda _: None))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ean.best.safetensors", "ean.checkpoint"]
    weights.load_trained_model(EAN, tmp_path / "ean.best.safetensors")
    record = run.train(PLAN, data, tmp_path, SILENT)  # what spoilt it is gone
    assert len(record.curve) == 3 and not (tmp_path / "ean.best.safetensors").exists()


def test_weights_that_the_last_step_spoilt_are_not_kept(data: Dataset, tmp_path: Path) -> None:
    once = replace(PLAN, recipe=replace(SHORT, lr=1e30, warmup=0, batch=1000, schedule="plateau", weight_decay=0.0))
    with pytest.raises(Diverged, match=r"epoch [12]"):
        run.train(once, data, tmp_path, SILENT)
    assert not (tmp_path / "ean.safetensors").exists()


def cut_off(plan: recipes.Plan, data: Dataset, out: Path) -> None:
    """A training that was killed after its first epoch."""

    def stop(_: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        run.train(plan, data, out, run.Listener(stop, lambda _: None))


def test_a_checkpoint_says_which_setting_differs(data: Dataset, tmp_path: Path) -> None:
    cut_off(PLAN, data, tmp_path)
    other = replace(PLAN, seed=8, recipe=replace(SHORT, lr=0.3, batch=8))
    with pytest.raises(BadCheckpoint) as caught:
        run.train(other, data, tmp_path, SILENT)
    told = "another recipe (batch 16 there, 8 now, lr 0.2 there, 0.3 now); seed 7 there, 8 now: use the same settings"
    assert told in str(caught.value)


def test_more_epochs_where_the_schedule_does_not_depend_on_them(data: Dataset, tmp_path: Path) -> None:
    steady = replace(PLAN, recipe=replace(SHORT, schedule="plateau", epochs=2))
    cut_off(steady, data, tmp_path)
    longer = replace(steady, recipe=replace(steady.recipe, epochs=3))
    assert len(run.train(longer, data, tmp_path, SILENT).curve) == 3
    run.train(longer, data, tmp_path / "whole", SILENT)
    assert (tmp_path / "ean.safetensors").read_bytes() == (tmp_path / "whole" / "ean.safetensors").read_bytes()


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_no_more_epochs_where_it_does(data: Dataset, tmp_path: Path, schedule: str) -> None:
    plan = replace(PLAN, recipe=replace(SHORT, schedule=schedule))
    cut_off(plan, data, tmp_path)
    with pytest.raises(BadCheckpoint, match=rf"epochs 3 there, 4 now: the rate of the schedule {schedule} is zero at"):
        run.train(replace(plan, recipe=replace(plan.recipe, epochs=4)), data, tmp_path, SILENT)
