"""Heads of all kinds: recognised, chosen and cut out with the network's own probabilities; or one line says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from edgefer.arch.architecture import ModelContract
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.user_model import load, probe
from edgefer.pipeline.user_model.contract_file import ContractFile, read_contract_file
from edgefer.runtime import records, verify
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.contract import Contract
from edgefer.runtime.errors import BadNetwork, BadRecord, BrokenBundle
from edgefer.runtime.labels import LABELS as EXPRESSIONS
from tests.pipeline.user_model import heads
from tests.pipeline.user_model.conftest import Run, write
from tests.pipeline.user_model.preprocessing import preprocess

LABELS = ("a", "b", "c", "d", "e")
HEADS = "tests.pipeline.user_model.heads"
TARGETS = ("onnx-fp32", "tflite-int8", "openvino-int8", "ncnn-fp32", "onnx-int8")


@dataclass(frozen=True)
class Case:
    """A network, the keys of its contract, what is recognised, and what its answer is in probabilities."""

    name: str
    keys: str
    output: str
    probabilities: Callable[..., Tensor]


def _softmax(answer: Tensor) -> Tensor:
    return torch.softmax(answer, 1)


CASES = [
    Case("logits", "", "logits", _softmax),
    Case("logits", 'output = "sigmoid-logits"', "sigmoid-logits", torch.sigmoid),
    Case("sigmoid", "", "sigmoid", lambda answer: answer),
    Case("sigmoid", 'output = "sigmoid"', "sigmoid", lambda answer: answer),
    Case("sigmoid_function", "", "sigmoid", lambda answer: answer),
    Case("sigmoid_method", "", "sigmoid", lambda answer: answer),
    Case("sigmoid_written_out", 'output = "sigmoid"', "sigmoid", lambda answer: answer),
    Case("softmax", "", "probabilities", lambda answer: answer),
    Case("log_softmax", "", "log-probabilities", torch.exp),
    Case("log_softmax", 'output = "logits"', "logits", torch.exp),
    Case("tanh", 'output = "logits"', "logits", _softmax),
    Case("vector", "output_slice = [0, 5]", "logits", lambda answer: _softmax(answer[:, :5])),
    Case("vector", "output_slice = [2, 7]", "logits", lambda answer: _softmax(answer[:, 2:])),
    Case("sigmoid_vector", "output_slice = [1, 6]", "sigmoid", lambda answer: answer[:, 1:6]),
    Case("pair", "output_name = 1", "logits", lambda answer: _softmax(answer[1])),
    Case("dictionary", 'output_name = "expression"', "sigmoid", lambda answer: answer["expression"]),
    Case("alone", "", "logits", lambda answer: _softmax(answer[0])),
]
IDS = [f"{case.name} {case.keys}".strip() for case in CASES]


def contract(folder: Path, keys: str) -> Path:
    path = folder / "c.toml"
    path.write_text(f'name = "theirs"\nlabels = {list(LABELS)}\ninput = "3x16x16"\n{keys}\n')
    return path


def words(folder: Path, name: str, keys: str) -> tuple[object, ...]:
    weights = write(getattr(heads, name)(), folder / "w.safetensors")
    return ("build", "--model", f"{HEADS}:{name}", "--weights", weights, "--contract", contract(folder, keys))


FACES = np.random.default_rng(1).integers(0, 256, (6, heads.SIDE, heads.SIDE, 3), dtype=np.uint8)


def expected(case: Case) -> np.ndarray:
    with torch.inference_mode():
        answer = getattr(heads, case.name)()(preprocess(FACES, heads.SIDE, "rgb", (0, 1), [0] * 3, [1] * 3))
        return case.probabilities(answer).numpy()


def deployed(network: nn.Module, user_model: ModelContract) -> np.ndarray:
    """What is exported, on FACES."""
    pixels = torch.from_numpy(FACES).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        found: np.ndarray = probe.run(DeployableModel(network, user_model=user_model).eval(), pixels).numpy()
    return found


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_recognised_and_its_own_probabilities(tmp_path: Path, case: Case) -> None:
    weights = write(getattr(heads, case.name)(), tmp_path / "w.safetensors")
    stated = read_contract_file(contract(tmp_path, case.keys))
    arch, trained = load.from_torch(f"{HEADS}:{case.name}", weights, stated)
    assert arch.user_model is not None and arch.user_model.output == case.output
    assert (arch.user_model.output_name, arch.user_model.output_slice) == (stated.output_name, stated.output_slice)
    assert np.abs(deployed(trained.network, arch.user_model) - expected(case)).max() < 1e-5


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces to calibrate on."""
    from PIL import Image

    folder, random = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    for split in ("train", "test"):
        for label in EXPRESSIONS:
            (folder / split / label).mkdir(parents=True)
            for index in range(4):
                face = random.integers(0, 256, (heads.SIDE, heads.SIDE, 3), dtype=np.uint8)
                Image.fromarray(face).save(folder / split / label / f"{index}.png")
    return folder


SHIPPED = [pytest.param(CASES[n], id=IDS[n]) for n in (2, 12)]
SHIPPED += [pytest.param(CASES[n], id=IDS[n], marks=pytest.mark.long) for n in (1, 8, 13, 15)]


@pytest.mark.parametrize("case", SHIPPED)
def test_every_format(run: Run, tmp_path: Path, flat: Path, case: Case) -> None:
    targets = [word for name in TARGETS for word in ("--target", name)]
    ran = run(*words(tmp_path, case.name, case.keys), *targets, "--calibration", flat, "--out", tmp_path)
    assert ran.fine().count(f"outputs taken as {case.output},") == len(TARGETS)
    for name in TARGETS:
        bundle = read_bundle(tmp_path / f"theirs.{name}")
        verify.check_golden(bundle)
        meaning = "independent probabilities" if case.output.startswith("sigmoid") else "probabilities"
        assert (bundle.manifest.contract.meaning, bundle.manifest.contract.output.shape) == (meaning, (1, 5))
        far = np.abs(verify.run_faces(bundle, FACES) - expected(case)).max()
        assert far < (0.05 if name.endswith("int8") else 1e-5), (name, far)
        spec = bundle.manifest.contract.output
        if spec.dtype == "int8":
            assert (spec.scale, spec.zero_point) == (1 / 256, -128), name


class Two(nn.Module):
    """Answers under names, for ONNX."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        answer = self.network(x)
        return answer[:, 5:], torch.sigmoid(answer[:, :5])


def exported(network: nn.Module, path: Path, names: list[str]) -> Path:
    face = (torch.zeros(1, 3, heads.SIDE, heads.SIDE),)
    program = torch.onnx.export(network, face, dynamo=True, opset_version=18, output_names=names)
    assert program is not None
    program.save(str(path))
    return path


def test_onnx_output_by_name(run: Run, tmp_path: Path, flat: Path) -> None:
    network = Two(heads.vector()).eval()
    path = exported(network, tmp_path / "x.onnx", ["affect", "labels"])
    targets = ("--target", "onnx-fp32", "--target", "tflite-int8", "--target", "ncnn-fp32", "--calibration", flat)
    stated = contract(tmp_path, 'output_name = "labels"')
    out = run("build", "--onnx", path, "--contract", stated, *targets, "--out", tmp_path).fine()
    assert out.count("outputs taken as sigmoid,") == 3
    with torch.inference_mode():
        wanted = network(preprocess(FACES, heads.SIDE, "rgb", (0, 1), [0] * 3, [1] * 3))[1].numpy()
    for target, limit in (("onnx-fp32", 1e-5), ("tflite-int8", 0.05), ("ncnn-fp32", 1e-5)):
        found = verify.run_faces(read_bundle(tmp_path / f"theirs.{target}"), FACES)
        assert np.abs(found - wanted).max() < limit, target


@pytest.mark.parametrize("case", [CASES[2], CASES[7], CASES[11], CASES[13]], ids=lambda case: case.name)
def test_onnx_is_recognised_like_torch(tmp_path: Path, case: Case) -> None:
    path = exported(getattr(heads, case.name)(), tmp_path / "x.onnx", ["labels"])
    arch, trained = load.from_onnx(path, read_contract_file(contract(tmp_path, case.keys)))
    assert arch.user_model is not None and arch.user_model.output == case.output
    assert np.abs(deployed(trained.network, arch.user_model) - expected(case)).max() < 1e-5


def test_onnx_outputs_are_listed(run: Run, tmp_path: Path) -> None:
    path = exported(Two(heads.vector()).eval(), tmp_path / "x.onnx", ["affect", "labels"])
    begin = ("build", "--onnx", path, "--target", "onnx-fp32", "--out", tmp_path / "dist", "--contract")
    ran = run(*begin, contract(tmp_path, ""))
    ran.fails(26, "x.onnx has 2 outputs (affect (1, 2), labels (1, 5))", 'output_name = "..."')
    ran = run(*begin, contract(tmp_path, 'output_name = "label"'))
    ran.fails(26, 'output_name = "label" is none of its outputs (affect (1, 2), labels (1, 5))')


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("sigmoid", 'output = "logits"', ("independent probabilities of a sigmoid", "a second softmax would flatten")),
        ("sigmoid", 'output = "probabilities"', ("independent probabilities of a sigmoid", "do not sum to 1")),
        ("sigmoid", 'output = "sigmoid-logits"', ("a second sigmoid would flatten",)),
        ("softmax", 'output = "sigmoid"', ("are probabilities", "they sum to 1")),
        ("log_softmax", 'output = "sigmoid"', ("are log-probabilities",)),
        ("logits", 'output = "sigmoid"', ("are logits", 'output = "sigmoid-logits" puts one behind', "is linear")),
        ("logits", 'output = "log-probabilities"', ("are logits", "the sum of their exponentials is not 1")),
        ("softmax_over_faces", "", ("ends in a softmax", "over another axis")),
        ("softmax_vector", "output_slice = [0, 5]", ("ends in a softmax", "over more outputs than there are labels")),
        ("sigmoid_written_out", "", ("is open", "its last operation is", '"sigmoid-logits"')),
        ("tanh", "", ("is open", "its last operation is tanh")),
        ("tanh", 'output = "sigmoid"', ('output = "sigmoid" is stated', "last operation is tanh, they are from -0.")),
        ("vector", "", ("7 outputs, 5 labels are given", "output_slice = [0, 5]")),
        ("vector", "output_slice = [0, 6]", ("6 outputs, 5 labels are given",)),
        ("vector", "output_slice = [3, 8]", ("output_slice = [3, 8] reaches beyond the 7 outputs",)),
        ("pair", "", ("gives a tuple of 2 outputs (0 (1, 2), 1 (1, 5))", "output_name")),
        ("pair", 'output_name = "2"', ('output_name = "2" is none of its outputs (0 (1, 2), 1 (1, 5))',)),
        ("dictionary", "", ("gives a dict of 2 outputs (expression (1, 5), affect.both (1, 2))",)),
    ],
)
def test_refused(run: Run, tmp_path: Path, name: str, keys: str, said: tuple[str, ...]) -> None:
    run(*words(tmp_path, name, keys), "--target", "onnx-fp32", "--out", tmp_path / "dist").fails(26, *said)
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("part", [[5, 5], [-1, 4], [4, 2]])
def test_no_part_of_a_vector(tmp_path: Path, part: list[int]) -> None:
    with pytest.raises(BadRecord, match="no part of a vector"):
        read_contract_file(contract(tmp_path, f"output_slice = {part}"))


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("output_slice = [0.5, 5]", r"output_slice is \[0.5, 5\], it must be two whole numbers"),
        ("output_slice = 5", "two whole numbers, the first place and the end"),
        ('output_slice = "0:5"', "output_slice is '0:5'"),
        ("output_slice = [0, 5, 7]", "two whole numbers"),
        ("resize = 72.9", "resize is 72.9, it must be a whole number"),
        ("crop = true", "crop is True"),
    ],
)
def test_fractions_are_not_cut_off(tmp_path: Path, key: str, said: str) -> None:
    with pytest.raises(BadRecord, match=said):
        read_contract_file(contract(tmp_path, key))


def test_the_log_softmax_and_the_rows_of_others_are_not_shipped(tmp_path: Path) -> None:
    def loaded(name: str, contract: ContractFile) -> nn.Module:
        weights = write(getattr(heads, name)(), tmp_path / "w.safetensors")
        return load.from_torch(f"{HEADS}:{name}", weights, contract)[1].network

    plain = ContractFile(labels=LABELS, input="3x16x16")
    assert "log_softmax" not in str(getattr(loaded("log_softmax", plain), "code", ""))
    cut = loaded("vector", replace(plain, output_slice=(1, 6)))
    assert [each.out_features for each in cut.modules() if isinstance(each, nn.Linear)] == [5]
    assert "getitem" not in str(getattr(cut, "code", "["))


def test_other_parts_are_other_weights(tmp_path: Path) -> None:
    weights = write(heads.vector(), tmp_path / "w.safetensors")
    plain = ContractFile(labels=LABELS, input="3x16x16")
    sums = {
        load.from_torch(f"{HEADS}:vector", weights, replace(plain, output_slice=part))[1].sha256
        for part in ((0, 5), (1, 6), (2, 7))
    }
    assert len(sums) == 3


kinds = st.sampled_from(["logits", "probabilities", "log-probabilities", "sigmoid", "sigmoid-logits"])
parts = st.none() | st.tuples(st.integers(0, 9), st.integers(1, 9)).map(lambda pair: (pair[0], sum(pair)))


@given(kind=kinds, name=st.none() | st.text(min_size=1), part=parts)
def test_json_round_trip(kind: str, name: str | None, part: tuple[int, int] | None) -> None:
    file = ContractFile(labels=LABELS, output=kind, output_name=name, output_slice=part)  # type: ignore[arg-type]
    assert records.parse(ContractFile, records.dumps(file), "c") == file
    model = ModelContract("net", "0", "rgb", (0.0, 1.0), (0.0,), (1.0,), kind, name, part)  # type: ignore[arg-type]
    assert records.parse(ModelContract, records.dumps(model), "m") == model
    assert model.meaning == ("independent probabilities" if kind.startswith("sigmoid") else "probabilities")


def test_a_meaning_that_this_edgefer_does_not_know_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    run(*words(tmp_path, "sigmoid", ""), "--target", "onnx-fp32", "--out", tmp_path).fine()
    path = tmp_path / "theirs.onnx-fp32" / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["contract"]["meaning"] == "independent probabilities"
    records.structure(Contract, manifest["contract"], "m")
    path.write_text(path.read_text().replace('"independent probabilities"', '"odds"'))
    with pytest.raises(BrokenBundle, match="odds"):
        read_bundle(path.parent)


def test_edgefers_own_choice_is_named(tmp_path: Path) -> None:
    weights = write(heads.pair(), tmp_path / "w.safetensors")
    with pytest.raises(BadNetwork, match="labels are for one tensor"):
        load.from_torch(f"{HEADS}:pair", weights, ContractFile(labels=LABELS, input="3x16x16"))
