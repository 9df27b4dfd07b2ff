"""From what the user names (module:callable, or an ONNX file) to an Arch and weights, proved to be the user's network.

The code that the user names, and no other, makes a torch network.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, fx, nn

from edgefer.arch import Arch
from edgefer.arch.architecture import Affine
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.user_model import onnx_file, onnx_import, onnx_process, outputs, probe
from edgefer.pipeline.user_model.contract_file import ContractFile, Origin, Size, user_arch
from edgefer.runtime.errors import BadNetwork, BadWeights, ExportFailed, listed
from edgefer.runtime.files import digest, sha256
from edgefer.runtime.progress import SILENT, Progress
from edgefer.training import weights
from edgefer.training.weights import TrainedModel

TOLERANCE = 1e-4  # in probability, between the user's network and the one that takes pixels


@dataclass(frozen=True)
class UserModel:
    """A network of the user's own: what the pipeline takes of it, and `original`, which nothing was folded into.

    original  (N, C, crop, crop), prepared as the contract says -> (N, classes), as arch.user_model.output says
    """

    arch: Arch
    weights: TrainedModel
    original: outputs.Chosen


def from_torch(
    spec: str, weights: Path, contract: ContractFile, progress: Progress = SILENT
) -> tuple[Arch, TrainedModel]:
    """The network that <module>:<callable> makes, with its weights; raises what `load_torch_model` does."""
    model = load_torch_model(spec, weights, contract, progress)
    return model.arch, model.weights


def load_torch_model(spec: str, weights: Path, contract: ContractFile, progress: Progress = SILENT) -> UserModel:
    """The network that <module>:<callable> makes, with its weights; `progress` hears how these were renamed.

    Raises BadNetwork, BadWeights, BadRecord (the contract), MissingFile or ExportFailed.
    """
    size = contract.size
    if size is None:
        raise BadNetwork(f"the size of the input of {spec} is not known: say it with --input, like --input 1x64x64.")
    if contract.layout == "NHWC":
        raise BadNetwork(f'{spec} is a torch network, which takes NCHW: layout = "NHWC" is for ONNX files.')
    network = make_network(spec)
    fill_weights(network, weights, spec, progress)
    network.eval()
    graph = probe.require_traceable(network, spec)
    origin = Origin(spec, default_name(spec), sha256(weights))
    return _loaded(graph, network, contract, origin, size, contract.output_name)


def from_onnx(path: Path, contract: ContractFile) -> tuple[Arch, TrainedModel]:
    """The network of an ONNX file; raises what `load_torch_model` does."""
    model = load_onnx_model(path, contract)
    return model.arch, model.weights


def load_onnx_model(path: Path, contract: ContractFile) -> UserModel:
    """The network of an ONNX file; raises what `load_torch_model` does.

    What is native of ONNX does its part in a process of its own; raises WorkerFailed where the file kills that.
    """
    with onnx_process.start(path) as engine:
        source = onnx_file.read_onnx(path, contract, engine)
        network = onnx_import.convert(source).eval()
        origin = Origin(path.name, path.stem, source.sha256)
        model = _loaded(copy.deepcopy(network), network, contract, origin, source.size, None)  # of one output by now
        inputs = probe.to_network(probe.faces(source.size), _affine(contract, origin, source.size))
        onnx_import.require_same(source, network, inputs)
    return model


def _affine(contract: ContractFile, origin: Origin, size: Size) -> Affine:
    """The contract's preprocessing, which does not depend on what the network gives."""
    arch = user_arch(contract, origin, size, contract.output or "logits")
    assert arch.user_model is not None
    return arch.user_model.affine


def _loaded(
    graph: fx.GraphModule, network: nn.Module, contract: ContractFile, origin: Origin, size: Size, name: str | None
) -> UserModel:
    """What the rest of edgefer takes, of the output `name` and the contract's part of it, proved on the network."""
    inputs = probe.to_network(probe.faces(size), _affine(contract, origin, size))
    choice = probe.choice(network, inputs, name, contract.output_slice, origin.source)
    graph, whole = outputs.choose(graph, choice), outputs.Chosen(network, choice)
    answers = probe.answers(whole, inputs, origin.source)
    assert contract.labels is not None
    outputs.require_labels(contract.labels, answers, origin.source)
    kind = outputs.recognize(graph, answers, contract.output, origin.source)
    arch = user_arch(contract, origin, size, kind)
    proved = _proved(outputs.without_log(graph) if kind == "log-probabilities" else graph, whole, arch, size)
    return UserModel(arch, proved, whole)


