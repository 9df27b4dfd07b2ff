"""Runs the Python code of a bundle's README.md as someone would who has nothing but the folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from edgefer.runtime import contract
from edgefer.runtime.bundle import README, read_bundle
from edgefer.runtime.c.compiler import FLAGS, compile_to, find_compiler

PREPARE = """
import pathlib
pathlib.Path({target!r}).write_bytes(prepare(Image.open({picture!r})).tobytes())
"""


def python_block(page: str) -> str:
    """The one Python block of a README.md."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(block)


def run_python_snippet(bundle: Path, after: str = "") -> str:
    """Run the block, then the code `after`, in the folder `bundle`; what it printed: label and probability."""
    code = python_block((bundle / README).read_text(encoding="utf-8")) + after
    # -P leaves the folder and the checkout out of sys.path.
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=bundle, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_python_snippet(bundle: Path, scratch: Path) -> None:
    """The block must make the golden inputs, byte for byte, and give the golden output's answer."""
    opened = read_bundle(bundle)
    golden, resized, agreed = opened.manifest.golden, opened.manifest.golden_resize, opened.manifest.contract
    assert resized is not None
    if opened.manifest.format == "c":  # as its page says: a copy with the compiled library
        bundle = Path(shutil.copytree(bundle, scratch / "bundle"))
        sources = {name: (bundle / name).read_bytes() for name in ("model.c", "model.h")}
        compile_to(bundle / "model.so", find_compiler(), FLAGS, sources)
    for pair in (resized, golden):
        made = (scratch / "input.bin").resolve()
        printed = run_python_snippet(bundle, PREPARE.format(target=str(made), picture=pair.picture))
        assert made.read_bytes() == opened.path(pair.input).read_bytes()

    stored = np.frombuffer(opened.path(golden.output).read_bytes(), agreed.output.dtype)
    expected = contract.dequantise(stored, agreed.output)
    label, probability = printed.rsplit(maxsplit=1)
    assert label == agreed.labels[int(expected.argmax())]
    assert abs(float(probability) - float(expected.max())) <= golden.tolerance
