"""An ONNX file, opened: what it takes, and its graph for one face.

A file that edgefer can't take is refused here with what to give instead: one exported in training mode, a quantised
one, one without its weights, one that is no ONNX file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgefer.pipeline.user_model import onnx_batch
from edgefer.pipeline.user_model.contract_file import ContractFile, Layout, Size, require_square
from edgefer.pipeline.user_model.onnx_engine import InProcess, OnnxEngine
from edgefer.pipeline.user_model.outputs import require_name
from edgefer.runtime.errors import BadNetwork, EdgeferError, ExportFailed, MissingFile, listed
from edgefer.runtime.files import digest

_OLDEST, _NEWEST = 7, 23  # the opsets whose operators the tables were written for
ONNX_DOMAINS = ("", "ai.onnx")
_SIZES = ("strides", "dilations", "kernel_shape", "group", "blocksize", "num_outputs")  # attributes that are sizes
_OTHER_FILES = {  # how files begin that are mistaken for ONNX
    b"\x89HDF\r\n": "a Keras or HDF5 file",
    b"PK\x03\x04": "a torch checkpoint or another zip archive",
    b"version https://git-lfs": "a pointer of Git LFS, without the file that it points to",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}


@dataclass(frozen=True)
class Source:
    """The graph of a file for one face, its input's size and layout.

    engine  what runs `whole`, the file with its weights
    batch   how many faces the file takes at once (1 if it leaves that open)
    sha256  of the file and of those that hold its weights
    """

    path: Path
    engine: OnnxEngine
    whole: bytes
    simple: onnx.ModelProto
    size: Size
    layout: Layout
    batch: int
    sha256: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the input for one face, as the file has it."""
        return _shape(self.size, self.layout)

    def run(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """What ONNX Runtime makes of (N, C, H, W) in the file as it was given, face by face.

        A file with a fixed batch gets the next faces beside each: they must not matter. Raises ExportFailed, and
        WorkerFailed as the engine does.
        """
        faces = given if self.layout == "NCHW" else given.transpose(0, 2, 3, 1)
        order = [[(first + each) % len(faces) for each in range(self.batch)] for first in range(len(faces))]
        try:
            answers = self.engine.run(self.whole, np.ascontiguousarray(faces[order], np.float32))
        except EdgeferError:
            raise
        except Exception as error:  # ONNX Runtime's errors have no base in common
            reason = " ".join(str(error).split())[:300]
            raise ExportFailed(f"ONNX Runtime can't run {self.path} ({reason}): export it again.") from error
        if self.batch > 1 and answers.shape[1:2] != (self.batch,):
            raise ExportFailed(
                f"{self.path} takes {self.batch} faces and gives {answers.shape[1:]}: {onnx_batch.ADVICE}."
            )
        return answers[:, 0] if self.batch > 1 else np.concatenate(list(answers))


def read_onnx(path: Path, contract: ContractFile, engine: OnnxEngine | None = None) -> Source:
    """Open the file; raises MissingFile, BadNetwork (no classifier of one face) or ExportFailed.

    `engine` is what native code does with it, None: in this process; raises what that raises of edgefer's.
    """
    engine = engine or InProcess()
    model, checksum = _open(path, engine)
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    if len(inputs) != 1:
        names = listed(each.name for each in inputs) or "none"
        raise BadNetwork(f"{path} has {len(inputs)} inputs ({names}): a classifier of one face has one input.")
    _keep_output(path, model, contract.output_name)
    if inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise BadNetwork(f"the input {inputs[0].name} of {path} is no float32 tensor: give the float network.")
    size, layout = _input(path, inputs[0], contract)
    batch = max(1, inputs[0].type.tensor_type.shape.dim[0].dim_value)
    whole = model.SerializeToString()
    single = _simplified(path, engine, whole, inputs[0].name, (batch, *_shape(size, layout)[1:]))
    if batch > 1:
        single = _simplified(path, engine, single, inputs[0].name, _shape(size, layout), batch)
    simple = onnx.load_model_from_string(single)
    return Source(path, engine, whole, simple, size, layout, batch, checksum)


def _open(path: Path, engine: OnnxEngine) -> tuple[onnx.ModelProto, str]:
    """The model with its weights, and a checksum of both."""
    if not path.is_file():
        raise MissingFile(f"no network at {path}: give an .onnx file.")
    try:
        model = onnx.load(path, load_external_data=False)
        _require_opset(path, model)
        beside = _weight_files(path, model)
        onnx.load_external_data_for_model(model, str(path.parent))
        model = onnx.load_model_from_string(engine.check(model.SerializeToString()))
        checksum = digest(each.read_bytes() for each in (path, *beside))
    except OSError as error:
        raise MissingFile(f"can't read {path} ({error.strerror or error}): check its permissions.") from error
    except EdgeferError:
        raise
    except Exception as error:  # protobuf's and the checker's have no base in common
        raise BadNetwork(_no_onnx(path, str(error))) from error
    _require_sizes(path, model)
    _require_inference(path, model)
    return model, checksum


def _require_sizes(path: Path, model: onnx.ModelProto) -> None:
    """Raise BadNetwork for a size below 1: onnxsim divides by some, and the process dies of a zero."""
    for node in model.graph.node:
        for each in node.attribute:
            found = [*each.ints, *([each.i] if each.type == onnx.AttributeProto.INT else [])]
            if each.name in _SIZES and min(found, default=1) < 1:
                raise BadNetwork(
                    f"{path}: {each.name} of {node.op_type} {_name(node):.100} is {min(found)}, must be at least 1: "
                    "get or export it again."
                )


def _require_opset(path: Path, model: onnx.ModelProto) -> None:
    newest = min(_NEWEST, onnx.defs.onnx_opset_version())
    opset = max((each.version for each in model.opset_import if each.domain in ONNX_DOMAINS), default=0)
    if opset > newest:
        raise BadNetwork(f"{path} is of opset {opset}, edgefer reads up to {newest}: export it with that one.")
    if 0 < opset < _OLDEST:
        raise BadNetwork(
            f"{path} is of opset {opset}, edgefer reads {_OLDEST} to {newest}: export it again, or convert it with "
            "onnx.version_converter.convert_version(model, 13)."
        )


def _weight_files(path: Path, model: onnx.ModelProto) -> list[Path]:
    """The files beside an ONNX file that its tensors lie in; raises MissingFile if one is not there."""
    names = {
        entry.value
        for tensor in model.graph.initializer
        if onnx.external_data_helper.uses_external_data(tensor)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    missing = sorted(name for name in names if not (path.parent / name).is_file())
    if missing:
        raise MissingFile(
            f"the weights of {path} lie in {listed(missing)}, which is not beside it: copy that file there too, "
            "or export with external_data=False."
        )
    return [path.parent / name for name in sorted(names)]


def _no_onnx(path: Path, reason: str) -> str:
    start = path.read_bytes()[:32]
    for begins, what in _OTHER_FILES.items():
        if start.startswith(begins):
            return f"{path} is {what}, no ONNX file: give the network as it was exported to ONNX."
    if start[4:8] == b"TFL3":
        return f"{path} is a TFLite file, no ONNX file: give the network as it was exported to ONNX."
    return f"{path} is not a whole ONNX file ({reason[:200]}): get or export it again."


def _require_inference(path: Path, model: onnx.ModelProto) -> None:
    """Raise BadNetwork for a graph that still trains, or that is quantised already."""
    constants = {each.name: each for each in model.graph.initializer}
    constants |= {n.output[0]: a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute}
    for node in model.graph.node:
        if _trains(node, constants):
            raise BadNetwork(
                f"{path} was exported in training mode ({node.op_type} {_name(node)}): call eval() on the network "
                "and export it again, with eval() it gives one face one answer."
            )
        if "Quantize" in node.op_type or node.op_type.startswith(("QLinear", "QGemm")) or "Integer" in node.op_type:
            raise BadNetwork(
                f"{path} is quantised already ({node.op_type} {_name(node)}): give the float network that it was made "
                "from; edgefer quantises it itself."
            )


def _trains(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in constants:
        return bool(onnx.numpy_helper.to_array(constants[node.input[2]]))
    if node.op_type != "BatchNormalization":
        return False
    return any(each.name == "training_mode" and each.i for each in node.attribute) or any(node.output[1:])


def _name(node: onnx.NodeProto) -> str:
    return str(node.name or node.output[0])


def _keep_output(path: Path, model: onnx.ModelProto, name: str | None) -> None:
    """Leave the model the output of that name, or the only one."""
    outputs = {each.name: each for each in model.graph.output}
    shapes = {n: [d.dim_param or d.dim_value or "?" for d in o.type.tensor_type.shape.dim] for n, o in outputs.items()}
    kept = outputs[require_name(shapes, name, f"{path} has")]
    del model.graph.output[:]
    model.graph.output.append(kept)


def _input(path: Path, given: onnx.ValueInfoProto, contract: ContractFile) -> tuple[Size, Layout]:
    """The size of a face and its layout, from the file and from what the contract says."""
    shape = [dim.dim_value or None for dim in given.type.tensor_type.shape.dim]
    if len(shape) != 4:
        raise BadNetwork(f"the input {given.name} of {path} has {len(shape)} dimensions: a face has 4, NCHW or NHWC.")
    layout: Layout = contract.layout or ("NHWC" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "NCHW")
    known = [shape[axis] for axis in ((1, 2, 3) if layout == "NCHW" else (3, 1, 2))]
    wanted = list(contract.size or known)
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


def _simplified(
    path: Path, engine: OnnxEngine, model: bytes, name: str, shape: tuple[int, ...], batch: int = 1
) -> bytes:
    """Without what only computes constants; of a file for a batch, for one face."""
    try:
        simple = engine.simplify(model, name, shape, batch)
    except EdgeferError:
        raise
    except Exception as error:  # onnxsim raises what ONNX Runtime and the checker raise
        reason = " ".join(str(error).split())[:300]
        if batch > 1:
            raise ExportFailed(
                f"{path} is for {batch} faces and can't be made one for 1 ({reason}): {onnx_batch.ADVICE}."
            ) from error
        raise ExportFailed(f"onnxsim can't simplify {path} for {'x'.join(map(str, shape))} ({reason}).") from error
    if simple is None:
        raise ExportFailed(f"onnxsim's simplified graph of {path} does not give the outputs of the file.")
    return simple
