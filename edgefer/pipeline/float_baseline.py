"""The float model that an artifact is compared with: a bundle (light) or the network itself (torch)."""

from __future__ import annotations

from pathlib import Path

from edgefer.arch import get_arch
from edgefer.data.dataset import Dataset
from edgefer.runtime import verify
from edgefer.runtime.bundle import Bundle, read_bundle
from edgefer.runtime.errors import BadWeights
from edgefer.runtime.process import quiet
from edgefer.runtime.verify import FloatBaseline


def run_float_baseline(bundle: Bundle, test: Dataset, source: Path | None) -> FloatBaseline:
    """The float model that `bundle` came from, run on the faces of `test`.

    `source` is an fp32 bundle, a .safetensors file, or None for the shipped weights. Raises BadWeights if it
    is not of the weights that the bundle was made from; of a network of the user's own it must be a bundle. Where the
    bundle's signature was checked, that of an fp32 bundle is too.
    """
    if source is not None and source.is_dir():
        return _of_bundle(bundle, test, source)
    if bundle.manifest.own is not None:
        raise BadWeights(
            f"{bundle.manifest.name} is of your own network {bundle.manifest.own.get('source')}: compare with its fp32 "
            f"bundle, --float {bundle.folder.parent / bundle.manifest.arch}.onnx-fp32; `edgefer build` with "
            "--target onnx-fp32 makes it."
        )
    with quiet():
        from edgefer.training import evaluation, weights

    arch = get_arch(bundle.manifest.arch).with_labels(bundle.manifest.contract.labels)
    trained = weights.load_trained_model(arch, source)
    _require_same(bundle, trained.sha256, str(source or "the shipped weights"))
    outputs = evaluation.logits(trained.network, test, arch).numpy()
    return FloatBaseline(f"{arch.name} in torch, unfolded", outputs)


def _of_bundle(bundle: Bundle, test: Dataset, folder: Path) -> FloatBaseline:
    float_bundle = read_bundle(folder, bundle.trust)
    if float_bundle.manifest.precision != "fp32":
        raise BadWeights(
            f"{folder} is {float_bundle.manifest.precision}: compare with an fp32 bundle or a .safetensors file."
        )
    _require_same(bundle, float_bundle.manifest.weights_sha256, str(folder))
    return FloatBaseline(float_bundle.manifest.name, verify.run_faces(float_bundle, test.pixels))


def _require_same(bundle: Bundle, sha256: str, source: str) -> None:
    made_from = bundle.manifest.weights_sha256
    if sha256 != made_from:
        raise BadWeights(
            f"{bundle.manifest.name} was made from the weights {made_from[:12]}, {source} has {sha256[:12]}: "
            "give the weights it was made from, or an fp32 bundle of them, with --float."
        )
