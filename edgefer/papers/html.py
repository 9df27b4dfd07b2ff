"""Sheets as one self-contained page of HTML, without scripts; pure.

What a cell is, its sign says; colours (Okabe and Ito's, which colour-blind people tell apart) only repeat it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from edgefer.papers import render, table_names
from edgefer.papers.grid import Grid, Mark, numbered
from edgefer.papers.paper_table import Sheet

_CLASSES: dict[Mark, str] = {
    "to the digit": "digit",
    "near": "near",
    "not met": "unmet",
    "measured": "measured",
    "name": "name",
    "printed": "printed",
    "missing": "missing",
    "extra": "extra",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #1a1a1a;
       background: #fff; }
h1 { font-size: 1.5rem; margin-top: 3rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ccc; text-align: right; font-variant-numeric: tabular-nums;
         white-space: nowrap; }
th { border-bottom: 2px solid #555; white-space: normal; vertical-align: bottom; }
th:first-child, td.name { text-align: left; }
td.printed { color: #444; border-left: 1px solid #ccc; } td.missing { color: #595959; }
td.digit { background: #d9ecf7; border-left: .25rem solid #0072b2; }
td.near { background: #fbf3cf; border-left: .25rem solid #e69f00; }
td.unmet { background: #f8dccb; border-left: .25rem solid #d55e00; }
td.measured { background: #e9f4ef; border-left: .25rem solid #009e73; }
.notes { font-size: .85rem; color: #333; max-width: 60rem; } p { max-width: 60rem; }
sup a { text-decoration: none; padding-left: .2em; color: #004c7f; }
"""


def page(sheets: Sequence[Sheet]) -> str:
    """All sheets, paper by paper."""
    parts = [f"<h1>edgefer beside the papers</h1>\n<p>{escape(render.LEGEND)}</p>", _overview(sheets)]
    for _, of_paper in groupby(sheets, key=lambda sheet: table_names.page(sheet.name)):
        together = list(of_paper)
        parts.append(f"<h1>{escape(together[0].paper.paper.cite)}</h1>")
        parts += map(_section, together)
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>edgefer beside the papers</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _overview(sheets: Sequence[Sheet]) -> str:
    rows = [
        f'<tr><td class="name"><a href="#{row[0]}">{row[0]}</a></td>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in render.overview(sheets)
    ]
    return _table(render.OVERVIEW, rows)


def _section(sheet: Sheet) -> str:
    grids = [sheet.grid, *(grid for _, grid in sheet.extras)]
    notes = numbered(grids)[1]
    parts = [
        f'<h2 id="{sheet.name}">{escape(render.title(sheet))}</h2>',
        f"<p>{sheet.name}, page {sheet.table.page}, section {escape(sheet.table.section)}. "
        f"{escape(sheet.tally.line)}.</p>",
        _grid(sheet.grid, sheet.name, notes),
    ]
    for title, grid in sheet.extras:
        parts += [f"<p>{escape(title)}</p>", _grid(grid, sheet.name, notes)]
    items = [f"<li>{escape(line)}</li>" for line in sheet.below]
    items += [f'<li id="{sheet.name}-{n}">[{n}] {escape(note)}</li>' for n, note in enumerate(notes, 1)]
    return "\n".join([*parts, f'<ul class="notes">{"".join(items)}</ul>' if items else ""])


def _grid(grid: Grid, name: str, notes: list[str]) -> str:
    kept = [i for i in range(len(grid.headings)) if any(row[i].text for row in grid.rows)]
    rows = []
    for row in grid.rows:
        cells = [
            f'<td class="{_CLASSES[row[i].mark]}">{escape(row[i].text)}{_reference(row[i].note, name, notes)}</td>'
            for i in kept
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return _table([grid.headings[i] for i in kept], rows)


def _reference(note: str, name: str, notes: list[str]) -> str:
    if not note:
        return ""
    number = notes.index(note) + 1
    return f'<sup><a href="#{name}-{number}">[{number}]</a></sup>'


def _table(headings: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in headings)
    body = "\n".join(rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
