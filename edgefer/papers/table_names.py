"""What the tables are called on the command line: ean-5, lcnn-text, mit-2."""

from __future__ import annotations

from functools import cache

from edgefer.papers import transcription
from edgefer.papers.transcription import Paper, Table
from edgefer.runtime.errors import UnknownName

# One page a paper: its name, and the file of the paper.
PAGES = {
    "ean": "kong2022-ean",
    "efficientface": "zhao2021-efficientface",
    "lcnn": "lcnn-mtcnn",
    "mit": "safavi2023-mit-fer",
    "microexpnet": "cugu2019-microexpnet",
}
_ROMAN = {"I": "1", "II": "2"}


@cache
def tables() -> dict[str, tuple[Paper, Table]]:
    """Every table by name, page by page."""
    return {
        f"{page}-{_ROMAN.get(table.number, table.number)}": (transcription.paper(file), table)
        for page, file in PAGES.items()
        for table in transcription.paper(file).tables
    }


def page(name: str) -> str:
    """The page that a table stands on."""
    return name.partition("-")[0]


def expand(names: tuple[str, ...]) -> list[str]:
    """Names of tables; a page's name stands for all of its tables. Raises UnknownName."""
    found: dict[str, None] = {}
    for name in names:
        wanted = [each for each in tables() if name in (each, page(each))]
        if not wanted:
            raise UnknownName.of("table", name, [*PAGES, *tables()])
        found |= dict.fromkeys(wanted)
    return list(found)
