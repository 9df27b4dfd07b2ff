"""OpenVINO's C library: where it is found, that it answers as the Python module does, and what it refuses."""

from __future__ import annotations

import ctypes.util
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13

from edgefer.runtime import engines
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.engines import openvino_library
from edgefer.runtime.errors import BrokenBundle, MissingEngine


@pytest.fixture
def libs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of libraries of an installed package, empty."""
    spec = ModuleSpec("openvino", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "openvino")]
    monkeypatch.setattr(openvino_library, "find_spec", lambda name: spec)
    (tmp_path / "openvino" / "libs").mkdir(parents=True)
    return tmp_path / "openvino" / "libs"


@pytest.mark.parametrize(
    ("there", "name"),
    [
        (["libopenvino.so.2641", "libopenvino_c.so.2641"], "libopenvino_c.so.2641"),
        (["libopenvino.2641.dylib", "libopenvino_c.2641.dylib"], "libopenvino_c.2641.dylib"),
        (["openvino.dll", "openvino_c.lib", "openvino_c.dll"], "openvino_c.dll"),
    ],
)
def test_it_is_found_in_the_wheels_of_each_system(libs: Path, there: list[str], name: str) -> None:
    for each in there:
        (libs / each).touch()
    assert openvino_library.find_library() == libs / name


def test_a_package_of_the_system_has_it_elsewhere(libs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", {"openvino_c": "libopenvino_c.so.2641"}.get)
    assert not list(libs.iterdir()) and openvino_library.find_library() == "libopenvino_c.so.2641"


def test_a_package_without_it_is_too_old(libs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    (libs / "libopenvino.so.2400").touch()
    with pytest.raises(
        MissingEngine, match=r"has no libopenvino_c\.so\* .* since 2024\.3: run pip install 'edgefer\[op"
    ):
        openvino_library.find_library()


def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_library, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError) as told:
        openvino_library.find_library()
    assert told.value.name == "openvino"


@pytest.mark.parametrize("target", ["openvino-fp32", "openvino-int8"])
def test_answers_are_those_of_the_python_module(dist: Path, target: str) -> None:
    bundle = read_bundle(dist / f"ean.{target}")
    path = bundle.path(bundle.manifest.model)
    ours = engines.load(path, "openvino")
    theirs = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    assert ours.engine == f"OpenVINO {openvino.get_version().partition('-')[0]}"
    assert ours.unchecked.provider == ", ".join(theirs.get_property("EXECUTION_DEVICES"))  # type: ignore[attr-defined]
    assert (ours.input.name, ours.output.name) == (theirs.input(0).get_any_name(), theirs.output(0).get_any_name())
    for seed in range(3):
        given = np.random.default_rng(seed).uniform(0, 255, ours.input.shape).astype(np.float32)
        assert np.array_equal(ours.run(given), theirs(given)[0])


def test_a_result_is_a_copy_and_outlives_its_model(dist: Path) -> None:
    bundle = read_bundle(dist / "ean.openvino-fp32")
    model = engines.load(bundle.path(bundle.manifest.model), "openvino")
    first = model.run(np.zeros(model.input.shape, np.float32))
    kept = first.copy()
    model.run(np.full(model.input.shape, 255, np.float32))
    del model
    assert np.array_equal(first, kept)


def of_type(kind: str) -> openvino.Model:
    given = opset13.parameter([1, 4], getattr(openvino.Type, kind), name="given")
    given.output(0).get_tensor().set_names({"given"})
    end = opset13.relu(given)
    end.output(0).get_tensor().set_names({"end"})
    return openvino.Model([opset13.result(end)], [given], "made")


def dynamic() -> openvino.Model:
    made = of_type("f32")
    made.reshape([-1, 4])
    return made


def without_input() -> openvino.Model:
    end = opset13.relu(opset13.constant(np.ones((1, 4), np.float32)))
    return openvino.Model([opset13.result(end)], [], "made")


def with_two(inputs: int, outputs: int) -> openvino.Model:
    """Two inputs or outputs, or one."""
    given = [opset13.parameter([1, 4], openvino.Type.f32, name=f"given{number}") for number in range(inputs)]
    for each in given:
        each.output(0).get_tensor().set_names({each.get_friendly_name()})
    ends = [opset13.add(given[0], given[-1]) for _ in range(outputs)]
    for number, each in enumerate(ends):
        each.output(0).get_tensor().set_names({f"end{number}"})
    return openvino.Model([opset13.result(each) for each in ends], given, "made")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: of_type("f64"), r"ValueError: the input has 32 bytes, \(1, 4\) float32 are 16"),
        (lambda: of_type("u8"), r"ValueError: the input has 4 bytes, \(1, 4\) float32 are 16"),
        (dynamic, "RuntimeError: .*dynamic"),
        (without_input, "RuntimeError: "),
        (lambda: with_two(inputs=2, outputs=1), "RuntimeError: .*input"),
        (lambda: with_two(inputs=1, outputs=2), "RuntimeError: .*output"),
    ],
    ids=["f64", "u8", "dynamic", "without input", "two inputs", "two outputs"],
)
def test_a_model_of_another_kind_is_refused(tmp_path: Path, make: Callable[[], openvino.Model], words: str) -> None:
    openvino.save_model(make(), tmp_path / "model.xml", compress_to_fp16=False)
    with pytest.raises(BrokenBundle, match=rf"the openvino engine can't load it \({words}"):
        engines.load(tmp_path / "model.xml", "openvino")


def test_a_broken_file_is_told_in_the_words_of_openvino(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text("<net")
    for name, words in (("model", "Unable to read the model"), ("gone", "Could not open the file")):
        with pytest.raises(BrokenBundle, match=rf"can't load it \(RuntimeError: Exception from .*{words}"):
            engines.load(tmp_path / f"{name}.xml", "openvino")


def test_a_path_may_have_any_letters(dist: Path, tmp_path: Path) -> None:
    bundle = read_bundle(dist / "ean.openvino-fp32")
    path = bundle.path(bundle.manifest.model)
    for suffix in (".xml", ".bin"):
        (tmp_path / f"Übung 表{suffix}").write_bytes(path.with_suffix(suffix).read_bytes())
    assert engines.load(tmp_path / "Übung 表.xml", "openvino").output.shape == (1, 7)
