"""What all figures share: colours, and files of the same bytes every time. Needs matplotlib, of the extra train."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from edgefer.runtime.errors import one_line
from edgefer.runtime.files import write_atomic

# Okabe and Ito's colours, which colour-blind people tell apart; shapes repeat what they say.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FORMATS = (".png", ".svg")


def shortened(text: str, longest: int = 28) -> str:
    """The text on one line of at most so many characters; of a longer one its end, which tells files apart."""
    line = one_line(text)
    return line if len(line) <= longest else f"\N{HORIZONTAL ELLIPSIS}{line[1 - longest :]}"


def render(figure: Any, kind: str) -> bytes:
    """The figure as `png` or `svg`; the same bytes every time."""
    import matplotlib as mpl

    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "edgefer"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # names of files are in any script
        figure.savefig(content, format=kind, dpi=figure.dpi, metadata={"Date": None} if kind == "svg" else None)
    return content.getvalue()


def save(figure: Any, path: Path) -> None:
    """As PNG or SVG, by the file's ending."""
    write_atomic(path, render(figure, path.suffix.removeprefix(".")))
