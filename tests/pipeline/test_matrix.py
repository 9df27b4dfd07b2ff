"""Every network on every target, untrained: each builds, verifies and holds what its target promises, or says why not.

`make test` builds a small network, `make test-all` one of each module, the smallest, and `make matrix`
(pytest -m matrix) the others.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from torch import nn

from edgefer.arch import ARCHS, get_arch
from edgefer.arch.count import skeleton
from edgefer.data.dataset import SYNTHETIC_SOURCE
from edgefer.pipeline.build import BuildJob, CalibrationOptions, build_bundle
from edgefer.pipeline.built_file import CONVERSION_TOLERANCE
from edgefer.pipeline.bundle_readme import PAPERS
from edgefer.pipeline.float_model import FloatModel
from edgefer.pipeline.targets import all_targets, get_target
from edgefer.runtime import verify
from edgefer.runtime.bundle import README, Bundle, read_bundle
from edgefer.runtime.errors import ExportFailed
from edgefer.training import random_init
from tests.compilers import buildable
from tests.test_benchmarks import script

LONG = {"densenet"}  # modules whose smallest network takes minutes: `make matrix` only

# Element types of weights, as the engines call them.
KINDS = {"fp32": ("float32", "float"), "fp16": ("float16",), "dynamic": ("int8",), "int8": ("int8",)}
WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Linear)


def _work(name: str) -> tuple[int, int]:
    arch = get_arch(name)
    return arch.crop, sum(p.numel() for p in skeleton(arch).parameters())


_SMALLEST = {get_arch(name).module: name for name in sorted(ARCHS, key=_work, reverse=True)}
ONE_EACH = tuple(name for module, name in _SMALLEST.items() if module not in LONG)
QUICK = {"microexpnet-xxs-p12"}  # what `make test` builds besides the shipped EAN, in seconds


def _networks() -> list[object]:
    # Grouped by network, so that what its targets share is made once.
    def mark(name: str) -> tuple[pytest.MarkDecorator, ...]:
        if name in QUICK:
            return ()
        return (pytest.mark.long if name in ONE_EACH else pytest.mark.matrix,)

    return [pytest.param(name, id=name, marks=mark(name)) for name in ARCHS]


def build(float_model: FloatModel, name: str, out: Path) -> Bundle:
    job = BuildJob(float_model.arch, name, get_target(name), float_model.weights, CalibrationOptions())
    return build_bundle(job, out, float_model=float_model)


@pytest.mark.parametrize("network", _networks())
def test_builds_for_every_target(network: str, tmp_path: Path) -> None:
    arch = get_arch(network)
    float_model = FloatModel(arch, random_init.make(arch, 0))
    layers = sum(isinstance(module, WEIGHTED) for module in float_model.network.modules())
    for name, target in all_targets().items():
        if not (target.is_tried(network) and buildable(name)):
            continue
        if network in target.cannot:
            with pytest.raises(ExportFailed, match=re.escape(target.cannot[network])):
                build(float_model, name, tmp_path)
            continue
        built = build(float_model, name, tmp_path)
        bundle = read_bundle(built.folder)
        verify.check_golden(bundle)
        holds_what_it_promises(bundle, name, layers)
        shutil.rmtree(bundle.folder)  # of all targets together some networks take gigabytes


def holds_what_it_promises(bundle: Bundle, name: str, layers: int) -> None:
    """`layers` is how many have weights, which must be in the target's precision."""
    manifest, target = bundle.manifest, get_target(name)
    arch, given = get_arch(manifest.arch), manifest.contract.input
    assert manifest.name == f"{arch.name}-untrained-seed0.{name}"
    assert sorted(given.shape) == sorted((1, 3, arch.crop, arch.crop))
    assert given.dtype == target.io
    assert manifest.contract.output.shape == (1, len(arch.labels))
    assert "untrained, seed 0" in manifest.accuracy["float"]
    readme = (bundle.folder / README).read_text()
    assert "untrained, seed 0" in readme
    assert PAPERS[arch.paper] in readme
    assert sum(manifest.dtypes.tensors.get(kind, 0) for kind in KINDS[target.precision]) >= layers
    assert manifest.golden.distance <= CONVERSION_TOLERANCE[target.precision]
    if target.precision == "int8":
        assert manifest.dtypes.float_inside == []
        assert set(manifest.dtypes.float_only) <= set(target.float_only)
        assert manifest.calibration is not None and manifest.calibration["source"] == SYNTHETIC_SOURCE
        assert SYNTHETIC_SOURCE in manifest.accuracy["float"]


def test_what_can_not_be_built_is_a_network() -> None:
    assert {name for target in all_targets().values() for name in target.cannot} <= ARCHS.keys()
    assert {name for target in all_targets().values() for name in target.tried} <= ARCHS.keys()


def test_one_of_each_module_is_built_by_make_test_all() -> None:
    assert set(ONE_EACH) > QUICK
    assert {get_arch(name).module for name in ONE_EACH} == {arch.module for arch in ARCHS.values()} - LONG


def test_table_is_rendered_from_its_record_and_tells_every_cell() -> None:
    matrix = script("matrix")
    record = json.loads(matrix.RECORD.read_text())
    assert matrix.TABLE.read_text() == matrix.render(record)
    assert matrix.surprises(record) == []
    told = {(network, name) for network, cells in record["networks"].items() for name in cells}
    assert told == {(network, name) for network in ARCHS for name in matrix.tried(network)}
