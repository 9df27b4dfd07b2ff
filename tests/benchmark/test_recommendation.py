"""Which bundle is the best for what: limits, ties, and what can't be told apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgefer.benchmark import recommendation
from edgefer.benchmark.recommendation import Accuracy, Candidate, Excluded, Limits, Recommendation
from edgefer.runtime import terminal_table
from edgefer.runtime.bench_record import RunWarning
from edgefer.runtime.errors import NothingFits
from tests.benchmark.made import MIB, result, run

SMALL = replace(result("ean.ncnn-int8", [run(3.0), run(3.3)]), model_bytes=56_874)
FAST = result("ean.tflite-int8", [run(), run(1.1)])
CLOSE = replace(result("ean.onnx-fp32", [run(1.05), run(1.2)]), model_bytes=173_118)
FIGURES = {"ean.ncnn-int8": 60.0, "ean.tflite-int8": 67.46, "ean.onnx-fp32": 67.57}


NONE = Limits()


def found(limits: Limits = NONE) -> Recommendation:
    candidates = [
        recommendation.candidate(each, Accuracy(FIGURES[each.bundle], 3589, "accuracy", "PrivateTest"), limits)
        for each in (SMALL, FAST, CLOSE)
    ]
    return of_these(candidates, limits)


def of_these(candidates: list[Candidate], limits: Limits) -> Recommendation:
    excluded = [Excluded("coreml-fp16", "it runs on Apple's systems only")]
    best = recommendation.best(candidates)
    return Recommendation("ean", "x86", limits, "accuracy: PrivateTest", best, candidates, excluded, ["a machine"])


def test_the_best_for_each_purpose_and_what_can_not_be_told_from_it() -> None:
    best = {each.purpose: each for each in found().best}
    assert {purpose: each.bundle for purpose, each in best.items()} == {
        "latency": "ean.tflite-int8",
        "size": "ean.ncnn-int8",
        "memory": "ean.tflite-int8",
        "accuracy": "ean.onnx-fp32",
    }
    assert best["latency"].as_good == ["ean.onnx-fp32 on 1 thread"], "their processes overlap"
    assert sorted(best["memory"].as_good) == ["ean.ncnn-int8", "ean.onnx-fp32"]
    assert best["accuracy"].as_good == ["ean.tflite-int8"], "within the interval of 3,589 faces"
    assert best["size"].figure == "56,874 B"


def test_the_page_has_the_table_and_what_was_left_out() -> None:
    page = recommendation.page(found(Limits(kilobytes=100)), terminal_table.markdown)
    assert page.startswith("ean on x86; limits: at most 100 kB\n")
    assert "| latency | ean.ncnn-int8 |" in page
    assert "173.1 kB, at most 100 are allowed" in page
    assert "- not measured: coreml-fp16: it runs on Apple's systems only" in page
    assert "instr." not in page, "no column without a figure"


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(kilobytes=50), "ean.ncnn-int8 on 1 thread: 56.9 kB, at most 50 are allowed"),
        (Limits(milliseconds=0.1), "ean.tflite-int8 on 1 thread: 0.157 ms, at most 0.1 are allowed"),
        (Limits(accuracy=70), "ean.onnx-fp32 on 1 thread: accuracy 67.57 %, at least 70 is asked for"),
    ],
)
def test_limits_that_nothing_meets_name_the_nearest(limits: Limits, words: str) -> None:
    nothing = found(limits)
    assert nothing.best == []
    assert "No bundle meets them." in recommendation.page(nothing, terminal_table.table)
    with pytest.raises(NothingFits, match="the nearest is") as error:
        nothing.require()
    assert words in str(error.value)


def test_what_meets_them_is_no_failure() -> None:
    found(Limits(kilobytes=100, milliseconds=1, accuracy=50)).require()


def test_a_figure_that_is_not_known_meets_no_limit() -> None:
    throttled = replace(FAST, runs=[replace(run(), invalid=[RunWarning.from_text("throttled: now")])])
    one = recommendation.candidate(throttled, None, Limits(milliseconds=100, accuracy=1))
    assert (one.seconds, len(one.misses)) == (None, 2)
    with pytest.raises(NothingFits, match="its latency is not known"):
        of_these([one], Limits(milliseconds=100)).require()


def test_accuracies_of_different_faces_are_not_compared() -> None:
    limits = Limits()
    two = [
        recommendation.candidate(FAST, Accuracy(99.0, 256, "agreement", "drawn pictures"), limits),
        recommendation.candidate(SMALL, Accuracy(98.0, 508, "agreement", "faces of a.csv"), limits),
    ]
    assert "accuracy" not in {each.purpose for each in recommendation.best(two)}


def test_an_emulator_has_instructions_instead_of_latency() -> None:
    emulated = [
        replace(each, runs=[replace(run(), samples=[])], instructions_per_frame=number)
        for each, number in ((FAST, 9_000_000), (SMALL, 12_000_000))
    ]
    candidates = [recommendation.candidate(each, None, Limits()) for each in emulated]
    best = {each.purpose: (each.bundle, each.figure) for each in recommendation.best(candidates)}
    assert best["instructions"] == ("ean.tflite-int8", "9.00 M a frame")
    assert "latency" not in best
    page = recommendation.page(of_these(candidates, Limits()), terminal_table.table)
    assert " ms" not in page and candidates[0].peak_bytes == 51 * MIB


def test_a_microcontroller_has_flash_and_ram_instead_of_files_and_a_process() -> None:
    """The C source is far larger than what is compiled of it, and it is the flash that is limited."""
    memory = replace(run().memory, peak=None, arena=12_688, stack=416, flash=70_464)
    source = replace(
        result("ean.c-int8", [replace(run(), samples=[], memory=memory)]),
        model_bytes=1_288_763,
        instructions_per_frame=12_900_000,
    )
    fits = recommendation.candidate(source, None, Limits(kilobytes=80))
    assert (fits.misses, fits.flash_bytes, fits.ram_bytes) == ([], 70_464, 13_104)
    figures = {each.purpose: each.figure for each in recommendation.best([fits])}
    assert figures["size"] == "70,464 B of flash" and figures["memory"] == "13,104 B of RAM"
    page = recommendation.page(of_these([fits], Limits(kilobytes=80)), terminal_table.markdown)
    assert "| 12.9 M | 70,464 B | 13,104 B |" in page and "peak" not in page
    large = recommendation.candidate(source, None, Limits(kilobytes=64))
    assert large.misses == ["70.5 kB, at most 64 are allowed"]


def test_one_reason_is_one_line() -> None:
    left_out = [Excluded("onnx-fp32", "C only"), Excluded("coreml-fp16", "Apple's"), Excluded("ncnn-int8", "C only")]
    page = recommendation.page(replace(found(), excluded=left_out), terminal_table.table)
    assert "- not measured: onnx-fp32, ncnn-int8: C only\n- not measured: coreml-fp16: Apple's\n" in page
