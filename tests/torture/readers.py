"""The readers of edgefer by name: whole files that each takes, and the call that reads one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import nn

from edgefer.benchmark.report import read_bench
from edgefer.data import cache as faces_cache
from edgefer.data import classes
from edgefer.data.decode import SixteenBit
from edgefer.data.readers import fer2013
from edgefer.devices import config
from edgefer.pipeline.calibration import CalibrationRecord
from edgefer.pipeline.user_model.contract_file import ContractFile, read_contract_file
from edgefer.pipeline.user_model.onnx_file import read_onnx
from edgefer.runtime import records, tiny_network
from edgefer.runtime.bundle import BUILD, MANIFEST, read_bundle
from edgefer.runtime.classifier import read_image
from edgefer.runtime.errors import BadData
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.golden import golden_png
from edgefer.runtime.signature import make_public_key, read_public_key
from edgefer.runtime.training_record import Epoch, TrainingRecord
from edgefer.training import bank, checkpoint, loop, recipes, torch_file, weights
from tests.benchmark.made import bundle, record, result
from tests.made import write_votes
from tests.torture import packed
from tests.torture.packed import Packed

Whole = Callable[[Path], Sequence[bytes | Packed]]  # makes, in an empty folder, whole files
NETWORK = "microexpnet-xxs"  # the smallest
SIDE = 8  # of the cache's faces
_TENSORS = {"a": torch.arange(64.0).reshape(8, 8), "b": torch.ones(3, dtype=torch.float16)}
_RECIPE = replace(recipes.get_recipe("plain"), epochs=3, batch=16, warmup=1)
_ROWS = ((0, "Training"), (6, "PrivateTest"))  # of the tables: label and split
_SETTINGS = {"arch": NETWORK, "recipe": asdict(_RECIPE), "teachers": [], "seed": 7}


@dataclass(frozen=True)
class Reader:
    """What reads `file` of a folder, which `whole` made ready; the mutated content is written there."""

    file: str
    whole: Whole
    read: Callable[[Path], object]


def _bundle(name: str) -> Reader:
    def whole(folder: Path) -> Sequence[bytes | Packed]:
        bundle(folder / "ean.onnx-fp32")
        return [(folder / "ean.onnx-fp32" / name).read_bytes()]

    return Reader(f"ean.onnx-fp32/{name}", whole, _read_bundle)


def _read_bundle(path: Path) -> object:
    """With the checksum of the file as it is now, as a careful forger would."""
    if path.name != MANIFEST:
        manifest, content = json.loads((path.parent / MANIFEST).read_text()), path.read_bytes()
        manifest["files"][path.name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (path.parent / MANIFEST).write_text(json.dumps(manifest))
    return read_bundle(path.parent)


@cache
def _state() -> loop.State:
    """Of a network of one layer of each kind: what is read is the same for a large one."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    return loop.State(network, loop._optimizer(network, _RECIPE), None)


def _checkpoints(folder: Path) -> Sequence[bytes | Packed]:
    """With a checksum, and as earlier versions wrote them, which have none."""
    state = _state()
    for each in state.network.parameters():
        each.grad = torch.ones_like(each)
    state.optimizer.step()  # which has a state then
    state.curve[:] = [Epoch(1, 0.01, 1.9, 30.0, 31.0, 2.5)]
    checkpoint.save_checkpoint(folder / "whole", state, _SETTINGS)
    content = (folder / "whole").read_bytes()
    earlier = content.partition(b"\nedgefer checkpoint, SHA-256 ")[0]
    return [content, earlier, packed.archive(earlier), packed.checked_checkpoint(earlier)]


def _torch_files(_: Path) -> Sequence[bytes | Packed]:
    made = []
    for zipped in (True, False):
        out = io.BytesIO()
        torch.save({"state_dict": _TENSORS, "epoch": 3}, out, _use_new_zipfile_serialization=zipped)
        made.append(out.getvalue())
    return [*made, packed.archive(made[0])]


def _weights(_: Path) -> Sequence[bytes | Packed]:
    made = [save(_TENSORS), weights.serialize(_TENSORS, {"arch": "ean"})]
    return [*made, *map(packed.safetensors, made)]


def _named_weights(_: Path) -> Sequence[bytes | Packed]:
    content = save(_TENSORS, {"arch": "ean"})
    return [content, packed.safetensors(content)]


def _two_rows(folder: Path) -> Path:
    rows = [f"{label},{' '.join(map(str, range(label, label + 9)))}{' 7' * 2295},{split}" for label, split in _ROWS]
    (folder / "fer2013.csv").write_text("\n".join(("emotion,pixels,Usage", *rows, "")))
    return folder / "fer2013.csv"


