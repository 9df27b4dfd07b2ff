"""What the tests of the command line share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, NoReturn

from edgefer import package, resources, verify

PROGRAM = [sys.executable, "-c", "from edgefer.cli import main; main()"]
FP32, INT8 = "ean.onnx-fp32", "ean.onnx-int8"
BUILD = ("build", "--arch", "ean", "--target", "onnx-fp32")
BUILD_INT8 = ("build", "--arch", "ean", "--target", "onnx-int8")
SHIPPED = resources.folder("weights") / "ean.safetensors"
RANGES = resources.folder("calibration") / "ean.onnx.json"


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


Run = Callable[..., Ran]
Mount = Callable[[str], Path]


def whole(out: Path, *names: str) -> None:
    """Assert that `out` holds these bundles, each whole, and nothing else, hidden or not."""
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    for name in names:
        verify.golden(package.read(out / name))


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail
