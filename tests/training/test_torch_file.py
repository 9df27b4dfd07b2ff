"""What torch.save wrote becomes safetensors, and never runs code on the way."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from edgefer.arch import get_arch
from edgefer.runtime.errors import BadWeights, EdgeferError, MissingFile, OutputFailed
from edgefer.runtime.progress import Progress
from edgefer.training import torch_file, weights

Save = Callable[[Path], object]
LAYER = nn.Linear(3, 2)
STATE: dict[str, Tensor] = dict(LAYER.state_dict())


class Evil:
    """A pickle that would run a function when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("ran code",)


def saved(path: Path, content: object, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("key", [None, *torch_file.KEYS])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("legacy", [False, True])
def test_weights_are_found_and_named_plainly(tmp_path: Path, key: str | None, prefix: str, legacy: bool) -> None:
    state = {prefix + name: value for name, value in STATE.items()}
    content = state if key is None else {"epoch": 3, "optimizer": {"lr": 0.1}, key: state}
    path = saved(tmp_path / "a.pth", content, _use_new_zipfile_serialization=not legacy)
    done = torch_file.convert(path)
    assert (done.tensors, done.parameters, done.key, done.stripped) == (2, 8, key, prefix)
    written = load_file(done.file)
    assert all(torch.equal(written[name], value) for name, value in STATE.items())
    kept = load_file(torch_file.convert(path, tmp_path / "kept.safetensors", keep_prefix=True).file)
    assert kept.keys() == state.keys()


def test_tensors_that_share_memory_or_lie_across_it(tmp_path: Path) -> None:
    base = torch.arange(6.0).reshape(2, 3)
    state = {"a": base, "b": base, "c": base.t(), "d": base[:, 1], "p": nn.Parameter(base)}
    written = load_file(torch_file.convert(saved(tmp_path / "a.pt", state)).file)
    assert all(torch.equal(written[name], value.detach()) for name, value in state.items())


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        ({"model": STATE, "net": STATE}, None, "weights under model and net: choose with --key model"),
        ({"model": STATE}, "ema", "has no ema: it has model"),
        ({"epoch": 3, "lr": 0.1}, None, "no dense tensors: epoch, lr"),
        ({"model": {**STATE, "args": "x"}}, None, "keys under model that are no dense tensors: args"),
        ({**STATE, "epoch": 1}, None, "keys that are no dense tensors: epoch"),
        ({}, None, "has no tensors"),
        ([1, 2], None, "holds a list, no dict of tensors"),
        ({"s": torch.eye(2).to_sparse()}, None, "no dense tensors: s"),
        (LAYER, None, "holds more than weights (torch.nn.modules.linear.Linear)"),
        ({"w": Evil()}, None, "holds more than weights (builtins.print)"),
    ],
)
def test_what_is_no_state_dict_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: object, key: str | None, words: str
) -> None:
    with pytest.raises(BadWeights) as failure:
        torch_file.convert(saved(tmp_path / "a.pth", content), key=key)
    assert words in str(failure.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]
    assert "ran code" not in capfd.readouterr().out


def script(path: Path) -> None:
    torch.jit.save(torch.jit.trace(LAYER, torch.zeros(1, 3)), path)  # type: ignore[no-untyped-call, unused-ignore]


FILES: list[tuple[Save, str | None, str]] = [
    (lambda path: torch.save(STATE, path), "a torch checkpoint", "edgefer weights convert"),
    (lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False), "before torch 1.6", "convert"),
    (script, "a TorchScript archive", "torch.jit.load"),
    (lambda path: path.write_bytes(pickle.dumps({"w": Evil()})), "a Python pickle", "convert"),
    (lambda path: path.write_bytes(b"no weights"), None, "not a whole safetensors file"),
]


@pytest.mark.parametrize(("save", "kind", "words"), FILES)
def test_a_file_of_torch_is_told_by_its_content(tmp_path: Path, save: Save, kind: str | None, words: str) -> None:
    path = tmp_path / "model.safetensors"
    save(path)
    with pytest.raises(BadWeights, match=words) as failure:
        weights.read_tensors(path)
    assert (kind or "not a whole") in str(failure.value)


@pytest.mark.parametrize("save", [FILES[2][0], FILES[3][0], FILES[4][0]])
def test_a_file_that_can_not_be_converted(tmp_path: Path, capfd: pytest.CaptureFixture[str], save: Save) -> None:
    save(tmp_path / "a.bin")
    with pytest.raises(BadWeights) as failure:
        torch_file.convert(tmp_path / "a.bin")
    assert str(tmp_path / "a.bin") in str(failure.value)
    assert "ran code" not in capfd.readouterr().out


@pytest.mark.parametrize("length", [0, 1, 40, 300])
def test_a_cut_file(tmp_path: Path, length: int) -> None:
    path = saved(tmp_path / "a.pth", STATE)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadWeights):
        torch_file.convert(path)


def test_another_file_is_not_replaced(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", STATE)
    torch_file.convert(path)
    torch_file.convert(path)
    save_file({"mine": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(OutputFailed, match="--out"):
        torch_file.convert(path)
    with pytest.raises(MissingFile):
        torch_file.convert(tmp_path / "none.pth")
    with pytest.raises(EdgeferError, match="no file of torch"):
        torch_file.convert(tmp_path / "a.safetensors")


def test_a_prefix_is_left_out_where_a_network_is_filled_and_said(tmp_path: Path) -> None:
    arch = get_arch("microexpnet-xxs")
    state = arch.build(seed=0).state_dict()
    save_file({f"module.{name}": value for name, value in state.items()}, tmp_path / "w.safetensors")
    notes: list[str] = []
    trained = weights.load_trained_model(arch, tmp_path / "w.safetensors", Progress(note=notes.append))
    assert torch.equal(next(iter(trained.network.state_dict().values())), next(iter(state.values())))
    assert notes == [f"note: module. was left out of the name of every tensor in {tmp_path / 'w.safetensors'}"]


@pytest.mark.parametrize("place", [b"PK\x06\x07", b"PK\x01\x02", b"PK\x05\x06"])
def test_a_broken_directory_of_an_archive(tmp_path: Path, place: bytes) -> None:
    """zipfile raises BadZipFile where it is only asked whether a file is an archive, and NotImplementedError."""
    torch.save({"a": torch.ones(3)}, tmp_path / "x.pth")
    whole = (tmp_path / "x.pth").read_bytes()
    end = b"PK\x06\x07" + bytes(12) + b"\x07\0\0\0"  # of an archive on seven disks
    for content in (
        whole.replace(place, place + b"\xff" * 6, 1),
        whole[:-22] + end + whole[-22:],
        whole.replace(b"PK\x01\x02\0\0", b"PK\x01\x02\xa9\xa9"),
    ):
        (tmp_path / "x.pth").write_bytes(content)
        try:
            torch_file.convert(tmp_path / "x.pth", tmp_path / "out")
        except BadWeights as error:
            assert str(tmp_path / "x.pth") in str(error)
        with pytest.raises(BadWeights):
            weights.read_tensors(tmp_path / "x.pth")


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "stored.pth")
    with zipfile.ZipFile(tmp_path / "stored.pth") as stored, zipfile.ZipFile(tmp_path / "bomb.pth", "w") as bomb:
        for name in stored.namelist():
            bomb.writestr(name, stored.read(name) + bytes(10_000_000), zipfile.ZIP_DEFLATED)
    with pytest.raises(BadWeights, match=r"bomb\.pth has a compressed part \(.*\), torch\.save writes none"):
        torch_file.convert(tmp_path / "bomb.pth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bomb.pth", "stored.pth"]
