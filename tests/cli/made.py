"""What the tests of the command line share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar

import pytest

from edgefer.cli import main
from edgefer.runtime import verify
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.files import shipped_folder

PROGRAM = [sys.executable, "-c", "from edgefer.cli import main; main()"]
FP32, INT8 = "ean.onnx-fp32", "ean.onnx-int8"
BUILD = ("build", "--arch", "ean", "--target", "onnx-fp32")
BUILD_INT8 = ("build", "--arch", "ean", "--target", "onnx-int8")
SHIPPED = shipped_folder("weights") / "ean.safetensors"
RANGES = shipped_folder("calibration") / "ean.onnx.json"


R = TypeVar("R")


class Ran(NamedTuple):
    """What a command left behind: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    def fails(self, code: int, *words: str) -> None:
        """Assert that it failed with this code and one line that holds all `words`."""
        assert self.code == code, self
        assert self.err.count("\n") == 1 and self.err.startswith("edgefer: ") and self.err[:-1].isprintable(), self
        for word in words:
            assert word in self.err, self

    def fine(self) -> str:
        """Assert that it went well and silently; returns standard output."""
        assert (self.code, self.err) == (0, ""), self
        return self.out


def in_process(
    kind: Callable[[int, str, str], R], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., R]]:
    """For a fixture: `edgefer` with arguments, in this process; what it left behind is of this kind."""

    def do(*arguments: object) -> R:
        monkeypatch.setattr(sys, "argv", ["edgefer", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            assert isinstance(end.code, int)
            code = end.code
        return kind(code, *capfd.readouterr())

    handler = signal.getsignal(signal.SIGTERM)
    yield do
    signal.signal(signal.SIGTERM, handler)


Run = Callable[..., Ran]
Mount = Callable[[str], Path]


def whole(out: Path, *names: str) -> None:
    """Assert that `out` holds these bundles, each whole, and nothing else, hidden or not."""
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    for name in names:
        verify.check_golden(read_bundle(out / name))


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail
