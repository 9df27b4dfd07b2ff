"""Every table of the command line at 80 and at 120 columns: no word is broken, no line is too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.made import FP32, INT8, Run

LISTS = (
    ("archs",),
    ("targets",),
    ("recipes",),
    ("devices",),
    ("sweep",),
    ("tables",),
    ("tables", "ean-5"),
    ("data", "layouts"),
    ("count", "ean", "--layers"),
)


def check(run: Run, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Compare the words of a table that has all the room it needs with those of narrow ones."""
    words: set[str] = set()
    for columns in (1000, 120, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        text = run(*arguments).out
        shown = {word.strip(":;─") for word in text.split()}
        assert words <= shown, sorted(words - shown)
        words = words or shown - {""}
        table = [line for line in text.splitlines() if line.startswith(" ")]
        assert table and max(map(len, table)) <= columns, max(table, key=len)


@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_lists(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    check(run, monkeypatch, *arguments)


def test_accuracy(run: Run, monkeypatch: pytest.MonkeyPatch, made: Path, csv: Path) -> None:
    check(run, monkeypatch, "verify", made / FP32, "--data", csv, "--float", made / FP32)


def test_gate(run: Run, monkeypatch: pytest.MonkeyPatch, made: Path) -> None:
    check(run, monkeypatch, "gate", made / FP32, made / INT8, "--exact-only", "--no-instructions")


def test_report_of_a_bench(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Path(__file__).parents[2] / "benchmarks" / "results" / "c-int8-arm.json"
    check(run, monkeypatch, "report", record)
