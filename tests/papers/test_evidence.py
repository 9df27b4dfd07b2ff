"""A printed figure beside edgefer's: to the digit, near, not met, measured elsewhere, or missing with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from edgefer.papers import evidence, paper_files
from edgefer.papers.comparison import CellRef, Comparison, Missing, Verdict, compare, like
from edgefer.papers.evidence import evidence_for
from edgefer.papers.transcription import Kind
from edgefer.runtime.bench_record import Gpu, RunWarning, WarningKind
from edgefer.training.recipes import RECIPES
from tests.papers.made import at, bench, printed, recorded, training

EAN5 = "ean-table5"


def found(place: CellRef, *benched: object, **more: object) -> Comparison:
    """What there is, where there is something."""
    each = evidence_for(place, recorded(*benched, **more))  # type: ignore[arg-type]
    assert isinstance(each, Comparison), each
    return each


def missing(place: CellRef, *benched: object, **more: object) -> str:
    """The reason, where there is nothing."""
    each = evidence_for(place, recorded(*benched, **more))  # type: ignore[arg-type]
    assert isinstance(each, Missing), each
    return each.reason


def test_every_kind_of_column_has_its_function() -> None:
    assert evidence._BY_KIND.keys() == set(get_args(Kind))


@pytest.mark.parametrize(
    ("text", "value", "verdict"),
    [
        ("0.044", 43_840, "to the digit"),
        ("0.044", 44_501, "near"),
        ("0.100", 105_000, "near"),
        ("0.100", 94_999, "not met"),
        ("0.100", 105_001, "not met"),
        (">1.28", 9_000_000, "to the digit"),
    ],
)
def test_verdicts(text: str, value: float, verdict: Verdict) -> None:
    assert compare(printed(text), value, "how", "source").verdict == verdict


@pytest.mark.parametrize(("value", "verdict"), [(69.744, "to the digit"), (68.75, "near"), (68.7, "not met")])
def test_accuracies_are_near_within_a_point(value: float, verdict: Verdict) -> None:
    assert compare(printed("69.74", "accuracy", "%"), value, "", "").verdict == verdict


@pytest.mark.parametrize(
    ("text", "unit", "value", "shown"),
    [
        ("5.054", "M", 5_054_158, "5.054"),
        ("43,843", "", 43_840, "43,840"),
        ("257K", "", 257_656, "258K"),
        ("12.08 MB", "MB", 12.043267, "12.04 MB"),
        ("1101.272", "M", 1_101_271_552, "1,101.272"),
    ],
)
def test_a_figure_is_shown_like_the_printed_one(text: str, unit: str, value: float, shown: str) -> None:
    assert like(printed(text, "other", unit).cell, value) == shown  # type: ignore[arg-type]


def test_a_slip_in_the_unit_is_not_repeated() -> None:
    assert like(at("mit-2", "Proposed Method", "time").cell, 7.5) == "7.50 ms"


def test_a_counted_figure_to_the_digit() -> None:
    each = found(at("ean-5", "EAN", "flops"))
    assert (each.verdict, each.shown, each.value, each.reason) == ("to the digit", "5.054", 5_054_158, "")
    assert "ptflops" in each.how
    assert found(at("ean-5", "EAN", "memory")).shown == "3.902"
    assert found(at("ean-3", "LCNN", "parameters")).value == 58_423  # with the running statistics, as its row says
    assert found(at("lcnn-text", "LCNN", "trainable")).value == 56_951


def test_where_activations_are_modules_they_are_counted() -> None:
    each = found(at("ean-5", "VGG-16", "flops"))
    assert (each.verdict, each.value) == ("to the digit", 557_136_128)
    assert "modules" in each.how


def test_a_wrong_recomputed_value_is_not_met() -> None:
    each = found(at("ean-5", "VGG-16", "parameters"))
    assert (each.verdict, each.shown) == ("not met", "30.000")
    assert each.ratio == pytest.approx(30 / 33.634)
    assert each.reason == "not explained"


def test_a_near_figure_tells_its_distance_and_what_is_known_of_it() -> None:
    each = found(at("ean-3", "EAN", "parameters"))
    assert (each.verdict, each.shown) == ("near", "43,840")
    assert each.ratio == pytest.approx(0.99993, abs=1e-5)
    assert "slip" in each.reason


def test_a_note_explains_the_difference_that_it_tells_of_and_no_other() -> None:
    each = found(at("ean-5", "ResNet-18", "memory"))
    assert (each.verdict, each.reason[:13]) == ("near", "0.5 % less th")
    wrong = found(at("ean-5", "SqueezeNet", "memory"))  # 1,000,000 bytes in the made counts
    assert (wrong.verdict, wrong.reason) == ("not met", "not explained")


def test_a_checkpoint() -> None:
    each = found(at("lcnn-text", "LCNN", "size"))
    assert (each.value, each.verdict) == (761.675, "not met")
    assert "torch.save" in each.how


def test_a_shape() -> None:
    assert found(at("microexpnet-1", "M", "fc1-in")).verdict == "to the digit"
    assert "another form" in missing(at("microexpnet-1", "M", "fc2-in"))


def test_a_measured_time_is_judged_by_ratio_only() -> None:
    each = found(at("ean-5", "EAN", "latency"), bench(EAN5, "ean.onnx-fp32"))
    assert each.verdict == "measured"
    assert each.value == pytest.approx(0.1495)
    assert each.ratio == pytest.approx(0.1495 / 1.985)
    assert each.reason == ""
    assert "median of 2 processes" in each.how
    text = found(at("ean-text", "EAN", "latency"), bench(EAN5, "ean.onnx-fp32"))  # the text prints it again
    assert text.value == each.value


def test_random_weights_are_told() -> None:
    each = found(at("ean-5", "EAN", "latency"), bench(EAN5, "ean-untrained-seed0.onnx-fp32"))
    assert each.how.endswith("random weights")


def test_departures_from_the_protocol_are_told() -> None:
    fewer = bench(EAN5, "ean.onnx-fp32", samples=100)
    others = RunWarning(WarningKind.BUSY, "others used 1 core")
    busy = replace(fewer.results[0], runs=[replace(fewer.results[0].runs[0], warnings=[others])])
    each = found(at("ean-5", "EAN", "latency"), replace(fewer, results=[busy]))
    assert each.reason == "100 samples instead of 1000, warned: busy"
    in_a_row = RunWarning(WarningKind.BATCH, "the model takes one frame at a time")
    batch = replace(busy, runs=[replace(busy.runs[0], warnings=[in_a_row])])
    each = found(at("ean-5", "EAN", "latency"), replace(fewer, results=[batch]))
    assert each.reason == "100 samples instead of 1000, the model takes one frame at a time"
    warm = replace(busy, settings=replace(busy.settings, warmup=5), runs=[replace(busy.runs[0], warnings=[])])
    assert "warmup 5 instead of 20" in found(at("ean-5", "EAN", "latency"), replace(fewer, results=[warm])).reason


def test_a_time_of_another_protocol_or_target_is_none() -> None:
    told = "not measured: run edgefer tables ean-5 --measure"
    place = at("ean-5", "EAN", "latency")
    assert missing(place, bench("microexpnet-table7", "ean.onnx-fp32"), bench(EAN5, "ean.tflite-fp32")) == told


def test_what_was_left_out_says_why() -> None:
    left = replace(bench(EAN5), left_out=["ean.onnx-fp32: it would take about 12 minutes, more than 10"])
    known = recorded(left)
    known = replace(known, benches=replace(known.benches, left_out=(("ean-5", left.left_out[0]),)))
    each = evidence_for(at("ean-5", "EAN", "latency"), known)
    assert each == Missing("not measured: it would take about 12 minutes, more than 10")


def test_columns_of_a_gpu() -> None:
    protocol, place = "microexpnet-table7", at("microexpnet-7", "MicroExpNet", "GTX1050")
    processor = bench(protocol, "microexpnet-xxs.onnx-fp32")
    assert missing(place, processor) == "needs a GPU"
    assert found(at("microexpnet-7", "MicroExpNet", "i7-7700HQ"), processor).value == pytest.approx(0.1495)
    card = Gpu("A card", "1", None)
    on_card = bench(protocol, "microexpnet-xxs.torch-cuda", scale=0.1, gpu=card)
    assert found(place, processor, on_card).value == pytest.approx(0.01495)
    software = bench(protocol, "microexpnet-xxs.torch-cuda", gpu=replace(card, software=True))
    assert missing(place, software) == "needs a GPU"


def test_a_table_of_a_gpu_alone_takes_a_processor_and_says_so() -> None:
    place = at("mit-2", "Proposed Method", "time")
    each = found(place, bench("mit-table2", "mit-fusion.onnx-fp32"))
    assert "on a processor, the paper's is a GPU" in each.reason
    on_card = bench("mit-table2", "mit-fusion.torch-cuda", gpu=Gpu("A card", "1", None))
    assert "processor" not in found(place, bench("mit-table2", "mit-fusion.onnx-fp32"), on_card).reason


def test_usage_and_frames_a_second() -> None:
    of_lcnn = bench("lcnn-table5", "lcnn.onnx-fp32")
    assert found(at("lcnn-5", "LCNN", "cpu"), of_lcnn).value == 99.5
    assert found(at("lcnn-5", "LCNN", "sy"), of_lcnn).value == 1.5
    assert found(at("lcnn-5", "LCNN", "mem"), of_lcnn).value == 1.25
    assert found(at("lcnn-text", "LCNN", "memory-percent"), of_lcnn).value == 1.25
    of_micro = bench("microexpnet-table7", "microexpnet-xxs.onnx-fp32")
    assert found(at("microexpnet-text", "MicroExpNet", "fps"), of_micro).value == pytest.approx(1e6 / 149.5)


def test_accuracy_is_that_of_the_shipped_weights() -> None:
    each = found(at("ean-1", "EAN", "fer2013"), trainings=(training("ean"),))
    assert (each.value, each.verdict, each.shown) == (65.366, "not met", "65.37")
    assert "recipe plain, 40 epochs; 3589 images of PrivateTest, centre crop" in each.how
    assert each.reason == "not trained as in the paper"
    train = found(at("lcnn-2", "LCNN", "train"), trainings=(training("lcnn"),))
    assert train.value == 66.432  # of the epoch that was chosen
    again = replace(training("ean"), pretrained={"file": "earlier.safetensors", "sha256": "0" * 64})
    assert "40 epochs, from earlier weights; 3589" in found(at("ean-1", "EAN", "fer2013"), trainings=(again,)).how


def test_accuracy_of_ten_crops_where_the_paper_has_ten() -> None:
    made = training("ean")
    assert made.private is not None
    ten = replace(made, private=replace(made.private, ten_crop=69.7))
    each = found(at("ean-1", "EAN", "fer2013"), trainings=(ten,))
    assert each.value == 69.7 and "mean of ten crops" in each.how
    of_lcnn = replace(training("lcnn"), private=ten.private)
    assert found(at("lcnn-2", "LCNN", "test"), trainings=(of_lcnn,)).value == 65.366


def test_weights_with_a_teacher_stand_for_rows_with_one() -> None:
    plain, taught = training("ean"), training("ean", "iterative", 70.0, alpha=0.5, temperature=5)
    row = ("ean-2", "iter_trans_c", "fer2013")
    assert missing(at(*row), trainings=(plain,)) == "not trained here"
    assert found(at(*row), trainings=(plain, taught)).value == 70.0
    assert missing(at("ean-2", "iter_trans_d", "fer2013"), trainings=(plain, taught)) == "not trained here"  # T is 10
    assert found(at("ean-2", "EAN", "fer2013"), trainings=(plain, taught)).value == 65.366


def test_a_row_can_be_trained_by_a_recipe_that_there_is() -> None:
    ways = {cell.row.training for _, table in paper_files.tables().values() for cell in table.cells} - {""}
    assert ways and all(any(way in name for name in RECIPES) for way in ways)


def test_rounds_are_told() -> None:
    made = training("ean", "iterative", 70.0, alpha=0.5, temperature=5)
    more = replace(made, curve=[*made.curve, replace(made.curve[-1], epoch=3, round=1)])
    each = found(at("ean-2", "iter_trans_c", "fer2013"), trainings=(more,))
    assert "recipe iterative, 3 epochs in 2 rounds; 3589" in each.how


def test_a_loss_is_that_of_public_test_at_the_epoch_that_was_kept() -> None:
    older, place = training("lcnn"), at("lcnn-2", "LCNN", "loss")
    assert missing(place, trainings=(older,)) == "not recorded in training"
    made = replace(older, curve=[replace(epoch, public_nll=1.5 - epoch.epoch / 4) for epoch in older.curve])
    each = found(place, trainings=(made,))
    assert (each.value, each.shown, each.verdict) == (1.0, "1.00", "near")


def test_shares_are_recall_on_the_diagonal() -> None:
    trained = (training("lcnn"),)
    assert found(at("lcnn-1", "Angry", "angry"), trainings=trained).verdict == "to the digit"  # 0.62 is printed
    assert "edgefer plot confusion" in missing(at("lcnn-1", "Angry", "happy"), trainings=trained)
    assert missing(at("lcnn-1", "Angry", "angry")) == "not trained here"


@pytest.mark.parametrize(
    ("name", "row", "column", "dataset", "reason"),
    [
        ("ean-1", "EAN", "rafdb", "", "needs RAF-DB"),
        ("ean-1", "model_a", "fer2013", "", "not trained here"),
        ("ean-3", "DenseNet-1", "parameters", "", "another paper's method, no network here"),
        ("microexpnet-3", "CK+", "anger", "", "needs CK+"),
        ("efficientface-7", "EfficientFace", "pose30", "Pose-RAF-DB", "needs Pose-RAF-DB"),
        ("lcnn-2", "LCNN", "loss", "", "not trained here"),
    ],
)
def test_why_something_is_missing(name: str, row: str, column: str, dataset: str, reason: str) -> None:
    assert missing(at(name, row, column, dataset)) == reason


def test_names() -> None:
    assert paper_files.expand_names(("mit",)) == ["mit-1", "mit-2", "mit-text"]
    assert paper_files.expand_names(("ean-5", "ean-5")) == ["ean-5"]
    assert len(paper_files.tables()) == 32