def _proved(graph: fx.GraphModule, network: nn.Module, arch: Arch, size: Size) -> TrainedModel:
    """Weights for the pipeline, once the network with its preprocessing inside has given the same answers."""
    assert arch.user_model is not None
    pixels = probe.faces(size, seed=1)
    inside = probe.run(DeployableModel(graph, user_model=arch.user_model).eval(), pixels.float())
    difference = float((inside - probe.float_baseline(network, pixels, arch.user_model)).abs().max())
    if not difference <= TOLERANCE:
        raise ExportFailed(
            f"with its batch norms and preprocessing folded, {arch.user_model.source} is {difference:.3g} away from "
            "itself in probability: its weights may be too large or too small for single precision."
        )
    return TrainedModel(graph, _identity(graph, arch), None)


def _identity(graph: fx.GraphModule, arch: Arch) -> str:
    """A checksum of all that the outputs depend on: the file, the code, and the contract.

    The file alone would let ranges, or a float bundle, of another contract pass for those of this one.
    """
    contract = str(arch.user_model).replace("ModelContract(", "Own(", 1)  # the checksum that earlier bundles have
    assert arch.user_model is not None
    chosen = [each for each in (arch.user_model.output_name, arch.user_model.output_slice) if each is not None]
    parts = (contract, arch.resize, arch.crop, arch.labels, graph, graph.code, *chosen)
    return digest("\n".join(map(str, parts)).encode())


_COUNTER = ".num_batches_tracked"  # of batch norms, for training only; some files leave it out


def default_name(spec: str) -> str:
    """What the network is called if the user says nothing: mypkg.net:make -> net."""
    return spec.partition(":")[0].rpartition(".")[2]


def make_network(spec: str) -> nn.Module:
    """The network that <module>:<callable> returns, in float32; raises BadNetwork.

    Modules of the working directory are found, as `python -m` finds them.
    """
    module, _, attribute = spec.partition(":")
    if not (module and attribute):
        raise BadNetwork(f"{spec!r} names no network: give --model as module:callable, like mypkg.net:make.")
    with _working_directory():
        maker = _find(_import(module), module, attribute)
        network = maker if isinstance(maker, nn.Module) else _call(maker, spec)
    if not isinstance(network, nn.Module):
        raise BadNetwork(f"{spec} returned a {type(network).__name__}: it must return a torch.nn.Module.")
    return network.float()


@contextlib.contextmanager
def _working_directory() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _import(module: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise BadNetwork(
                f"there is no module {error.name}: install it, or run in the folder that it lies in."
            ) from error
        raise _raised(f"importing {module}", error) from error
    except (Exception, SystemExit) as error:  # the user's code raises what it likes
        raise _raised(f"importing {module}", error) from error


def _find(target: object, module: str, path: str) -> Any:
    for part in path.split("."):
        if not hasattr(target, part):
            raise BadNetwork(f"the module {module} has no {path}: give --model as module:callable.")
        target = getattr(target, part)
    if not callable(target):
        raise BadNetwork(f"{module}:{path} is a {type(target).__name__}: it must be callable, or a torch.nn.Module.")
    return target


def _call(maker: Any, spec: str) -> object:
    try:
        return maker()
    except (Exception, SystemExit) as error:
        raise _raised(f"{spec}()", error) from error


def _raised(what: str, error: BaseException) -> BadNetwork:
    return BadNetwork(f"{what} raised {type(error).__name__}: {str(error)[:300]} (`edgefer --debug` shows where).")


def fill_weights(network: nn.Module, path: Path, spec: str, progress: Progress = SILENT) -> None:
    """Give the network the weights of a .safetensors file; raises MissingFile or BadWeights."""
    expected: dict[str, Tensor] = network.state_dict()
    tensors = weights.named_as(expected, path, weights.read_tensors(path), progress)
    missing = [name for name in expected if name not in tensors and not name.endswith(_COUNTER)]
    unexpected = [name for name in tensors if name not in expected]
    if missing or unexpected:
        parts = [f"{listed(missing, 3)} missing"] * bool(missing) + [f"{listed(unexpected, 3)} unknown"] * bool(
            unexpected
        )
        raise BadWeights(f"{path} does not fit {spec}: {', '.join(parts)}. Give the weights of this network.")
    for name, value in tensors.items():
        if value.shape != expected[name].shape:
            raise BadWeights(
                f"{path} does not fit {spec}: {name} is {tuple(value.shape)}, the network has "
                f"{tuple(expected[name].shape)}. Give the weights of this network."
            )
    weights.require_finite(path, tensors)
    network.load_state_dict(tensors, strict=False)
