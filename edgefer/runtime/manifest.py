"""What a bundle says of itself: manifest.json for devices, build.json for whoever asks how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from edgefer.runtime.contract import Contract
from edgefer.runtime.training_record import TrainingRecord

SCHEMAS = "edgefer/bundle/"


@dataclass(frozen=True)
class FileEntry:
    """Size in bytes and SHA-256 of one file of the bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Golden:
    """A made picture, the input tensor it becomes, and the output the model must give.

    input and output are raw little-endian arrays of the contract's dtype and shape. tolerance is in
    the output's real values (probabilities). reference is the float network's answer and
    distance the largest difference from it.
    """

    picture: str
    input: str
    output: str
    tolerance: float
    reference: list[float]
    distance: float


@dataclass(frozen=True)
class GoldenResize:
    """A made picture that is larger than the crop and not square, for the way from a picture to the input.

    picture, input and output are as those of Golden. levels is how far an input value may be from `input`, in real
    values (0..255), that another bilinear resize with antialiasing makes; tolerance how far the output for that input
    may be from `output`.
    """

    picture: str
    input: str
    output: str
    levels: float
    tolerance: float


@dataclass(frozen=True, kw_only=True)
class DeviceManifest:
    """manifest.json: what a device or an app needs of a bundle, and the checksums of all its other files."""

    schema: str = f"{SCHEMAS}2"
    name: str
    arch: str
    target: str
    format: str
    precision: str
    model: str
    needs: str
    edgefer: str
    parameters: int
    macs: int
    contract: Contract
    golden: Golden
    golden_resize: GoldenResize | None = None  # bundles of earlier versions: None
    unrun: str | None = None  # why no engine has run the model; the golden outputs are then the float network's
    files: dict[str, FileEntry]

    @property
    def golden_pairs(self) -> list[Golden | GoldenResize]:
        """Two; bundles of earlier versions have one."""
        return [self.golden] if self.golden_resize is None else [self.golden, self.golden_resize]

    @property
    def model_bytes(self) -> int:
        """Size of the model: its file or folder, and for OpenVINO and ncnn the weights beside it."""
        stem = PurePosixPath(self.model_name).stem
        return sum(
            entry.bytes
            for name, entry in self.files.items()
            if PurePosixPath(PurePosixPath(name).parts[0]).stem == stem
        )

    @property
    def model_name(self) -> str:
        """What an app takes as the model: its file, or the folder that it is in."""
        return PurePosixPath(self.model).parts[0]


@dataclass(frozen=True)
class Dtypes:
    """What a model's file is made of: tensors by element type, operators by name and element type.

    `float_inside` names the operators that work on float tensors though the engine could do them in int8;
    `float_only` the kinds that work on float tensors because the engine has them in float only.
    """

    tensors: dict[str, int]
    operators: dict[str, int]
    float_inside: list[str]
    float_only: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fidelity:
    """How a built file answers on faces, beside the float network that it was made from.

    target       what was built; its file was run by `engine`, one face at a time
    source       where the faces come from: `faces` of them, none of which set an activation range
    agreement    percent of the faces on which both give the same answer; interval: its 95 % interval (Wilson's)
    rms          root mean square of the differences of the probabilities, of all classes; largest: the largest one
    spread       standard deviation over the faces of the probability that varies most; float_spread: of float
    commonest    percent of the faces that get the answer given most often; float_commonest: of float
    accepted     what the target's limits refuse and `--accept-loss` accepted, None if nothing
    warnings     what a user should know of these figures, a line each
    """

    target: str
    engine: str
    source: str
    faces: int
    agreement: float
    interval: tuple[float, float]
    rms: float
    largest: float
    spread: float
    float_spread: float
    commonest: float
    float_commonest: float
    accepted: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class BuildRecord:
    """build.json: what is known of how a bundle was made; no device needs it."""

    schema: str = "edgefer/build/1"
    paper: str
    dtypes: Dtypes
    weights_sha256: str
    calibration: dict[str, Any] | None
    training: TrainingRecord | None
    accuracy: dict[str, Any]
    versions: dict[str, str]
    own: dict[str, Any] | None = None  # of a network of the user's own: where from, its preprocessing, how folded
    fidelity: Fidelity | None = None  # beside the float network, on faces; bundles of earlier versions: None
    keep_names: bool = True  # the model file is as the converter wrote it; in bundles of earlier versions it always is


@dataclass(frozen=True, kw_only=True)
class Manifest(BuildRecord, DeviceManifest):
    """Everything that is known of a bundle. In bundles of earlier versions it is all in manifest.json."""

    schema: str = f"{SCHEMAS}1"
