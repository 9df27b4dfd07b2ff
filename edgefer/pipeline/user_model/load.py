"""From what the user names to what the pipeline takes: an Arch and weights, proved to be the user's network."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import fx, nn

from edgefer.arch import Arch
from edgefer.pipeline.fold import DeployableModel
from edgefer.pipeline.user_model import callables, onnx_import, onnx_read, probe
from edgefer.pipeline.user_model.arch_entry import Origin, user_arch
from edgefer.pipeline.user_model.contract_file import Size, Stated
from edgefer.runtime.errors import BadNetwork, ExportFailed
from edgefer.runtime.files import sha256
from edgefer.training.weights import TrainedModel

TOLERANCE = 1e-4  # in probability, between the user's network and the one that takes pixels


def from_torch(spec: str, weights: Path, stated: Stated) -> tuple[Arch, TrainedModel]:
    """The network that <module>:<callable> makes, with its weights.

    Raises BadNetwork, BadWeights, BadRecord (the contract), MissingFile or ExportFailed.
    """
    size = stated.size
    if size is None:
        raise BadNetwork(f"the size of the input of {spec} is not known: say it with --input, like --input 1x64x64.")
    if stated.layout == "NHWC":
        raise BadNetwork(f'{spec} is a torch network, which takes NCHW: layout = "NHWC" is for ONNX files.')
    network = callables.make(spec)
    callables.fill(network, weights, spec)
    network.eval()
    graph = probe.require_traceable(network, spec)
    arch = _probed_arch(graph, stated, Origin(spec, callables.default_name(spec), sha256(weights)), size)
    return arch, _proved(graph, network, arch, size)


def from_onnx(path: Path, stated: Stated) -> tuple[Arch, TrainedModel]:
    """The network of an ONNX file; raises what `from_torch` does."""
    source = onnx_read.read(path, stated)
    network = onnx_import.convert(source).eval()
    arch = _probed_arch(network, stated, Origin(path.name, path.stem, sha256(path)), source.size)
    assert arch.user_model is not None
    onnx_import.require_same(source, network, probe.to_network(probe.faces(source.size), arch.user_model.affine))
    return arch, _proved(network, network, arch, source.size)


def _probed_arch(network: nn.Module, stated: Stated, origin: Origin, size: Size) -> Arch:
    """Two steps: whether the outputs are logits is seen only when they are there."""
    guess = user_arch(stated, origin, size, stated.output or "logits")
    assert guess.user_model is not None
    found = probe.answers(network, probe.to_network(probe.faces(size), guess.user_model.affine), origin.source)
    probe.require_labels(guess.labels, found, origin.source)
    return user_arch(stated, origin, size, probe.output(found, stated.output, origin.source))


def _proved(graph: fx.GraphModule, network: nn.Module, arch: Arch, size: Size) -> TrainedModel:
    """Weights for the pipeline, once the network with its preprocessing inside has given the same answers."""
    assert arch.user_model is not None
    pixels = probe.faces(size, seed=1)
    inside = probe.run(DeployableModel(graph, user_model=arch.user_model).eval(), pixels.float())
    difference = float((inside - probe.reference(network, pixels, arch.user_model)).abs().max())
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
    parts = (contract, arch.resize, arch.crop, arch.labels, graph, graph.code)
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
