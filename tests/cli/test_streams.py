"""Every command on terminals of every encoding: what they lack is written in ASCII."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgefer.cli import main, streams
from tests.cli.made import PROGRAM
from tests.cli.test_help import LISTS


def said(encoding: str, words: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command writes to a standard output of this encoding; raises where it writes in another one."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding))
    monkeypatch.setattr(sys, "argv", ["edgefer", *map(str, words)])
    handler = signal.getsignal(signal.SIGTERM)
    main()
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, handler)
    return content.getvalue().decode(encoding)


@pytest.mark.parametrize("words", [*LISTS, ("--help",), ()], ids=lambda words: " ".join(map(str, words[:2])))
def test_every_list_on_every_encoding(words: tuple[object, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = said("utf-8", words, monkeypatch)
    for encoding in ("ascii", "iso-8859-1", "cp1252"):
        text = said(encoding, words, monkeypatch)
        assert "─" not in text and text.count("\n") == whole.count("\n"), encoding


def test_json_is_ascii_where_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("cp1252", ("data", "layouts", "--json"), monkeypatch).isascii()


def test_signs_have_their_nearest() -> None:
    text = "─ 12 µs ± 1, ≈ 3 ≠ 4 ◇ 51 °C é \udcff"
    assert text.encode("ascii", streams.PLAIN) == rb"- 12 us +/- 1, ~ 3 != 4 * 51 C \xe9 \udcff"
    assert text.encode("latin-1", streams.PLAIN) == b"- 12 \xb5s \xb1 1, ~ 3 != 4 * 51 \xb0C \xe9 \\udcff"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_the_process_itself(encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([*PROGRAM, "targets"], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ("─" in done.stdout.decode(encoding)) == (encoding == "utf-8")


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    done = subprocess.run([*PROGRAM, "tables", "ean-5", "--out", str(folder)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"\udcff" in done.stdout + done.stderr
