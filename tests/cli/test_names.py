"""Unknown names and wrong options."""

from __future__ import annotations

import pytest

from edgefer.data.dataset import SPLITS
from tests.cli.made import BUILD, Run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("build", "--arch", "EEAN", "--target", "onnx-fp32"), ("'EEAN'", "did you mean ean?", "`edgefer archs`")),
        (("build", "--arch", "zzz", "--target", "onnx-fp32"), ("'zzz'", "known: ean, ", "`edgefer archs`")),
        (("build", "--arch", "ean", "--target", "tflite-int"), ("tflite-int8", "`edgefer targets`")),
        ((*BUILD, "--target", "line\nbreak"), (r"'line\nbreak'",)),
        (("train", "--arch", "ean", "--data", "none", "--recipe", "plane"), ("plain", "`edgefer recipes`")),
        (("eval", "--arch", "ean", "--data", "none", "--split", "privat"), ("PrivateTest?", ", ".join(SPLITS))),
        (("verify", "none", "--split", "test"), (", ".join(SPLITS),)),
    ],
)
def test_unknown_names(run: Run, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    run(*arguments).fails(3, "unknown", *words)
    assert "splits`" not in run(*arguments).err


@pytest.mark.parametrize(
    "arguments", [("build",), ("no-such",), (*BUILD, "--seed", "-1"), ("verify",), ("archs", "--nothing")]
)
def test_wrong_command_lines_are_left_to_click(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert "Usage: edgefer" in ran.err and "Error:" in ran.err
