"""What a file of torch's promises is compared with what is in it, before torch allocates it."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from edgefer.runtime.errors import BadCheckpoint, BadWeights
from edgefer.training import checkpoint, torch_file, torch_pickle

STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(3, dtype=torch.bfloat16)}
MANY = 10**13
_MARK, _VERSION = (pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001))


class Call:
    """In a pickle: a call of this function with these arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def archive(path: Path, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a/data.pkl", data)
        made.writestr("a/version", "3\n")
    return path


def legacy(path: Path, change: bytes = b"", into: bytes = b"") -> Path:
    out = io.BytesIO()
    torch.save(STATE, out, _use_new_zipfile_serialization=False)
    assert change in out.getvalue()
    path.write_bytes(out.getvalue().replace(change, into, 1) if change else out.getvalue())
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_writes_promises_no_more_than_it_holds(tmp_path: Path, zipped: bool) -> None:
    base = torch.zeros(1000)
    shared = {"a": base, "b": base[:10], "c": base.expand(3, 1000), "d": torch.nn.Parameter(base)}
    content = {
        "state": OrderedDict(shared),
        "size": torch.Size((9,)),
        "seed": 2**62,
        "set": {1, 2},
        "half": base.half(),
        "name": "ä" * 300,
    }
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    torch_pickle.require_kept(tmp_path / "a.pth", (tmp_path / "a.pth").stat().st_size)


@pytest.mark.parametrize(
    "call",
    [
        Call(bytearray, MANY),
        Call(torch.FloatTensor, MANY),
        Call(torch.Tensor, 10**7, 10**7),
        Call(torch.UntypedStorage, MANY),
        Call(torch._utils._rebuild_qtensor, None, 0, (MANY, 1), (1, 1), (), False, OrderedDict()),
    ],
)
def test_a_call_that_allocates_by_a_number_is_refused(tmp_path: Path, call: Call) -> None:
    path = archive(tmp_path / "a.pth", pickle.dumps({"a": call}, 2))
    with pytest.raises(BadWeights, match=r"a\.pth can't be read as weights \(.*promises [0-9,]{18,} bytes of tensors"):
        torch_file.convert(path)


def test_a_storage_of_an_old_file_that_is_larger_than_the_file(tmp_path: Path) -> None:
    path = legacy(tmp_path / "a.pth")
    torch_file.convert(path)
    six, many = b"K\x06N", b"J\xff\xff\xff\x7fN"  # 2**31 - 1 numbers in place of 6
    words = "promises 8,589,934,594 bytes of tensors"
    content = legacy(tmp_path / "b.pth", six, many).read_bytes()
    with pytest.raises(BadWeights, match=words):
        torch_file.convert(tmp_path / "b.pth")
    (tmp_path / "c.pth").write_bytes(content + archive(tmp_path / "a.zip", pickle.dumps({}, 2)).read_bytes())
    with pytest.raises(BadWeights, match=words):  # torch reads what stands in front
        torch_file.convert(tmp_path / "c.pth")
    (tmp_path / "d.checkpoint").write_bytes(content + checkpoint._mark(content))
    with pytest.raises(BadCheckpoint, match=words):
        checkpoint.load_checkpoint(tmp_path / "d.checkpoint", None, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [b"X\xff\xff\xff\xff", b"\x96\xff\xff\xff\xff\x0f\x00\x00\x00"])
def test_a_text_that_is_longer_than_the_file(tmp_path: Path, length: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(_MARK + _VERSION + b"\x80\x02" + length + b"a.")
    with pytest.raises(BadWeights, match="can't be read as weights"):
        torch_file.convert(path)


def test_a_tensor_that_repeats_one_number_is_not_written_out(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "a.pth")
    with pytest.raises(BadWeights, match=r"would be 4,000,000,000,000 as safetensors.*without expand"):
        torch_file.convert(tmp_path / "a.pth")


def test_the_dry_run_runs_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    promises = torch_pickle._Promises(io.BytesIO(pickle.dumps([Call(print, "ran code"), Call(torch.Size, (1,))], 2)))
    promises.load()
    assert promises.calls == [("__builtin__.print", ("ran code",)), ("torch.Size", ((1,),))]
    assert capfd.readouterr().out == ""
