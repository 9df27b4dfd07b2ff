"""What can be wrong with a network of the user's own: one line each, an exit code, and nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from edgefer.pipeline.user_model import contract_file
from tests.pipeline.user_model import nets
from tests.pipeline.user_model.conftest import BASE, Run


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """Weights of nets.colour."""
    torch.manual_seed(0)
    save_file(nets.colour().state_dict(), tmp_path / "some.safetensors")
    return tmp_path / "some.safetensors"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("tests.pipeline.user_model.nets", ("names no network", "module:callable")),
        ("tests.pipeline.user_model.absent:make", ("no module tests.pipeline.user_model.absent", "run in the folder")),
        ("tests.pipeline.user_model.nets:absent", ("the module tests.pipeline.user_model.nets has no absent",)),
        (
            "tests.pipeline.user_model.nets:number",
            ("tests.pipeline.user_model.nets:number is a int", "must be callable"),
        ),
        (
            "tests.pipeline.user_model.nets:raises",
            ("tests.pipeline.user_model.nets:raises() raised ValueError: no luck today", "--debug"),
        ),
        ("tests.pipeline.user_model.nets:leaves", ("tests.pipeline.user_model.nets:leaves() raised SystemExit: 3",)),
        ("tests.pipeline.user_model.nets:nothing", ("returned a NoneType", "torch.nn.Module")),
    ],
)
def test_callable(build: Run, some: Path, spec: str, words: tuple[str, ...]) -> None:
    build("--model", spec, "--weights", some, "--input", "3x40x40").fails(26, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import a_package_that_nobody_has", ("importing broken raised ModuleNotFoundError", "nobody_has")),
        ("1 / 0", ("importing broken raised ZeroDivisionError",)),
        ("def make(:", ("importing broken raised SyntaxError",)),
    ],
)
def test_module_that_can_not_be_imported(
    build: Run, some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    build("--model", "broken:make", "--weights", some, "--input", "3x40x40").fails(26, *words)


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("branching", 9, ("torch.fx can't trace tests.pipeline.user_model.nets:branching", "must not branch")),
        ("pair", 26, ("gives a tuple", "one tensor")),
        ("tall", 26, ("gives (1, 5, 38, 38) for one face of 3x40x40",)),
        ("endless", 26, ("nan or infinite",)),
    ],
)
def test_network(build: Run, tmp_path: Path, spec: str, code: int, words: tuple[str, ...]) -> None:
    path = tmp_path / "w.safetensors"
    save_file(getattr(nets, spec)().state_dict(), path)
    build("--model", f"tests.pipeline.user_model.nets:{spec}", "--weights", path, "--input", "3x40x40").fails(
        code, *words
    )


def test_module_instead_of_a_callable(run: Run, tmp_path: Path) -> None:
    save_file(nets.ready.state_dict(), tmp_path / "w.safetensors")
    words = (
        "--model",
        "tests.pipeline.user_model.nets:ready",
        "--weights",
        tmp_path / "w.safetensors",
        "--input",
        "3x40x40",
    )
    run(*BASE, *words, "--name", "plain", "--out", tmp_path / "dist").fine()
    assert (tmp_path / "dist" / "plain.onnx-fp32").is_dir()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stem.weight": None}, ("stem.weight missing",)),
        ({"extra": torch.zeros(1)}, ("extra unknown",)),
        ({"stem.weight": torch.zeros(12, 1, 3, 3)}, ("stem.weight is (12, 1, 3, 3), the network has (12, 3, 3, 3)",)),
        ({"mix.bias": torch.full((16,), torch.nan)}, ("nan or infinite",)),
    ],
)
def test_weights(build: Run, some: Path, change: dict[str, Any], words: tuple[str, ...]) -> None:
    tensors = {k: v for k, v in (nets.colour().state_dict() | change).items() if v is not None}
    save_file(tensors, some)
    build("--model", "tests.pipeline.user_model.nets:colour", "--weights", some, "--input", "3x40x40").fails(8, *words)


def test_weights_that_are_none(build: Run, tmp_path: Path) -> None:
    words = ("--model", "tests.pipeline.user_model.nets:colour", "--input", "3x40x40", "--weights")
    build(*words, tmp_path / "absent.safetensors").fails(4, "absent.safetensors")
    (tmp_path / "w.pt").write_bytes(b"\x80\x02pickle")
    build(*words, tmp_path / "w.pt").fails(8, "is a Python pickle", "edgefer weights convert")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 26, ("the size of the input", "--input 1x64x64")),
        (("--input", "1x40x40"), 26, ("does not take an input of 1x40x40",)),
        (("--input", "3x20x20"), 26, ("does not take an input of 3x20x20",)),
        (("--input", "3x40x48"), 16, ("40 x 48 pixels", "square")),
        (("--input", "4x40x40"), 16, ("4 channels",)),
        (("--input", "40x40"), 16, ("'40x40' is no size",)),
        (("--input", "3x40x40", "--labels", "a,b"), 26, ("5 outputs, 2 labels are given (a, b)",)),
        (("--input", "3x40x40", "--labels", "a,b,c,d,a"), 16, ("the label a is given twice",)),
        (("--input", "3x40x40", "--labels", "a,,b"), 16, ("'' is no label",)),
        (("--input", "3x40x40", "--labels", "a"), 16, ("one label is no choice",)),
        (("--input", "3x40x40", "--name", "ean"), 16, ("ean is a network of edgefer's", "--name")),
        (("--input", "3x40x40", "--name", "a.b"), 16, ("'a.b' can't be a network's name",)),
        (("--input", "3x40x40", "--name", "../x"), 16, ("'../x' can't be a network's name",)),
    ],
)
def test_what_is_said(build: Run, some: Path, words: tuple[str, ...], code: int, said: tuple[str, ...]) -> None:
    build("--model", "tests.pipeline.user_model.nets:colour", "--weights", some, *words).fails(code, *said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 'grey'", ("c.toml", "colour", "ContractFile has the keys name, labels, input")),
        ("color = 'green'", ("c.toml", "color")),
        ("output = 'scores'", ("c.toml", "output")),
        ("range = [1, 0]", ("the range 1 to 0 is none",)),
        ("range = [0, 1, 2]", ("c.toml", "range")),
        ("mean = [0.5]", ("mean has 1 values, the network takes 3 channels",)),
        ("mean = [nan, 0, 0]", ("mean has a value that is no finite number",)),
        ("std = [1, 0, 1]", ("std must be positive",)),
        ("crop = 44", ("the crop is 44 pixels, the network takes 40",)),
        ("resize = 30", ("a face resized to 30 pixels has no centre of 40",)),
        ("labels = ", ("c.toml is not TOML",)),
        ("layout = 'NHWC'", ("is a torch network, which takes NCHW",)),
        ("output = 'probabilities'", ("are logits", "do not sum to 1")),
    ],
)
def test_contract(run: Run, some: Path, tmp_path: Path, text: str, said: tuple[str, ...]) -> None:
    (tmp_path / "c.toml").write_text(f"{text}\n")
    words = ("--model", "tests.pipeline.user_model.nets:colour", "--weights", some, "--input", "3x40x40")
    ran = run(*BASE, *words, "--contract", tmp_path / "c.toml", "--out", tmp_path / "dist")
    ran.fails(26 if "layout" in text or "output = 'p" in text else 16, *said)


def test_one_channel_is_grey(build: Run, some: Path, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("color = 'rgb'\n")
    words = ("--model", "tests.pipeline.user_model.nets:colour", "--weights", some, "--contract", tmp_path / "c.toml")
    build(*words, "--input", "1x40x40").fails(16, "one channel can't be rgb")


def test_labels_of_a_contract_in_one_string(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("labels = 'happy, very sad'\n")
    assert contract_file.read_contract_file(tmp_path / "c.toml").labels == ("happy", "very sad")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--arch", "ean", "--onnx", "x.onnx"),
        ("--arch", "ean", "--input", "3x40x40"),
        ("--model", "tests.pipeline.user_model.nets:colour"),
        ("--onnx", "x.onnx", "--weights", "w.safetensors"),
        ("--onnx", "x.onnx", "--untrained"),
        ("--model", "tests.pipeline.user_model.nets:colour", "--untrained", "3"),
    ],
)
def test_options_that_do_not_go_together(run: Run, words: tuple[str, ...]) -> None:
    ran = run(*BASE, *words)
    assert ran.code == 2 and "Error: " in ran.err, ran
