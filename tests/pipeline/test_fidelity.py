"""How a built file is judged beside its float network: the figures, the limits, and what a build does with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgefer.arch import get_arch
from edgefer.data.dataset import SYNTHETIC_SOURCE, Dataset, other_synthetic_faces, synthetic_faces
from edgefer.data.listing import ReadOptions
from edgefer.data.load import load
from edgefer.pipeline import built_file, calibration, fidelity
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.bundle_readme import render_readme
from edgefer.pipeline.calibration import CalibrationRecord
from edgefer.pipeline.export import import_exporter
from edgefer.pipeline.fidelity import Circumstances, compare, judge, wilson_interval
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import engines, records
from edgefer.runtime.bundle import CALIBRATION, README, read_bundle
from edgefer.runtime.errors import AccuracyDropped, BadCalibration, BadData, ExportFailed
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.manifest import Fidelity
from edgefer.training import weights
from tests.made import write_csv

EAN = get_arch("ean")
INT8 = get_target("onnx-int8").limits
WHEN = Circumstances(INT8, several_classes=True)


@pytest.fixture(scope="module")
def float_model() -> FloatModel:
    return FloatModel(EAN, weights.load_trained_model(EAN, None))


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(write_csv(tmp_path_factory.mktemp("faces") / "fer2013.csv", {"Training": 40}))


def job(
    float_model: FloatModel, options: CalibrationOptions, accept: bool = False, name: str = "onnx-int8"
) -> BuildJob:
    return BuildJob(EAN, name, get_target(name), float_model.weights, options, accept)


def random_answers(seed: int, count: int = 300, classes: int = 7) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).dirichlet(np.ones(classes) * 0.3, count)
    return drawn.astype(np.float32)


def figures(answers: NDArray[np.float32], baseline: NDArray[np.float32], source: str = "f.csv") -> Fidelity:
    return compare(answers, baseline, target="onnx-int8", engine="E 1", source=source)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_holds_the_share(counts: tuple[int, int]) -> None:
    hits, count = counts
    low, high = wilson_interval(hits, count)
    assert 0 <= low <= round(100 * hits / count, 2) <= high <= 100


def test_interval_is_wilsons() -> None:
    assert wilson_interval(81, 263) == (25.53, 36.62)  # Newcombe 1998, Table I
    assert wilson_interval(0, 20) == (0.0, 16.11)


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_a_file_that_answers_as_float_is_as_good_as_can_be(seed: int, classes: int) -> None:
    answers = random_answers(seed, 300, classes)
    same = figures(answers, answers)
    assert (same.agreement, same.rms, same.largest, same.interval[1]) == (100.0, 0.0, 0.0, 100.0)
    assert (same.spread, same.commonest) == (same.float_spread, same.float_commonest)
    assert judge("x", same, replace(WHEN, several_classes=False)) == same


def test_what_the_limits_refuse_is_told_or_accepted() -> None:
    wrong = figures(random_answers(1), random_answers(2))
    with pytest.raises(
        AccuracyDropped, match=r"x: it agrees with float on .* of 300 faces of f.csv .*--accept-loss"
    ) as told:
        judge("x", wrong, replace(WHEN, about_faces=("only 5 pictures",)))
    assert told.value.exit_code == 15
    assert "at least 93 % is allowed" in str(told.value) and "only 5 pictures" in str(told.value)
    accepted = judge("x", wrong, replace(WHEN, accept_loss=True)).accepted
    assert accepted is not None and accepted in str(told.value)


def test_a_float_network_that_hardly_varies_is_refused_only_on_faces_of_several_classes() -> None:
    constant = np.tile(random_answers(3, 1), (300, 1))
    flat = figures(constant, constant)
    with pytest.raises(AccuracyDropped, match=r"float network itself gives .*hardly vary.*range, mean"):
        judge("x", flat, WHEN)
    for other in (replace(WHEN, several_classes=False), replace(WHEN, trained=False)):
        assert judge("x", flat, other).accepted is None
    varying = replace(flat, float_spread=0.02)
    assert "one answer to 100 %" in judge("x", varying, WHEN).warnings[0]
    drawn = replace(WHEN, several_classes=False)
    assert judge("x", figures(constant, constant, SYNTHETIC_SOURCE), drawn).warnings == []


def test_few_faces_refuse_nothing_that_may_be_chance_but_are_told_of() -> None:
    baseline = random_answers(4, 10)
    answers = baseline.copy()
    answers[0] = np.roll(answers[0], 1)
    few = figures(answers * 0 + baseline, baseline)
    assert (
        judge("x", replace(few, agreement=90.0, interval=(59.6, 98.2)), WHEN).warnings[-1].startswith("only 10 faces")
    )
    with pytest.raises(AccuracyDropped, match="at least 93"):
        judge("x", replace(few, agreement=50.0, interval=(23.7, 76.3)), WHEN)


def test_probabilities_that_are_nearly_too_far_off_are_warned_of() -> None:
    near = replace(figures(random_answers(5), random_answers(5)), rms=0.03)
    assert "more than 0.025" in judge("x", near, WHEN).warnings[0]


@pytest.mark.parametrize("name", all_targets())
def test_limits_of_a_target_are_in_order(name: str) -> None:
    limits = get_target(name).limits
    assert 0 < limits.warn_rms < limits.rms <= limits.drawn_rms < 1
    assert 0 < limits.drawn_agreement <= limits.agreement <= 100


def test_other_drawn_faces_set_no_range() -> None:
    ranges = {face.tobytes() for face in synthetic_faces().pixels}
    assert not ranges & {face.tobytes() for face in other_synthetic_faces(fidelity.DRAWN).pixels}


def test_faces_judge_a_build_and_their_figures_go_with_the_ranges(
    float_model: FloatModel, faces: Dataset, tmp_path: Path
) -> None:
    built = build_bundle(
        job(float_model, CalibrationOptions(faces, count=120), True), tmp_path, float_model=float_model
    )
    measured = read_bundle(built.folder).manifest.fidelity
    assert measured is not None and (measured.faces, measured.source) == (160, "fer2013.csv")
    record = records.read(CalibrationRecord, built.path(CALIBRATION))
    assert record.fidelity == measured
    assert f"{measured.agreement:.2f} % of 160 faces of fer2013.csv" in built.path(README).read_text()

    again = job(float_model, CalibrationOptions(recorded=built.path(CALIBRATION)), True)
    second = build_bundle(again, tmp_path / "again", float_model=float_model)
    assert second.manifest.fidelity is not None and second.manifest.fidelity.source == SYNTHETIC_SOURCE
    assert records.read(CalibrationRecord, second.path(CALIBRATION)) == record
    assert second.manifest.calibration is not None
    assert second.manifest.calibration["fidelity"]["agreement"] == measured.agreement
    assert "When its ranges were recorded, the file for `onnx-int8` did so on" in render_readme(second.manifest)


def test_ranges_that_clip_are_refused_unless_that_is_accepted(float_model: FloatModel, tmp_path: Path) -> None:
    shipped = records.read(CalibrationRecord, shipped_folder("calibration") / "ean.onnx.json")
    pixels = import_exporter("onnx").input_name(float_model.model("onnx"))
    clipped = {name: (0.8 * low, 0.8 * high) for name, (low, high) in shipped.ranges.items()}
    records.write(tmp_path / "c.json", replace(shipped, ranges=clipped | {pixels: shipped.ranges[pixels]}))
    options = CalibrationOptions(recorded=tmp_path / "c.json")
    with pytest.raises(AccuracyDropped, match=f"of 256 {SYNTHETIC_SOURCE}.*at least 85 % is allowed"):
        build_bundle(job(float_model, options), tmp_path / "dist", float_model=float_model)
    assert not (tmp_path / "dist").exists()
    built = build_bundle(job(float_model, options, True), tmp_path / "dist", float_model=float_model)
    assert built.manifest.fidelity is not None and "at least 85 %" in str(built.manifest.fidelity.accepted)
    assert "**It was built with `--accept-loss`**: it agrees with float on" in built.path(README).read_text()


@pytest.mark.parametrize("how", ["run", "threads"])
def test_an_engine_that_answers_otherwise_is_a_failed_build(
    float_model: FloatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    right, runs = built_file.BuiltFile.answers, []

    def answers(built: built_file.BuiltFile, pixels: NDArray[np.uint8], model: engines.Model | None = None) -> object:
        runs.append(model)
        wrong = len(runs) == 4 if how == "run" else model not in (None, built.model)
        return right(built, pixels, model) + np.float32(0.25 * wrong)

    monkeypatch.setattr(built_file.BuiltFile, "answers", answers)
    words = (
        "with 1 thread from one run to the next, by 0.25"
        if how == "run"
        else "with 2 threads than with 1 thread, by 0.25"
    )
    with pytest.raises(ExportFailed, match=f"ean.onnx-fp32: ONNX Runtime .* answers otherwise {words}"):
        build_bundle(
            job(float_model, CalibrationOptions(), name="onnx-fp32"), tmp_path / "dist", float_model=float_model
        )
    assert not (tmp_path / "dist").exists()


def dataset(pixels: NDArray[np.uint8], classes: int = 1) -> Dataset:
    count, zeros = len(pixels), np.zeros(len(pixels), np.int64)
    names = tuple(f"c{k}" for k in range(classes))
    return Dataset("made", names, pixels, np.arange(count) % classes, zeros, np.arange(count))


def noise(count: int, high: int = 256) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, high, (count, 48, 48, 1), dtype=np.uint8)


def test_pictures_that_show_nothing_set_no_ranges(tmp_path: Path) -> None:
    black, nearly = np.zeros((21, 48, 48, 1), np.uint8), noise(21, 12)
    flat = np.tile(np.arange(60, 81, dtype=np.uint8)[:, None, None, None], (1, 48, 48, 1))
    for pixels in (black, nearly, flat):
        with pytest.raises(BadCalibration, match=r"of one colour|are the same") as told:
            calibration.choose(dataset(pixels, 7), 512, 0)
        assert told.value.exit_code == 7
    with pytest.raises(BadCalibration, match="all are the same"):
        calibration.choose(dataset(np.tile(noise(1), (21, 1, 1, 1))), 512, 0)


def test_sets_that_may_be_too_poor_are_warned_of() -> None:
    def warned(pixels: NDArray[np.uint8]) -> str:
        return "; ".join(calibration.choose(dataset(pixels), 512, 0).warnings)

    assert warned(noise(200)) == ""
    assert warned(noise(40)) == "only 30 pictures of made set the ranges, 100 or more are better"
    some = noise(200)
    some[:20] = 0
    assert "are black, nearly black or of one colour" in warned(some)
    assert "only 5 are different" in warned(np.tile(noise(5), (40, 1, 1, 1)))
    assert "all look alike" in warned(noise(1) // 2 + noise(200, 4))


@given(st.integers(2, 900), st.integers(2, 600), st.integers(1, 4), st.integers(0, 9))
def test_faces_are_divided_without_overlap(size: int, count: int, classes: int, seed: int) -> None:
    classes = min(classes, size)
    pixels = np.random.default_rng(seed).integers(0, 256, (size, 8, 8, 1), np.uint8)  # none like another, none flat
    chosen = calibration.choose(dataset(pixels, classes), count, seed)
    ranges, held_out = set(chosen.ranges.rows), set(chosen.held_out.rows)
    assert not ranges & held_out
    assert len(ranges) == min(count, size - max(min(512, size - count), min(512, size // 4), 0))
    assert len(held_out) == min(512, max(size - count, size // 4))


def test_a_flat_folder_calibrates_and_is_refused_otherwise(tmp_path: Path) -> None:
    for index, picture in enumerate(noise(8)):
        Image.fromarray(picture[..., 0]).save(tmp_path / f"{index}.png")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadData, match="outside of the class folders"):
        load(tmp_path)
    flat = load(tmp_path, 48, ReadOptions(unlabelled=True))
    assert (len(flat), flat.names, set(flat.labels)) == (8, ("unlabelled",), {0})
    chosen = calibration.choose(flat, 512, 0)
    assert (len(chosen.ranges), len(chosen.held_out), chosen.labelled) == (6, 2, False)
