"""Static metrics: worse is a regression, better is told, unknown is neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edgefer.gate.static_metrics import Count, Figures, compare, unknown
from edgefer.runtime.engines import ENGINES

BASE = Figures(1000, 4_568_040, 43_840, {"CONV_2D int8": 14, "ADD int8": 2}, {"x86": Count(2_863_095)}, 65.0, 99.0)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"model_bytes": 1001}, "model bytes 1,000 -> 1,001 (+0.1 %)"),
        ({"macs": 5_024_844}, "MACs 4,568,040 -> 5,024,844 (+10.0 %)"),
        ({"parameters": 43_841}, "parameters 43,840 -> 43,841 (+0.0 %)"),
        ({"instructions": {"x86": Count(2_863_096)}}, "instructions per frame on x86 2,863,095 -> 2,863,096 (+0.0 %)"),
        ({"operators": {"CONV_2D int8": 15, "ADD int8": 2}}, "operators CONV_2D int8 14 -> 15 (+7.1 %)"),
        ({"accuracy": 64.5}, "accuracy 65.00 % -> 64.50 % (-0.50 points)"),
        ({"agreement": 98.9}, "agreement with float 99.00 % -> 98.90 % (-0.10 points)"),
    ],
)
def test_worse_is_a_regression_and_better_is_told(changed: dict[str, Any], text: str) -> None:
    other = replace(BASE, **changed)
    (worse,) = compare(BASE, other)
    assert (worse.worse, worse.text) == (True, text)
    (better,) = compare(other, BASE)
    assert not better.worse


def test_equal_ones_have_no_changes() -> None:
    assert compare(BASE, BASE) == []


def test_an_operator_in_another_type_is_worse() -> None:
    changes = compare(BASE, replace(BASE, operators={"CONV_2D int8": 13, "CONV_2D float32": 1, "ADD int8": 2}))
    assert [(each.text, each.worse) for each in changes] == [
        ("operators CONV_2D float32 0 -> 1 (+1)", True),
        ("operators CONV_2D int8 14 -> 13 (-7.1 %)", False),
    ]


@pytest.mark.parametrize(("tolerance", "worse"), [(9.9, True), (10.1, False)])
def test_a_tolerance_is_in_percent(tolerance: float, worse: bool) -> None:
    (change,) = compare(BASE, replace(BASE, macs=5_024_844), tolerance)
    assert change.worse is worse


@pytest.mark.parametrize(("tolerance", "worse"), [(0.4, True), (0.5, False)])
def test_and_in_points_for_accuracy(tolerance: float, worse: bool) -> None:
    (change,) = compare(BASE, replace(BASE, accuracy=64.5), tolerance)
    assert change.worse is worse


def test_unknown_figures_are_named() -> None:
    other = replace(BASE, instructions={"rpi4-emulated": Count(1)}, accuracy=None)
    assert compare(BASE, other) == []
    assert unknown(BASE, other) == [
        "instructions per frame on rpi4-emulated",
        "instructions per frame on x86",
        "accuracy",
    ]
    assert unknown(other, other) == []


def test_each_board_is_compared_with_itself() -> None:
    base = replace(BASE, instructions={"rpi4-emulated": Count(3_000_000), "rpi5-emulated": Count(1_400_000)})
    head = replace(BASE, instructions={"rpi4-emulated": Count(2_900_000), "rpi5-emulated": Count(1_500_000)})
    worse, better = compare(base, head)
    assert worse.worse and worse.text == "instructions per frame on rpi5-emulated 1,400,000 -> 1,500,000 (+7.1 %)"
    assert not better.worse and better.figure == "instructions per frame on rpi4-emulated"


@pytest.mark.parametrize("kind", ENGINES)
def test_memory_that_lies_elsewhere_is_no_change(kind: str) -> None:
    def found(share: float, tolerance: float) -> int:
        there = {"x86": Count(round(2_863_095 * (1 + share)))}
        return len(compare(BASE, replace(BASE, instructions=there), count_tolerance=tolerance))

    engine = ENGINES[kind]
    for tolerance in (engine.same_host, engine.other_host):
        assert found(0.9 * tolerance, tolerance) == 0
        assert found(1.1 * tolerance, tolerance) == 1
    assert engine.same_host <= engine.other_host <= 0.005


@pytest.mark.parametrize(("more", "found"), [(19, 0), (21, 1)])
def test_counts_that_stray_are_given_room(more: int, found: int) -> None:
    base = replace(BASE, instructions={"x86": Count(2_863_095, spread=4)})
    head = replace(BASE, instructions={"x86": Count(2_863_095 + more)})
    assert len(compare(base, head)) == found
