"""The readers of edgefer by name: whole files that each takes, and the call that reads one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from edgefer.arch import get_arch
from edgefer.benchmark.report import read_bench
from edgefer.data import cache, classes
from edgefer.data.decode import SixteenBit
from edgefer.data.readers import fer2013
from edgefer.devices import config
from edgefer.pipeline.calibration import CalibrationRecord
from edgefer.pipeline.user_model.contract_file import ContractFile, read_contract_file
from edgefer.pipeline.user_model.onnx_file import read_onnx
from edgefer.runtime import records, tiny_network
from edgefer.runtime.bundle import BUILD, MANIFEST, read_bundle
from edgefer.runtime.classifier import read_image
from edgefer.runtime.files import shipped_folder
from edgefer.runtime.golden import golden_png
from edgefer.runtime.signature import make_public_key, read_public_key
from edgefer.runtime.training_record import TrainingRecord
from edgefer.training import bank, checkpoint, loop, recipes, torch_file, weights
from tests.benchmark.made import bundle, record, result
from tests.made import write_csv, write_votes

Whole = Callable[[Path], Sequence[bytes]]  # makes, in an empty folder, whole files
NETWORK = "microexpnet-xxs"  # the smallest
SIDE = 8  # of the cache's faces
_TENSORS = {"a": torch.arange(64.0).reshape(8, 8), "b": torch.ones(3, dtype=torch.float16)}
_RECIPE = replace(recipes.get_recipe("plain"), epochs=3, batch=16, warmup=1)
_SETTINGS = {"arch": NETWORK, "recipe": asdict(_RECIPE), "teachers": [], "seed": 7}


@dataclass(frozen=True)
class Reader:
    """What reads `file` of a folder, which `whole` made ready; the mutated content is written there."""

    file: str
    whole: Whole
    read: Callable[[Path], object]


def _bundle(name: str) -> Reader:
    def whole(folder: Path) -> Sequence[bytes]:
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


def _state() -> loop.State:
    torch.manual_seed(0)
    return loop.start(get_arch(NETWORK), _RECIPE, "cpu")


def _checkpoints(folder: Path) -> Sequence[bytes]:
    """With a checksum, and as earlier versions wrote them, which let more mutants in."""
    checkpoint.save_checkpoint(folder / "whole", _state(), _SETTINGS)
    content = (folder / "whole").read_bytes()
    return [content, *[content.partition(b"\nedgefer checkpoint, SHA-256 ")[0]] * 3]


def _torch_files(_: Path) -> Sequence[bytes]:
    made = []
    for zipped in (True, False):
        out = io.BytesIO()
        torch.save({"state_dict": _TENSORS, "epoch": 3}, out, _use_new_zipfile_serialization=zipped)
        made.append(out.getvalue())
    return made


def _tables(folder: Path) -> Sequence[bytes]:
    path = write_csv(folder / "whole.csv", {"Training": 1, "PrivateTest": 1})
    plain, packed = path.read_bytes(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fer2013/fer2013.csv", plain)
    return [plain, plain, gzip.compress(plain, mtime=0), packed.getvalue()]


def _votes(folder: Path) -> Sequence[bytes]:
    return [write_votes(write_csv(folder / "fer2013.csv", {"Training": 1, "PrivateTest": 1})).read_bytes()]


def _pictures(_: Path) -> Sequence[bytes]:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8))
    made = [golden_png()]
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"):
        out = io.BytesIO()
        image.save(out, kind)
        made.append(out.getvalue())
    return made


def _faces(name: str) -> Reader:
    def whole(folder: Path) -> Sequence[bytes]:
        pixels = np.zeros((6, SIDE, SIDE, 1), np.uint8)
        np.save(folder / cache.FACES, pixels)
        index = cache.Index("key", "faces", {"2": "broken"}, SixteenBit(), [1])
        records.write(folder / cache.INDEX, replace(index, crc32=cache._crc32(folder / cache.FACES, index)))
        return [(folder / name).read_bytes()]

    return Reader(name, whole, lambda path: cache._open(path.parent, "key", 7, SIDE))


def _bank(_: Path) -> Sequence[bytes]:
    logits = torch.zeros(1, 2, 7, 7, dtype=torch.float16)
    settings = bank.BankSettings({}, 44, 40, 0, [], [{"file": "a", "sha256": "0"}], "float32")
    content = {"bank": records.dumps(replace(settings, sha256=bank._digest(logits)))}
    return [save({"logits": logits}, metadata=content)]


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
    "public key": Reader("me.pub", lambda _: [_KEY.encode()], read_public_key),
    "weights": Reader(
        "x.safetensors", lambda _: [save(_TENSORS), weights.serialize(_TENSORS, {"arch": "ean"})], weights.read_tensors
    ),
    "network of weights": Reader("x.safetensors", lambda _: [save(_TENSORS, {"arch": "ean"})], weights.arch_of_weights),
    "checkpoint": Reader(
        "x.checkpoint", _checkpoints, lambda path: checkpoint.load_checkpoint(path, _state(), _SETTINGS)
    ),
    "file of torch": Reader("x.pth", _torch_files, lambda path: torch_file.convert(path, path.with_name("out"))),
    "bank": Reader("x.safetensors", _bank, bank.read_settings),
    "fer2013.csv": Reader("x.csv", _tables, fer2013.read_csv),
    "fer2013new.csv": Reader("x.csv", _votes, lambda path: fer2013.read_votes(path, 14)),
    "picture": Reader("x.png", _pictures, read_image),
    "cached faces": _faces(cache.FACES),
    "index of cached faces": _faces(cache.INDEX),
    "onnx": Reader(
        "x.onnx",
        lambda _: list(tiny_network.files("onnx").values()),
        lambda path: read_onnx(path, ContractFile(input="3x8x8")),
    ),
}
