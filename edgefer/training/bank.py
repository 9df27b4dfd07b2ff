"""A bank: several teachers' logits for many augmented views of each training face, computed once for many trainings.

A teacher that is asked in each step costs its forward pass in every epoch of every student. A bank holds K view epochs.
In each of them every face of Training is shown once, with random numbers that belong to the face: a student goes
through the faces in an order of its own and still finds the teachers' logits for what it is shown. Epoch e of a
training shows view epoch e mod K. Logits for each view keep what live teachers bring: Shen and Xing, "A fast knowledge
distillation framework for visual recognition", ECCV 2022.

The file is a safetensors file: logits float16 (teachers, K, faces, classes), and BankSettings as JSON in its metadata.
It holds no face, and none can be read back from it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from edgefer.arch import Arch
from edgefer.data.dataset import Dataset, fingerprint
from edgefer.runtime import records
from edgefer.runtime.errors import BadBank, BadRecord, BadSetting, BadWeights, MissingFile, UnknownSchema
from edgefer.runtime.files import digest, locked, require_folder, sha256, write_atomic
from edgefer.training import augment, losses, weights
from edgefer.training.recipes import Augmentation
from edgefer.training.torch_settings import precision

SEEDS = 1_000_003  # spreads (seed, view epoch) pairs so that no two share a stream
BATCH = 256
_AGAIN = "build it again with `edgefer bank`"


@dataclass(frozen=True)
class BankSettings:
    """What the logits of a bank follow from, and their checksum once they are there.

    faces         Training's fingerprint: counts and SHA-256 of its faces at resize x resize
    crop          side of the views in pixels
    view_epochs   how faces are varied in each
    teachers      file name and SHA-256 of each teacher's weights
    precision     of the teachers' convolutions: float32 or bfloat16
    sha256        of the logits' bytes
    """

    schema: str = field(default="edgefer/bank/1", kw_only=True)
    faces: dict[str, Any]
    resize: int
    crop: int
    seed: int
    view_epochs: list[Augmentation]
    teachers: list[dict[str, str]]
    precision: str
    sha256: str = ""


@dataclass(frozen=True)
class Bank:
    """An opened bank; logits float16 (teachers, K, faces, classes)."""

    settings: BankSettings
    logits: Tensor

    def view(self, epoch: int, faces: Tensor, index: Tensor) -> Tensor:
        """What epoch `epoch` of a training (from 0) shows of grey `faces` (N, 1, H, W), which are rows `index`."""
        number = epoch % len(self.settings.view_epochs)
        return _view(self.settings, number, faces, index)

    def teacher_logits(self, epoch: int, index: Tensor) -> Tensor:
        """The teachers' logits for that view, float32 (teachers, N, classes)."""
        return self.logits[:, epoch % self.logits.shape[1], index].float()


def _view(settings: BankSettings, number: int, faces: Tensor, index: Tensor) -> Tensor:
    how = settings.view_epochs[number]
    draws = _draws(how, settings.faces["images"]["Training"], settings.seed * SEEDS + number)
    return augment.view(faces, settings.crop, how, draws[:, index])


@lru_cache(maxsize=1)  # all batches of a view epoch take their columns of the same numbers
def _draws(how: Augmentation, faces: int, seed: int) -> Tensor:
    """The random numbers behind a view of each face, a column a face: float32 (DRAWS, faces)."""
    return augment.draw(how, faces, torch.Generator().manual_seed(seed))


def settings_of(
    arch: Arch, faces: Dataset, teachers: Sequence[Path], view_epochs: Sequence[Augmentation], seed: int, precision: str
) -> BankSettings:
    """The settings of a bank for students of `arch`; `faces` is Training at arch.resize. Raises BadSetting."""
    if not teachers:
        raise BadSetting("a bank is of teachers: give at least one with --teacher.")
    if not view_epochs or not all(how.rotation or how.scale for how in view_epochs):
        raise BadSetting("a bank needs view epochs with a rotation or a scale: whole-pixel crops are not stored.")
    return BankSettings(
        faces=fingerprint(faces),
        resize=arch.resize,
        crop=arch.crop,
        seed=seed,
        view_epochs=list(view_epochs),
        teachers=[{"file": path.name, "sha256": sha256(path)} for path in teachers],
        precision=precision,
    )


