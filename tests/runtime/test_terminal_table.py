"""Tables that fit, that are wrapped between words, and that are too narrow for a table."""

from __future__ import annotations

import pytest

from edgefer.runtime.terminal_table import csv_cell, markdown, table

NAMES = ("device", "what it is", "latency")
ROWS = [("rpi4-emulated", "Raspberry Pi 4 Model B: instructions, no times", ""), ("x86", "[this] machine", "0.17 ms")]


@pytest.fixture(params=[200, 80, 50, 34, 24])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def test_no_word_is_broken_and_no_line_is_too_long(width: int) -> None:
    text = table(NAMES, ROWS)
    assert all(len(line) <= max(width, len("    instructions,")) for line in text.splitlines()), text
    words = {word.rstrip(":;") for word in text.split()}
    for word in " ".join(" ".join(row) for row in (NAMES, *ROWS)).split():
        assert word.rstrip(":;") in words, text
    assert any("0.17 ms" in line for line in text.splitlines()), "a figure stays with its unit"


def test_a_narrow_table_is_wrapped_and_a_narrower_one_is_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert "─" in table(NAMES, ROWS)
    monkeypatch.setenv("COLUMNS", "34")
    assert table(NAMES, ROWS).splitlines() == [
        "device: rpi4-emulated",
        "    what it is: Raspberry Pi",
        "    4 Model B: instructions, no",
        "    times",
        "device: x86",
        "    what it is: [this] machine;",
        "    latency: 0.17 ms",
    ]


def test_a_pipe_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert max(map(len, table(("a", "b"), [("x " * 80, "y " * 80)]).splitlines())) > 150


def test_figures_are_on_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert [line.rstrip() for line in table(("n", "f"), [("a", "1"), ("b", "-20")]).splitlines()[2:]] == [
        " a     1",
        " b   -20",
    ]


def test_an_empty_table_has_its_header() -> None:
    assert "device" in table(NAMES, [])


def test_markdown() -> None:
    assert markdown(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


HOSTILE = ("[/red]", ":smile:", "a\nean: ok", "\x1b[2J", "x | y", "<img src=x>", "[bold]b[/bold]")


def test_a_cell_is_text_and_nothing_else() -> None:
    lines = table(("name", "n"), [(cell, "1") for cell in HOSTILE]).splitlines()
    assert len(lines) == 2 + len(HOSTILE)
    assert [line.split("  ")[0].strip() for line in lines[2:]] == [
        *("[/red]", ":smile:", r"a\nean: ok", r"\x1b[2J", "x | y", "<img src=x>", "[bold]b[/bold]")
    ]
    rows = markdown(("name",), [(cell,) for cell in HOSTILE]).splitlines()[2:]
    assert rows[2:6] == [r"| a\nean: ok |", r"| \x1b[2J |", r"| x \| y |", "| &lt;img src=x> |"]
    assert markdown(("name",), [(r"x \| y < 1",)]).splitlines()[2] == r"| x \| y < 1 |", "what is escaped stays"


def test_csv_has_no_formulas() -> None:
    for formula in ("=1+1", "+1+1", "-2+3", "@SUM(A1)", "-x", "\t=1"):
        assert csv_cell(formula) == f"'{formula}"
    for plain in ("-", "-1.5", "+3", "-1e-05", "a=1", "", 5, -5.0):
        assert csv_cell(plain) == plain
