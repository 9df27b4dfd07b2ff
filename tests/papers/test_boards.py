"""Counting a table's networks on an emulated board: once each, resumed, left out. Nothing is emulated or built here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgefer.arch import Arch
from edgefer.benchmark.instructions import Counted
from edgefer.benchmark.workload import Task, Workload
from edgefer.papers import boards, measure
from edgefer.papers.measure import MeasureOptions
from edgefer.runtime import records
from edgefer.runtime.bench_record import BenchRecord
from edgefer.runtime.errors import BadRecord
from edgefer.runtime.progress import SILENT
from edgefer.runtime.protocol import Answer
from tests.benchmark.made import bundle as made_bundle
from tests.benchmark.made import record, run

RECORD = "tables-rpi4-emulated.json"


class Board:
    """An emulated board that counts a million for every bundle; it can be interrupted before one."""

    name, timed = "rpi4-emulated", False

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self.counted: list[str] = []
        self.versions = {"qemu": "7.2"}
        self.stop_before: str | None = None

    def answers(self, tasks: Sequence[Task], say: Callable[[str], None]) -> Iterator[Answer]:
        for _ in tasks:
            yield Answer(replace(run(), samples=[]), record([]).machine, self.versions, None)

    def count(self, workload: Workload) -> Counted:
        if workload.name == self.stop_before:
            raise KeyboardInterrupt
        self.counted.append(workload.name)
        return Counted(1_000_000, 0, None)

    def expand(self, workloads: Sequence[Workload]) -> list[Workload]:
        return list(workloads)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    """The board; bundles are models that are none."""

    def bundle(row: Arch, name: str, out: Path, stage: Callable[[str], None]) -> Path:
        folder = out / f"{row.name}.{name}"
        return folder if folder.is_dir() else made_bundle(folder).folder

    monkeypatch.setattr(measure, "table_bundle", bundle)
    return Board()


def go(board: Board, folder: Path, *names: str, options: MeasureOptions | None = None) -> BenchRecord:
    boards.count(names, options or MeasureOptions(), folder / RECORD, board, SILENT, folder / "bundles")
    return records.read(BenchRecord, folder / RECORD)


LCNN = ["resnet50.tflite-int8", "resnet50.tflite-fp32", "lcnn.tflite-int8", "lcnn.tflite-fp32"]


def test_a_network_of_several_tables_is_counted_once(board: Board, tmp_path: Path) -> None:
    made = go(board, tmp_path, "lcnn-4", "lcnn-5")
    assert board.counted == LCNN
    assert {each.instructions_per_frame for each in made.results} == {1_000_000}
    assert [each.id for each in made.results] == [f"rpi4-emulated/{name}" for name in LCNN]
    go(board, tmp_path, "lcnn-3", "microexpnet-6")
    assert board.counted[4:6] == ["microexpnet-m.tflite-int8", "microexpnet-m.tflite-fp32"]
    assert not set(board.counted[4:]) & set(LCNN)
    go(board, tmp_path, "lcnn-3", options=MeasureOptions(again=True))
    assert board.counted[-4:] == LCNN


def test_an_interrupted_count_goes_on(board: Board, tmp_path: Path) -> None:
    board.stop_before = "lcnn.tflite-int8"
    with pytest.raises(KeyboardInterrupt):
        go(board, tmp_path, "lcnn-5")
    board.stop_before = None
    made = go(board, tmp_path, "lcnn-5")
    assert board.counted == LCNN
    assert not made.interrupted
    assert {each.instructions_per_frame for each in made.results} == {1_000_000}


def test_what_would_take_too_long_says_so_and_can_be_counted_later(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(0, 1000, 90))  # seconds before and after each first run
    monkeypatch.setattr(boards, "emulating", lambda: next(times))
    made = go(board, tmp_path, "lcnn-5")
    assert board.counted == []
    assert {each.instructions_reason for each in made.results} == {
        "not counted: it would take about 15 min, more than 10"
    }
    monkeypatch.setattr(boards, "emulating", lambda: 0.0)
    assert {each.instructions_per_frame for each in go(board, tmp_path, "lcnn-5").results} == {1_000_000}


def test_counts_of_other_versions_are_not_mixed(board: Board, tmp_path: Path) -> None:
    go(board, tmp_path, "lcnn-5")
    board.versions = {"qemu": "8.0"}
    with pytest.raises(BadRecord, match=r"other versions \(qemu\)"):
        go(board, tmp_path, "microexpnet-6")
    assert {each.bundle for each in records.read(BenchRecord, tmp_path / RECORD).results} == set(LCNN)
