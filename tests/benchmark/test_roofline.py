"""Each bundle beside the peak of its own precision, on as many threads."""

from __future__ import annotations

from dataclasses import replace

from edgefer.benchmark import report, roofline
from edgefer.runtime import terminal_table
from edgefer.runtime.peak import Peak
from tests.benchmark.made import record, result, run

PEAK = Peak(1, 50e9, "a made product", 200e9, None, "made dot products")
INT8 = result("ean.tflite-int8", [run()])
FLOAT = replace(result("ean.onnx-fp32", [run(2.0)]), tensors={"float": 40})
MACS = 4_568_040


def test_a_bundle_is_held_against_the_peak_of_its_precision() -> None:
    assert (roofline.roof(INT8, [PEAK]), roofline.roof(FLOAT, [PEAK])) == (200e9, 50e9)
    share = roofline.share(FLOAT, [PEAK])
    assert share is not None and abs(share - MACS / 299e-6 / 50e9) < 1e-6
    assert roofline.roof(INT8, [replace(PEAK, threads=2)]) is None
    assert roofline.roof(INT8, [replace(PEAK, int8=None, int8_reason="no compiler")]) is None
    assert roofline.share(replace(FLOAT, runs=[replace(run(), samples=[])]), [PEAK]) is None


def test_the_terminal_shows_the_peak_and_the_distance() -> None:
    page = report.page([replace(record([INT8, FLOAT]), peaks=[PEAK])], terminal_table.markdown)
    assert "| at the peak | distance |" in page
    assert "| 0.023 ms | 6.55x |" in page and "| 0.091 ms | 3.27x |" in page
    assert "in fp32: 50 billion" in page and "In int8: 200 billion (made dot products)." in page
    assert "at_peak_seconds,times_the_peak" in report.to_csv([replace(record([INT8]), peaks=[PEAK])])


def test_without_a_compiler_the_reason_stands_there() -> None:
    unknown = replace(PEAK, int8=None, int8_reason="no C compiler is here", int8_method=None)
    page = report.page([replace(record([INT8]), peaks=[unknown])], terminal_table.markdown)
    assert "In int8: not measured: no C compiler is here." in page
    assert "distance" not in page


def test_a_peak_is_of_one_device() -> None:
    both = [replace(record([INT8]), peaks=[PEAK]), replace(record([INT8]), device="kitchen")]
    assert "distance" not in report.page(both, terminal_table.markdown)
