"""What `needs` of targets.toml promises: the oldest engine that it names loads the file and gives its golden output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import venv
from functools import partial
from pathlib import Path

import pytest

from edgefer.pipeline.targets import all_targets
from tests.conftest import Once

TOP = Path(__file__).parents[2]
OLDEST = sorted({engine for target in all_targets().values() for engine in target.oldest})
# Engines that load a file, but are too old for edgefer, and the oldest that it runs on.
TOO_OLD = {("openvino==2024.0.0",): ("openvino==2024.3.0",)}
# In the engine's own environment, where there is nothing but it and what the half that ships needs.
VERIFY = """
import json, sys
from pathlib import Path
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.verify import check_golden
print(json.dumps({name: check_golden(read_bundle(Path(name))).engine for name in sys.argv[1:]}))
"""

# As a bundle's page runs it.
BY_ITS_MODULE = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
import openvino
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.verify import check_golden_of
engine = "OpenVINO " + openvino.get_version().partition("-")[0]
def engine_of(folder):
    bundle = read_bundle(Path(folder))
    path = bundle.path(bundle.manifest.model)
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    run = lambda given: model(given)[0]
    return check_golden_of(bundle, SimpleNamespace(engine=engine, run=run)).engine
print(json.dumps({name: engine_of(name) for name in sys.argv[1:]}))
"""


def install(packages: tuple[str, ...], folder: Path) -> None:
    """An environment with these packages; skips with pip's last word if they can't be had for this Python."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [*pip, *packages, "cattrs", "pillow"], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"{packages[0]} can't be installed: {done.stderr.strip().splitlines()[-1]}")


@pytest.mark.long
@pytest.mark.parametrize("engine", sorted({*OLDEST, *TOO_OLD.values()}), ids=lambda engine: engine[0])
def test_the_oldest_engine_gives_the_golden_output(engine: tuple[str, ...], dist: Path, once: Once) -> None:
    folder = once(re.sub(r"\W", "-", engine[0]), partial(install, engine))
    loads = {engine, *(older for older, newer in TOO_OLD.items() if newer == engine)}
    bundles = [str(dist / f"ean.{name}") for name, target in all_targets().items() if loads & set(target.oldest)]
    script = BY_ITS_MODULE if engine in TOO_OLD else VERIFY
    done = subprocess.run(
        [str(folder / "bin" / "python"), "-c", script, *bundles],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TOP), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr[-1000:]
    version = engine[0].partition("==")[2]
    assert [name.split()[-1] for name in json.loads(done.stdout).values()] == [version] * len(bundles)


@pytest.mark.parametrize("name", all_targets())
def test_needs_names_the_oldest_that_was_tried(name: str) -> None:
    target = all_targets()[name]
    for package, *_ in target.oldest:
        version = package.partition("==")[2].removeprefix("1.0.").removesuffix(".0")
        assert version in target.needs, package