def build_bank(
    settings: BankSettings,
    faces: Dataset,
    teachers: Sequence[losses.Teacher],
    out: Path,
    tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Compute every view epoch's logits and write the bank to `out`.

    Finished view epochs lie in a hidden folder beside `out` until all are there, so a build that was stopped goes on.
    `tick` is called with the view epochs that are done and their number. Raises BadBank if that folder is of other
    settings, OutputFailed.
    """
    require_folder(out.absolute().parent)
    parts = out.with_name(f".{out.name}.parts")
    parts.mkdir(parents=True, exist_ok=True)
    with locked(parts, wait=False) as lock:
        if lock is None:
            raise BadBank(f"another process is building {out}: wait for it, or choose another file with --out.")
        _require_same(parts, settings, out)
        total = len(settings.view_epochs)
        for number in range(total):
            part = parts / f"{number}.safetensors"
            if not _is_whole(part, settings, number, len(teachers)):
                logits = _view_epoch(settings, number, faces, teachers)
                write_atomic(part, weights.serialize({"logits": logits}, {}))
            tick(number + 1, total)
        stacked = torch.stack([_part(parts / f"{number}.safetensors") for number in range(total)], dim=1)
        # One key: safetensors writes several in any order, and two builds are to give the same bytes.
        metadata = {"bank": records.dumps(replace(settings, sha256=_digest(stacked)))}
        write_atomic(out, save({"logits": stacked.contiguous()}, metadata=metadata))
        shutil.rmtree(parts, ignore_errors=True)


def _require_same(parts: Path, settings: BankSettings, out: Path) -> None:
    """Note the settings in the folder of parts, or raise BadBank if it is of a bank with other ones."""
    note = parts / "settings.json"
    if not note.is_file():
        records.write(note, settings)
        return
    earlier = records.read(BankSettings, note)
    if earlier != settings:
        raise BadBank(
            f"{parts} is of a bank with another {_other(earlier, settings)}, which was not finished: "
            f"remove it, or choose another file than {out} with --out."
        )


def _other(one: BankSettings, two: BankSettings) -> str:
    """The names of the settings in which two banks differ."""
    a, b = asdict(one), asdict(two)
    return ", ".join(key for key in a if a[key] != b[key])


def _is_whole(part: Path, settings: BankSettings, number: int, teachers: int) -> bool:
    if not part.is_file():
        return False
    try:
        shape = _part(part).shape
    except (BadWeights, KeyError):
        return False
    return shape[:2] == (teachers, settings.faces["images"]["Training"]) and number < len(settings.view_epochs)


def _part(path: Path) -> Tensor:
    return weights.read_tensors(path)["logits"]


def _view_epoch(settings: BankSettings, number: int, faces: Dataset, teachers: Sequence[losses.Teacher]) -> Tensor:
    """float16 (teachers, faces, classes)."""
    parts = []
    for start in range(0, len(faces), BATCH):
        index = torch.arange(start, min(start + BATCH, len(faces)))
        shown = _view(settings, number, augment.grey(faces.pixels[index.numpy()]), index)
        with precision(settings.precision, shown.device):
            parts.append(torch.stack([losses.teacher_logits(teacher, shown) for teacher in teachers]))
    return torch.cat(parts, 1).half()


def _digest(logits: Tensor) -> str:
    return digest(logits.contiguous().numpy().tobytes())


def read_settings(path: Path) -> BankSettings:
    """The settings of a bank; raises MissingFile or BadBank."""
    if not path.is_file():
        raise MissingFile(f"no bank at {path}: `edgefer bank` makes one.")
    try:
        with safe_open(path, "pt") as opened:  # type: ignore[no-untyped-call, unused-ignore]
            metadata = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise BadBank(f"{path} is no whole bank ({error}): {_AGAIN}.") from error
    try:
        return records.parse(BankSettings, metadata.get("bank", ""), str(path), _AGAIN)
    except (BadRecord, UnknownSchema) as error:
        raise BadBank(str(error)) from error


def open_bank(path: Path, faces: Dataset, arch: Arch) -> Bank:
    """Open a bank for a student of `arch` that learns from `faces`, Training at arch.resize.

    Raises MissingFile; BadBank for a file that is cut or changed, and for a bank of other faces or another crop.
    """
    settings = read_settings(path)
    for what, has, needs in (
        ("other faces", settings.faces, fingerprint(faces)),
        ("another size of the faces", settings.resize, arch.resize),
        ("another crop", settings.crop, arch.crop),
    ):
        if has != needs:
            raise BadBank(f"{path} is a bank of {what} than this training's: {_AGAIN} for this data and arch.")
    try:
        logits = _part(path)
    except (BadWeights, KeyError) as error:
        raise BadBank(f"{path} holds no logits ({error}): {_AGAIN}.") from error
    shape = (len(settings.teachers), len(settings.view_epochs), len(faces), len(faces.names))
    if tuple(logits.shape) != shape or _digest(logits) != settings.sha256:
        raise BadBank(f"{path} does not hold the logits that it was written with: {_AGAIN}.")
    return Bank(settings, logits)
