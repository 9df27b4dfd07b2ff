"""The page in a bundle. EDGEFER_UPDATE_GOLDEN=1 writes tests/golden/ anew; read the difference then."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefer.arch import get_arch
from edgefer.pipeline.bundle_readme import render_readme
from edgefer.runtime import contract, engines
from edgefer.runtime.bundle import (
    GOLDEN_INPUT,
    GOLDEN_OUTPUT,
    GOLDEN_PICTURE,
    LABELS_FILE,
    README,
    RESIZE_INPUT,
    RESIZE_OUTPUT,
    RESIZE_PICTURE,
    file_entries,
    write_bundle,
)
from edgefer.runtime.contract import Layout, TensorSpec
from edgefer.runtime.golden import golden_picture, large_picture, to_png
from edgefer.runtime.labels import LABELS
from edgefer.runtime.manifest import Dtypes, FileEntry, Golden, GoldenResize, Manifest
from tests import made
from tests.pipeline.snippet_runner import check_python_snippet, python_block, run_python_snippet

PAIR, LARGE_PAIR = (GOLDEN_PICTURE, GOLDEN_INPUT, GOLDEN_OUTPUT), (RESIZE_PICTURE, RESIZE_INPUT, RESIZE_OUTPUT)
GOLDEN_FILES = (*PAIR, *LARGE_PAIR)
PAGES = Path(__file__).parents[1] / "golden"
FLOAT_IN, FLOAT_OUT = TensorSpec("args_0", (1, 44, 44, 3), "float32"), TensorSpec("output_0", (1, 7), "float32")
INT8_IN = TensorSpec("args_0", (1, 44, 44, 3), "int8", 1.0, -128)
INT8_OUT = TensorSpec("output_0", (1, 7), "int8", 1 / 256, -128)
NCHW = TensorSpec("pixels", (1, 3, 44, 44), "float32"), TensorSpec("probabilities", (1, 7), "float32")


def manifest(target: str, model: str, given: TensorSpec, returned: TensorSpec) -> Manifest:
    """What `edgefer build` knows of a bundle when it writes the page."""
    form, precision = target.split("-")[:2]
    layout: Layout = "NHWC" if form in ("tflite", "c") else "NCHW"
    names = [model, "model.bin"] if form in ("openvino", "ncnn") else [model]
    reference = [0.0312, 0.0021, 0.0417, 0.7103, 0.0633, 0.0251, 0.1263]
    return Manifest(
        name=f"ean.{target}",
        arch="ean",
        target=target,
        format=form,
        precision=precision,
        model=model,
        edgefer="0.0.0",
        paper="kong2022",
        parameters=43840,
        macs=4568040,
        contract=get_arch("ean").contract(layout, given, returned),
        dtypes=Dtypes({}, {}, []),
        golden=Golden(*PAIR, 0.02, reference, 0.003),
        weights_sha256="0" * 64,
        calibration=None,
        training=None,
        accuracy={"float": {"PublicTest": 68.125, "PrivateTest": 69.9}},
        needs="an engine",
        versions={},
        files={name: FileEntry(100_000, "0" * 64) for name in names},
        golden_resize=GoldenResize(*LARGE_PAIR, 2.0, 0.07),
    )


MANIFESTS = [
    manifest("tflite-int8", "model.tflite", INT8_IN, INT8_OUT),
    manifest("tflite-int8-floatio", "model.tflite", FLOAT_IN, FLOAT_OUT),
    manifest("onnx-fp32", "model.onnx", *NCHW),
    manifest("openvino-fp32", "model.xml", *NCHW),
    manifest("ncnn-int8", "model.param", *NCHW),
    manifest("c-int8", "model.c", INT8_IN, INT8_OUT),
    replace(
        manifest("coreml-fp16", "model.mlpackage/Data/model.mlmodel", *NCHW),
        unrun="not run here: there is no engine",
        dtypes=Dtypes({"float16": 3}, {"conv float16": 2, "softmax float16": 1}, []),
    ),
]


@pytest.mark.parametrize("known", MANIFESTS, ids=lambda known: known.target)
def test_page_is_the_golden_one(known: Manifest) -> None:
    path, page = PAGES / f"bundle-readme-{known.target}.md", render_readme(known)
    if os.environ.get("EDGEFER_UPDATE_GOLDEN"):
        path.write_text(page, encoding="utf-8")
    assert page == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("platforms", "said"),
    [
        ([], ""),
        (["wasm32"], "`libraries/` has it compiled for wasm32: an app takes one"),
        (["wasm32", "linux-x86_64", "android-arm64"], "for android-arm64, linux-x86_64 and wasm32: an app takes one"),
    ],
)
def test_the_page_names_the_built_libraries(platforms: list[str], said: str) -> None:
    known = manifest("c-int8", "model.c", INT8_IN, INT8_OUT)
    # some have several files, as WebAssembly has a module for each rule of relaxed SIMD
    entries = {f"libraries/{name}/{file}": FileEntry(9, "0" * 64) for name in platforms for file in ("ean", "ean.also")}
    page = render_readme(replace(known, files=known.files | entries))
    assert ("has it compiled for" in page) == bool(platforms) and said in page


@pytest.mark.parametrize("known", MANIFESTS, ids=lambda known: known.target)
def test_python_block_compiles(known: Manifest) -> None:
    compile(python_block(render_readme(known)), "README.md", "exec")


def test_page_of_independent_probabilities_is_the_golden_one() -> None:
    known = manifest("onnx-fp32", "model.onnx", *NCHW)
    known = replace(known, contract=replace(known.contract, meaning="independent probabilities"))
    made.golden("bundle-readme-independent.md", render_readme(known))


def test_other_scales_are_rounded_and_clipped() -> None:
    page = render_readme(manifest("tflite-int8", "model.tflite", replace(INT8_IN, scale=0.75, zero_point=5), INT8_OUT))
    assert "`q = round(pixel / 0.75) + 5`, clipped to -128 to 127" in page
    assert "np.clip(np.rint(pixels / 0.75) + 5, -128, 127).astype(np.int8)" in page
    assert "val q = kotlin.math.round(value / 0.75f).toInt() + 5\n" in page
    page = render_readme(manifest("c-int8", "model.c", replace(INT8_IN, scale=0.75, zero_point=5), INT8_OUT))
    assert "return Math.min(Math.max(nearest + 5, -128), 127);" in page


def test_unmeasured_accuracy_says_why() -> None:
    page = render_readme(replace(MANIFESTS[0], accuracy={"float": "not measured: no training record"}))
    assert "Accuracy of the float network: not measured: no training record.\n" in page


def test_a_margin_or_a_crop_that_is_none_is_said_in_words() -> None:
    known = manifest("onnx-fp32", "model.onnx", *NCHW)
    page = render_readme(replace(known, contract=replace(known.contract, face_margin=0.0, resize=44)))
    assert "as FER2013 is framed, without a margin.\n" in page
    assert "3. Keep all of it: for this network nothing is cut off.\n" in page
    page = render_readme(replace(known, contract=replace(known.contract, face_margin=0.125, resize=64)))
    assert "with a margin of 12.5 % of its side all around.\n" in page
    assert "3. Keep the centre 44 x 44: leave out 10 pixels on the left and 10 at the top.\n" in page


def test_labels_of_any_print_are_strings_in_c() -> None:
    known = manifest("c-int8", "model.c", INT8_IN, INT8_OUT)
    labels = ('so "happy"', "a\\n", "what??/", "fröhlich")
    page = render_readme(replace(known, contract=replace(known.contract, labels=labels)))
    assert r'labels[] = {"so \"happy\"", "a\\n", "what\?\?/", "fröhlich"};' in page


def test_int8_needs_code_that_was_written_for_it() -> None:
    with pytest.raises(FileNotFoundError, match="onnx-python-int8"):
        render_readme(manifest("onnx-int8", "model.onnx", replace(NCHW[0], dtype="int8", scale=1.0), NCHW[1]))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A real bundle around a network of three weights a class."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    content = _model(onnx)
    known = replace(MANIFESTS[2], files=file_entries({"model.onnx": content}))
    (tmp_path / "model.onnx").write_bytes(content)
    files = {"model.onnx": content, LABELS_FILE: "\n".join(known.contract.labels).encode()}
    model = engines.load(tmp_path / "model.onnx", "onnx")
    for picture, names in (
        (golden_picture(), PAIR),
        (large_picture(known.contract.resize), LARGE_PAIR),
    ):
        given = contract.to_input(contract.to_pixels(picture[None], known.contract), known.contract)
        files |= dict(zip(names, (to_png(picture), given.tobytes(), model.run(given).tobytes()), strict=True))
    files[README] = render_readme(known).encode()
    return write_bundle(tmp_path / known.name, known, files).folder


def _model(onnx: Any) -> bytes:
    """Mean colour -> linear -> softmax."""
    make = onnx.helper
    weights = np.random.default_rng(0).normal(0, 0.01, (3, 7)).astype(np.float32)
    nodes = [
        make.make_node("GlobalAveragePool", ["pixels"], ["mean"]),
        make.make_node("Flatten", ["mean"], ["colour"]),
        make.make_node("MatMul", ["colour", "weights"], ["logits"]),
        make.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    ends = [make.make_tensor_value_info(s.name, onnx.TensorProto.FLOAT, s.shape) for s in NCHW]
    graph = make.make_graph(nodes, "tiny", ends[:1], ends[1:], [onnx.numpy_helper.from_array(weights, "weights")])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())


def test_python_snippet_gives_the_golden_answer(bundle: Path, tmp_path: Path) -> None:
    check_python_snippet(bundle, tmp_path)
    label, probability = run_python_snippet(bundle).split()
    assert label in LABELS
    assert 1 / 7 < float(probability) < 1


def test_a_failing_snippet_shows_its_error(bundle: Path) -> None:
    (bundle / "model.onnx").unlink()
    with pytest.raises(AssertionError, match=r"model\.onnx"):
        run_python_snippet(bundle)
