"""--onnx theirs.onnx: the file, checked, simplified, and with one face as its input."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxsim
from numpy.typing import NDArray

from edgefer.pipeline.user_model.contract_file import Layout, Size, Stated, require_square
from edgefer.runtime.errors import BadNetwork, ExportFailed, MissingFile
from edgefer.runtime.process import quiet

_NEWEST = 23  # the newest opset whose operators onnx_layers and onnx_functions were written for


@dataclass(frozen=True)
class Source:
    """The graph of a file for one face, its input's size and layout."""

    path: Path
    whole: onnx.ModelProto
    simple: onnx.ModelProto
    size: Size
    layout: Layout

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input, as the file has it."""
        return _shape(self.size, self.layout)

    def run(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """What ONNX Runtime makes of (N, C, H, W), face by face, in the file as it was given."""
        with quiet():
            session = onnxruntime.InferenceSession(self.whole.SerializeToString(), providers=["CPUExecutionProvider"])
            name = session.get_inputs()[0].name
            faces = given if self.layout == "NCHW" else given.transpose(0, 2, 3, 1)
            return np.concatenate([session.run(None, {name: np.ascontiguousarray(face[None])})[0] for face in faces])


def read(path: Path, stated: Stated) -> Source:
    """Open the file; raises MissingFile, BadNetwork (no classifier of one face) or ExportFailed."""
    model = _open(path)
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    for what, found in (("input", inputs), ("output", list(model.graph.output))):
        if len(found) != 1:
            names = ", ".join(each.name for each in found) or "none"
            raise BadNetwork(f"{path} has {len(found)} {what}s ({names}): a classifier of one face has one {what}.")
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise BadNetwork(f"the input {inputs[0].name} of {path} is no float32 tensor: give the float network.")
    size, layout = _input(path, inputs[0], stated)
    return Source(path, model, _simplified(path, model, inputs[0].name, _shape(size, layout)), size, layout)


def _open(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise MissingFile(f"no network at {path}: give an .onnx file.")
    try:
        model = onnx.load(path)
        newest = min(_NEWEST, onnx.defs.onnx_opset_version())
        opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=0)
        if opset > newest:
            raise BadNetwork(f"{path} is of opset {opset}, edgefer reads up to {newest}: export it with that one.")
        onnx.checker.check_model(model)
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror or error}): check its permissions.") from error
    except BadNetwork:
        raise
    except Exception as error:  # protobuf's and the checker's have no base in common
        raise BadNetwork(f"{path} is not a whole ONNX file ({str(error)[:200]}): get or export it again.") from error
    return model


def _input(path: Path, given: onnx.ValueInfoProto, stated: Stated) -> tuple[Size, Layout]:
    """The size of a face and its layout, from the file and from what is stated."""
    shape = [dim.dim_value or None for dim in given.type.tensor_type.shape.dim]
    if len(shape) != 4:
        raise BadNetwork(f"the input {given.name} of {path} has {len(shape)} dimensions: a face has 4, NCHW or NHWC.")
    layout: Layout = stated.layout or ("NHWC" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "NCHW")
    known = [shape[axis] for axis in ((1, 2, 3) if layout == "NCHW" else (3, 1, 2))]
    wanted = list(stated.size or known)
    if any(have not in (None, want) for have, want in zip(known, wanted, strict=True)):
        raise BadNetwork(
            f"{path} takes {_written(known)} ({layout}), not {_written(wanted)}: correct --input, or the contract."
        )
    channels, height, width = wanted
    if channels is None or height is None or width is None:
        raise BadNetwork(
            f"{path} leaves the size of its input open ({_written(known)}): say it with --input, like --input 1x64x64."
        )
    return require_square((channels, height, width)), layout


def _written(size: list[int | None] | list[int]) -> str:
    return "x".join("?" if each is None else str(each) for each in size)


def _shape(size: Size, layout: Layout) -> tuple[int, ...]:
    channels, height, width = size
    return (1, channels, height, width) if layout == "NCHW" else (1, height, width, channels)


def _simplified(path: Path, model: onnx.ModelProto, name: str, shape: tuple[int, ...]) -> onnx.ModelProto:
    """Without what only computes constants. Batch norms stay: edgefer folds them itself, in double precision."""
    try:
        with quiet():
            simple, same = onnxsim.simplify(model, overwrite_input_shapes={name: list(shape)}, skip_fuse_bn=True)
    except Exception as error:  # onnxsim raises what ONNX Runtime and the checker raise
        reason = " ".join(str(error).split())[:300]
        raise ExportFailed(f"onnxsim can't simplify {path} for {'x'.join(map(str, shape))} ({reason}).") from error
    if not same:
        raise ExportFailed(f"onnxsim's simplified graph of {path} does not give the outputs of the file.")
    return simple
