"""Standard output and error on a terminal, or into a pipe, of any encoding."""

from __future__ import annotations

import codecs
import io
import sys
from typing import TextIO

import click

from edgefer.runtime.errors import without_controls

PLAIN = "edgefer-plain"  # an error handler: what the encoding lacks is written in ASCII
_ASCII = str.maketrans(
    {
        **dict.fromkeys("─━╸╺", "-"),
        "│": "|",
        "µ": "u",
        "°": "",
        "±": "+/-",
        "\u00d7": "x",
        "≈": "~",
        "≠": "!=",
        "◇": "*",
        "…": "...",
    }
)


def encodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """What stands for characters that can't be encoded: the nearest in ASCII, else their number, `\\u00e9`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_ASCII)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


class AsciiStream(io.TextIOWrapper):
    """A stream of ASCII characters only. click takes one that calls itself ASCII for a mistake, and writes UTF-8."""

    def write(self, text: str, /) -> int:
        """Write the text, each character that is not ASCII as `encodable` says."""
        return super().write(text.encode("ascii", PLAIN).decode("ascii"))


def accept_any_text() -> None:
    """Make standard output and error take every character, whatever their encoding."""
    sys.stdout = _accepting(sys.stdout)
    sys.stderr = _accepting(sys.stderr)


def say(line: str, err: bool = False) -> None:
    """Print one line, in which a path or a name may be: what moves the cursor or breaks the line is written out."""
    click.echo(without_controls(line), err=err)


def has_all_characters(stream: TextIO) -> bool:
    """Whether a stream shows every character as it is."""
    return not isinstance(stream, AsciiStream) and codecs.lookup(stream.encoding or "utf-8").name.startswith("utf")


def _accepting(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):  # there is none, or it is a test's own
        return stream
    if codecs.lookup(stream.encoding).name == "ascii":
        lines = stream.line_buffering
        return AsciiStream(stream.detach(), "utf-8", PLAIN, line_buffering=lines)
    stream.reconfigure(errors=PLAIN)
    return stream


codecs.register_error(PLAIN, encodable)
