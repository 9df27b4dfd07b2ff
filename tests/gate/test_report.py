"""The report. EDGEFER_UPDATE_GOLDEN=1 writes tests/golden/ anew; read the difference then."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.gate import report, static_metrics
from edgefer.gate.report import GateRecord
from edgefer.gate.static_metrics import Count, Figures
from edgefer.gate.verdict import Thresholds, added, judge, missing
from edgefer.runtime import records, terminal_table
from tests.gate.made import round_of

PAGES = Path(__file__).parents[1] / "golden"
LIMITS = Thresholds()
BASE = Figures(114_568, 4_568_040, 43_840, {"CONV_2D int8": 14}, {"x86": Count(2_863_095)}, 65.37, 99.1)
WIDER = replace(BASE, macs=5_024_844, operators={"CONV_2D int8": 15}, accuracy=65.5)
RECORD = GateRecord(
    edgefer="0.0.0",
    base="dist-main",
    head="dist",
    machine="a board, 4 cores, 8.0 GiB, 6.1.0 aarch64",
    outcome="regressed",
    thresholds=LIMITS,
    verdicts=[
        judge("ean.fine", [round_of(4, 0.0, 0.01, 0)], [], LIMITS, notes=["6 of 24 processes ran on a busy machine"]),
        judge("ean.slow", [round_of(4, 0.15, 0.01, n) for n in (0, 1)], [], LIMITS),
        judge("ean.once", [round_of(4, 0.15, 0.01, 0), round_of(4, 0.0, 0.01, 1)], [], LIMITS),
        judge("ean.noisy", [round_of(4, 0.0, 0.3, 0)], [], LIMITS),
        judge("ean.few", [round_of(1, 0.0, 0.01, 0)], [], LIMITS),
        judge("ean.wider", [], static_metrics.compare(BASE, WIDER), LIMITS),
        judge(
            "ean.smaller",
            [round_of(4, 0.0, 0.01, 0)],
            static_metrics.compare(WIDER, replace(BASE, accuracy=65.5)),
            LIMITS,
        ),
        missing("ean.gone"),
        added("ean.new"),
    ],
    bundles=(8, 8),
)


@pytest.mark.parametrize(
    ("name", "table"), [("gate-report.md", terminal_table.markdown), ("gate-report.txt", terminal_table.table)]
)
def test_page_is_the_golden_one(name: str, table: Callable[..., str]) -> None:
    path, page = PAGES / name, report.page(RECORD, table)
    if os.environ.get("EDGEFER_UPDATE_GOLDEN"):
        path.write_text(page, encoding="utf-8")
    assert page == path.read_text(encoding="utf-8")


def test_without_latencies_the_page_has_no_word_of_them() -> None:
    def page(*names: str) -> str:
        verdicts = [each for each in RECORD.verdicts if each.name in names]
        return report.page(replace(RECORD, verdicts=verdicts), terminal_table.table)

    static = page("ean.wider", "ean.gone", "ean.new")
    assert "worse by more than 0 %; all else is ok" in static and "static metrics" in static
    assert not [word for word in ("slower", "interval", "processes", "noise floor") if word in static]
    assert "noise floor" in page("ean.wider", "ean.few"), "tried in vain"


def test_a_record_can_be_read_again() -> None:
    assert records.structure(GateRecord, records.plain(RECORD), "made") == RECORD