def _tables(folder: Path) -> Sequence[bytes | Packed]:
    plain, archive = _two_rows(folder).read_bytes(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("fer2013/fer2013.csv", plain)
    forged = [packed.gzipped(plain), packed.xz(plain), packed.zipped("fer2013/fer2013.csv", plain)]
    return [plain, plain, gzip.compress(plain, mtime=0), lzma.compress(plain, preset=0), archive.getvalue(), *forged]


def _votes(folder: Path) -> Sequence[bytes | Packed]:
    return [write_votes(_two_rows(folder)).read_bytes()]


def _pictures(_: Path) -> Sequence[bytes | Packed]:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8))
    made: list[bytes | Packed] = [golden_png()]
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"):
        out = io.BytesIO()
        image.save(out, kind)
        made.append(out.getvalue())
        made += [packed.png(out.getvalue())] if kind == "PNG" else []
    return made


def _faces(name: str) -> Reader:
    """Without the faces' checksum, as earlier versions wrote it, so that a mutant of them goes on."""

    def whole(folder: Path) -> Sequence[bytes | Packed]:
        pixels = np.zeros((6, SIDE, SIDE, 1), np.uint8)
        np.save(folder / faces_cache.FACES, pixels)
        index = faces_cache.Index("key", "faces", {"2": "broken"}, SixteenBit(), [1])
        records.write(folder / faces_cache.INDEX, index)
        checked = replace(index, crc32=faces_cache._crc32(folder / faces_cache.FACES, index))
        return [(folder / name).read_bytes(), *([records.dumps(checked).encode()] if name == faces_cache.INDEX else [])]

    return Reader(name, whole, _read_faces)


def _read_faces(path: Path) -> object:
    kept = faces_cache._open(path.parent, "key", 7, SIDE)
    if kept is None:
        raise BadData("damaged: the faces are decoded again.")
    return kept.pixels[:].max(initial=0)


def _bank(_: Path) -> Sequence[bytes | Packed]:
    logits = torch.zeros(1, 2, 7, 7, dtype=torch.float16)
    settings = bank.BankSettings({}, 44, 40, 0, [], [{"file": "a", "sha256": "0"}], "float32")
    content = save({"logits": logits}, {"bank": records.dumps(replace(settings, sha256=bank._digest(logits)))})
    return [content, packed.safetensors(content), packed.bank(content)]


def _networks(_: Path) -> Sequence[bytes | Packed]:
    (content,) = tiny_network.files("onnx").values()
    return [content, packed.onnx_graph(content)]


def _boards(path: Path) -> object:
    os.environ["EDGEFER_DEVICES"] = str(path)
    return config.remote_boards()


_BOARDS = '[kitchen]\nboard = "rpi4"\nhost = "pi@kitchen.local"\n\n[hall]\nboard = "rpi5"\nhost = "10.0.0.7"\n'
_CONTRACT = 'name = "mine"\nlabels = ["sad", "happy"]\ninput = "3x64x64"\ncolor = "rgb"\nmean = [0.5, 0.5, 0.5]\n'
_CLASSES = '[classes]\n0 = "neutral"\nbored = ""\nsmile = "happy"\n'
_KEY = records.dumps(make_public_key("me", bytes(32)))

READERS: dict[str, Reader] = {
    "manifest.json": _bundle(MANIFEST),
    "build.json": _bundle(BUILD),
    "record of a bench": Reader(
        "bench.json", lambda _: [records.dumps(record([result("ean.onnx-fp32", [])])).encode()], read_bench
    ),
    "record of a training": Reader(
        "x.json",
        lambda _: [(shipped_folder("weights") / f"{NETWORK}.json").read_bytes()],
        lambda path: records.read(TrainingRecord, path),
    ),
    "calibration.json": Reader(
        "x.json",
        lambda _: [(shipped_folder("calibration") / f"{NETWORK}.onnx.json").read_bytes()],
        lambda path: records.read(CalibrationRecord, path, finite=False),
    ),
    "devices.toml": Reader("devices.toml", lambda _: [_BOARDS.encode()], _boards),
    "contract": Reader("mine.toml", lambda _: [_CONTRACT.encode()], read_contract_file),
    "classes": Reader("classes.toml", lambda _: [_CLASSES.encode()], lambda path: classes.parse(str(path))),
    "public key": Reader("me.pub", lambda _: [_KEY.encode(), packed.public_key(_KEY)], read_public_key),
    "weights": Reader("x.safetensors", _weights, weights.read_tensors),
    "network of weights": Reader("x.safetensors", _named_weights, weights.arch_of_weights),
    "checkpoint": Reader(
        "x.checkpoint", _checkpoints, lambda path: checkpoint.load_checkpoint(path, _state(), _SETTINGS)
    ),
    "file of torch": Reader("x.pth", _torch_files, lambda path: torch_file.convert(path, path.with_name("out"))),
    "bank": Reader("x.safetensors", _bank, bank.read_settings),
    "fer2013.csv": Reader("x.csv", _tables, fer2013.read_csv),
    "fer2013new.csv": Reader("x.csv", _votes, lambda path: fer2013.read_votes(path, 2)),
    "picture": Reader("x.png", _pictures, read_image),
    "cached faces": _faces(faces_cache.FACES),
    "index of cached faces": _faces(faces_cache.INDEX),
    "onnx": Reader("x.onnx", _networks, lambda path: read_onnx(path, ContractFile(input="3x8x8"))),
}
