"""A bank of teacher logits: equal to live teachers, resumable, and refused where it does not belong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset
from edgefer.data.load import load
from edgefer.runtime import records
from edgefer.runtime.errors import BadBank, BadSetting, MissingFile
from edgefer.runtime.files import locked, sha256
from edgefer.runtime.training_record import Epoch, TrainingRecord
from edgefer.training import losses, recipes, run
from edgefer.training.augment import grey, view
from edgefer.training.bank import BankSettings, build_bank, open_bank, settings_of
from edgefer.training.recipes import Augmentation, Plan
from tests.made import untrained, write_csv

EAN = get_arch("ean")
HOW = [Augmentation(rotation=10, scale=0.1), Augmentation(15, 0.2, 0.4, 0.15, 0.5), Augmentation(scale=0.1)]
SILENT = run.Listener(lambda _: None, lambda _: None)
RECIPE = replace(recipes.get_recipe("edgefer-bank"), epochs=4, batch=16, warmup=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", {"Training": 6, "PublicTest": 2}))


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("teachers")
    paths = []
    for number, name in enumerate(("ean", "lcnn")):
        paths.append(folder / f"{name}.safetensors")
        tensors = {key: value.contiguous() for key, value in untrained(name, number).state_dict().items()}
        save_file(tensors, paths[-1], metadata={"arch": name})
    return tuple(paths)


def make(data: Dataset, teachers: tuple[Path, ...], out: Path, how: list[Augmentation] = HOW) -> BankSettings:
    faces = data.split("Training")
    settings = settings_of(EAN, faces, teachers, how, 3, "float32")
    build_bank(settings, faces, losses.load_teachers(teachers, EAN, "cpu"), out)
    return settings


@pytest.fixture(scope="module")
def bank(data: Dataset, teachers: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bank") / "bank.safetensors"
    make(data, teachers, out)
    return out


def test_its_logits_are_those_of_live_teachers_within_the_rounding_of_float16(
    data: Dataset, teachers: tuple[Path, ...], bank: Path
) -> None:
    faces = data.split("Training")
    opened = open_bank(bank, faces, EAN)
    live = losses.load_teachers(teachers, EAN, "cpu")
    index = torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))[:9]
    for epoch in (0, 1, 2, 4):
        shown = opened.view(epoch, grey(faces.pixels[index.numpy()]), index)
        stored = opened.teacher_logits(epoch, index)
        assert shown.shape == (9, 1, 44, 44) and stored.shape == (2, 9, 7)
        for logits, teacher in zip(stored, live, strict=True):
            assert torch.allclose(logits, losses.teacher_logits(teacher, shown), rtol=2e-3, atol=2e-3)
        one, two = (losses.mean_probabilities(stored, 2.0), losses.teacher_probabilities(live, shown, 2.0))
        assert torch.allclose(one, two, atol=1e-3)
    assert torch.equal(opened.teacher_logits(1, index), opened.teacher_logits(4, index))  # view epochs come again


def test_a_face_has_random_numbers_of_its_own_in_each_view_epoch(data: Dataset, bank: Path) -> None:
    faces = data.split("Training")
    opened = open_bank(bank, faces, EAN)
    pixels = grey(faces.pixels[:])
    index = torch.tensor([4, 1, 30])
    together = opened.view(0, pixels[index], index)
    for number, row in enumerate(index):
        alone = opened.view(0, pixels[row : row + 1], index[number : number + 1])
        assert torch.allclose(alone[0], together[number], atol=1e-6)
    same = pixels[:1].repeat(2, 1, 1, 1)
    assert not torch.allclose(*opened.view(0, same, torch.tensor([0, 1])))
    assert not torch.allclose(opened.view(0, same[:1], index[:1]), opened.view(2, same[:1], index[:1]))


def test_no_face_is_in_it(data: Dataset, bank: Path) -> None:
    assert {name: tuple(value.shape) for name, value in load_file(bank).items()} == {"logits": (2, 3, 42, 7)}
    assert bank.stat().st_size < 2 * 3 * 42 * 7 * 2 + 3000
    assert [path.name for path in bank.parent.iterdir()] == [bank.name]


def test_a_stopped_build_goes_on(data: Dataset, teachers: tuple[Path, ...], tmp_path: Path, bank: Path) -> None:
    faces, out = data.split("Training"), tmp_path / "bank.safetensors"
    settings, live = settings_of(EAN, faces, teachers, HOW, 3, "float32"), losses.load_teachers(teachers, EAN, "cpu")

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_bank(settings, faces, live, out, stop)
    assert not out.exists()
    first = tmp_path / ".bank.safetensors.parts" / "0.safetensors"
    written = first.stat().st_mtime_ns
    seen: list[int] = []

    def note(done: int, _total: int) -> None:
        seen.append(first.stat().st_mtime_ns if first.exists() else 0)

    build_bank(settings, faces, live, out, note)
    assert seen == [written] * 3
    assert out.read_bytes() == bank.read_bytes()


def test_a_build_of_other_settings_does_not_go_on(data: Dataset, teachers: tuple[Path, ...], tmp_path: Path) -> None:
    faces, out = data.split("Training"), tmp_path / "bank.safetensors"
    records.write(
        tmp_path / ".bank.safetensors.parts" / "settings.json", settings_of(EAN, faces, teachers, HOW, 4, "float32")
    )
    with pytest.raises(BadBank, match="another seed, which was not finished: remove it"):
        make(data, teachers, out)


def test_two_builds_of_one_bank_at_once_are_refused(data: Dataset, teachers: tuple[Path, ...], tmp_path: Path) -> None:
    parts = tmp_path / ".bank.safetensors.parts"
    parts.mkdir()
    with locked(parts), pytest.raises(BadBank, match="another process is building"):
        make(data, teachers, tmp_path / "bank.safetensors")


def test_a_training_on_it_resumes_exactly(data: Dataset, bank: Path, tmp_path: Path) -> None:
    plan = Plan(EAN, RECIPE, seed=1, threads=1, bank=bank)
    whole = run.train(plan, data, tmp_path / "whole", SILENT)

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(plan, data, tmp_path / "cut", run.Listener(stop, lambda _: None))
    cut = run.train(plan, data, tmp_path / "cut", SILENT)
    assert cut.weights_sha256 == whole.weights_sha256
    assert whole.best_epoch == 4  # choose=last
    assert whole.teachers[0] == {"file": bank.name, "sha256": sha256(bank)}
    assert [each["file"] for each in whole.teachers[1:]] == ["ean.safetensors", "lcnn.safetensors"]
    assert "--bank bank.safetensors" in whole.command
    assert records.read(TrainingRecord, tmp_path / "whole" / "ean.json") == whole
    assert "the last of 4 epochs was kept" in (tmp_path / "whole" / "ean.md").read_text()


def _cut(bank: Path, data: Dataset) -> Dataset:
    bank.write_bytes(bank.read_bytes()[:-100])
    return data


def _flip(bank: Path, data: Dataset) -> Dataset:
    content = bytearray(bank.read_bytes())
    content[-50] ^= 1
    bank.write_bytes(content)
    return data


def _foreign(bank: Path, data: Dataset) -> Dataset:
    save_file({"logits": torch.zeros(1)}, bank)
    return data


def _other_faces(_bank: Path, data: Dataset) -> Dataset:
    pixels = data.pixels[:].copy()
    pixels[0, 0, 0] ^= 1
    return replace(data, pixels=pixels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_cut, "no whole bank"),
        (_flip, "does not hold the logits that it was written with"),
        (_foreign, "is not JSON"),
        (_other_faces, "a bank of other faces"),
    ],
)
def test_what_is_no_bank_of_these_faces_is_refused(
    change: Callable[[Path, Dataset], Dataset], message: str, data: Dataset, bank: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "bank.safetensors"
    copy.write_bytes(bank.read_bytes())
    changed = change(copy, data)
    with pytest.raises(BadBank, match=message) as failure:
        run.train(Plan(EAN, RECIPE, seed=1, threads=1, bank=copy), changed, tmp_path / "out", SILENT)
    assert str(copy) in str(failure.value) and failure.value.exit_code == 28


def test_another_crop_is_refused(data: Dataset, bank: Path) -> None:
    with pytest.raises(BadBank, match="another crop"):
        open_bank(bank, data.split("Training"), replace(EAN, crop=40))
    with pytest.raises(MissingFile, match="`edgefer bank` makes one"):
        open_bank(bank.with_name("none"), data.split("Training"), EAN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: replace(plan, teachers=(Path("a"),)), "leave --teacher out"),
        (lambda plan: replace(plan, recipe=replace(RECIPE, mixup=0.2)), "mixup=0"),
        (lambda plan: replace(plan, recipe=replace(RECIPE, alpha=0.0)), "alpha is 0"),
    ],
)
def test_what_does_not_go_with_a_bank(change: Callable[[Plan], Plan], message: str, bank: Path) -> None:
    with pytest.raises(BadSetting, match=message):
        recipes.check_teachers(change(Plan(EAN, RECIPE, seed=1, threads=1, bank=bank)))


def test_a_bank_needs_teachers_and_views_that_are_sampled(data: Dataset, teachers: tuple[Path, ...]) -> None:
    faces = data.split("Training")
    with pytest.raises(BadSetting, match="at least one with --teacher"):
        settings_of(EAN, faces, (), HOW, 0, "float32")
    for how in ([], [Augmentation()]):
        with pytest.raises(BadSetting, match="a rotation or a scale"):
            settings_of(EAN, faces, teachers, how, 0, "float32")


def test_view_is_what_live_augmentation_shows(data: Dataset) -> None:
    """One piece of code varies faces: the same draws give the same view."""
    from edgefer.training.augment import augment, draw

    faces = grey(data.pixels[:8])
    for how in HOW:
        live = augment(faces, 44, how, torch.Generator().manual_seed(5))
        assert torch.equal(live, view(faces, 44, how, draw(how, 8, torch.Generator().manual_seed(5))))
