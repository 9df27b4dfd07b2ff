"""A worker's other task: the golden pair, and a bundle's outputs for given faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgefer.runtime import contract, verify, workload
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import BadData
from edgefer.runtime.protocol import Check, Request
from edgefer.runtime.verify import GoldenCheck


def check(request: Request, wanted: Check) -> tuple[GoldenCheck, list[list[float]] | None]:
    """Raises what read_bundle and verify.golden raise, BadData for faces that can't be read."""
    if request.folder is None and request.provider is not None:
        return workload.on_torch().check(request.eager or "", request.provider), None
    bundle = read_bundle(Path(request.folder or ""))
    found = verify.golden(bundle, request.settings.threads, request.provider)
    if wanted.faces is None:
        return found, None
    try:
        faces = np.load(wanted.faces, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadData(f"{wanted.faces} is no array of faces ({error}): start the check again.") from error
    model, agreed = verify.open_model(bundle, request.settings.threads, request.provider), bundle.manifest.contract
    outputs = [
        contract.dequantise(model.run(contract.to_input(pixels[None], agreed)), agreed.output)[0].tolist()
        for pixels in contract.to_pixels(faces, agreed)
    ]
    return found, outputs
