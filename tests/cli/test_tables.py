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


def printed(run: Run, columns: int, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    return run(*arguments).out


def check(run: Run, columns: int, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    words = {word.strip(":;─") for word in printed(run, 1000, monkeypatch, *arguments).split()} - {""}
    text = printed(run, columns, monkeypatch, *arguments)
    found = {word.strip(":;─") for word in text.split()}
    assert words <= found, sorted(words - found)
    table = [line for line in text.splitlines() if line.startswith(" ")]
    assert table and max(map(len, table)) <= columns, max(table, key=len)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_lists(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int, arguments: tuple[str, ...]) -> None:
    check(run, columns, monkeypatch, *arguments)


@pytest.mark.parametrize("columns", [80, 120])
def test_accuracy(run: Run, monkeypatch: pytest.MonkeyPatch, made: Path, csv: Path, columns: int) -> None:
    line = ("verify", made / FP32, "--data", csv, "--float", made / FP32)
    check(run, columns, monkeypatch, *line)


@pytest.mark.parametrize("columns", [80, 120])
def test_gate(run: Run, monkeypatch: pytest.MonkeyPatch, made: Path, columns: int) -> None:
    line = ("gate", made / FP32, made / INT8, "--exact-only", "--no-instructions")
    check(run, columns, monkeypatch, *line)


@pytest.mark.parametrize("columns", [80, 120])
def test_report(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    record = Path(__file__).parents[2] / "benchmarks" / "results" / "ean-x86.json"
    check(run, columns, monkeypatch, "report", record)
