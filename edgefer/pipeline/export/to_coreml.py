"""Core ML's ML program in half precision: written by coremltools from the traced network, and read back from its files.

No engine but Apple's runs it, so edgefer checks what the files say: input, output, element types, operators.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

import coremltools
import numpy as np
import torch
from coremltools.proto import MIL_pb2, Model_pb2

from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.targets import Target
from edgefer.runtime.contract import TensorSpec
from edgefer.runtime.manifest import Dtypes
from edgefer.runtime.process import quiet

INPUT, OUTPUT = "pixels", "probabilities"
SPECIFICATION = "Data/com.apple.CoreML/model.mlmodel"
_LIST = "Manifest.json"
_DATE = "com.github.apple.coremltools.conversion_date"


def write(network: DeployableModel, crop: int, target: Target) -> dict[str, bytes]:
    """The files of a .mlpackage with NCHW float32 input (1, 3, crop, crop); two writes give the same bytes."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        traced = cast(Any, torch.jit).trace(network, torch.zeros(1, 3, crop, crop))
        made = coremltools.convert(
            traced,
            inputs=[coremltools.TensorType(INPUT, (1, 3, crop, crop), dtype=np.float32)],
            outputs=[coremltools.TensorType(OUTPUT, dtype=np.float32)],
            convert_to="mlprogram",
            compute_precision=coremltools.precision.FLOAT16,
            minimum_deployment_target=coremltools.target.iOS15,
            skip_model_load=True,
        )
        package = Path(folder) / target.file
        made.save(str(package))
        paths = sorted(path for path in package.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    specification, listed = f"{target.file}/{SPECIFICATION}", f"{target.file}/{_LIST}"
    files[specification] = _undated(files[specification])
    files[listed] = _numbered(files[listed])
    return files


def _undated(content: bytes) -> bytes:
    """The specification without the day on which it was made."""
    model = Model_pb2.Model.FromString(content)
    model.description.metadata.userDefined.pop(_DATE, None)
    return bytes(model.SerializeToString(deterministic=True))


def _numbered(content: bytes) -> bytes:
    """The package's list with identifiers that follow from the paths; coremltools draws them."""
    listed = json.loads(content)
    new = {old: str(uuid5(NAMESPACE_URL, item["path"])) for old, item in listed["itemInfoEntries"].items()}
    listed["itemInfoEntries"] = {new[old]: item for old, item in sorted(listed["itemInfoEntries"].items(), key=str)}
    listed["rootModelIdentifier"] = new[listed["rootModelIdentifier"]]
    return (json.dumps(listed, indent=4, sort_keys=True) + "\n").encode()


def tensors(files: dict[str, bytes], target: Target) -> tuple[TensorSpec, TensorSpec]:
    """Input and output as the specification has them."""
    description = _specification(files, target).description
    return _tensor(description.input[0]), _tensor(description.output[0])


def _tensor(feature: Any) -> TensorSpec:
    array = feature.type.multiArrayType
    if array.dataType != array.FLOAT32:
        raise ValueError(f"{feature.name} is not float32")
    return TensorSpec(feature.name, tuple(array.shape), "float32")


def dtypes(files: dict[str, bytes], target: Target) -> Dtypes:
    """Constants and operations of the program by element type, read from the specification."""
    function = _specification(files, target).mlProgram.functions["main"]
    constants: Counter[str] = Counter()
    operators: Counter[str] = Counter()
    for operation in function.block_specializations[function.opset].operations:
        kind = _element(operation.outputs[0])
        if operation.type == "const":
            constants[kind] += 1
        else:
            operators[f"{operation.type} {kind}"] += 1
    return Dtypes(dict(sorted(constants.items())), dict(sorted(operators.items())), [])


def _element(value: Any) -> str:
    return str(MIL_pb2.DataType.Name(value.type.tensorType.dataType)).lower()


def _specification(files: dict[str, bytes], target: Target) -> Any:
    return Model_pb2.Model.FromString(files[f"{target.file}/{SPECIFICATION}"])
