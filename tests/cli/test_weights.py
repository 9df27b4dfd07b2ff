"""`edgefer weights`: what torch.save wrote, as the files that edgefer reads."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from tests.cli.made import Run


def test_the_command(run: Run, tmp_path: Path) -> None:
    state = {"module.weight": torch.ones(2, 3), "module.bias": torch.ones(2)}
    torch.save({"state_dict": state}, tmp_path / "a.pth")
    out = run("weights", "convert", tmp_path / "a.pth").fine()
    assert out == (
        f"wrote {tmp_path / 'a.safetensors'}: 2 tensors, 8 parameters, of the part state_dict\n"
        "module. was left out of every name; --keep-prefix keeps it\n"
    )
    assert json.loads(run("weights", "convert", tmp_path / "a.pth", "--json").fine())["stripped"] == "module."
    run("weights", "convert", tmp_path / "b.pth").fails(4, "b.pth")
    run("build", "--arch", "ean", "--weights", tmp_path / "a.pth", "--target", "onnx-fp32").fails(
        8, "a.pth is a torch checkpoint", f"`edgefer weights convert {tmp_path / 'a.pth'}`"
    )
