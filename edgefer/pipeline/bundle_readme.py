"""The README.md of a bundle: what an app must do, in prose and in code, with the bundle's own numbers.

The words lie in templates/*.md: `readme` is the page, <format>-<language> the sections with code.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import PurePosixPath
from string import Template
from typing import Any

from edgefer.data.dataset import SYNTHETIC_SOURCE
from edgefer.pipeline.fidelity import agreement, recorded
from edgefer.runtime.bundle import Manifest
from edgefer.runtime.contract import Contract, Meaning, TensorSpec
from edgefer.runtime.engines import ENGINES

TEMPLATES = resources.files("edgefer.pipeline") / "templates"
LANGUAGES = ("python", "kotlin", "swift", "javascript")
PAPERS = {
    "edgefer": 'He et al., "Deep residual learning for image recognition", CVPR 2016, in a smaller form of our own',
    "kong2022": 'Kong et al., "Real-time facial expression recognition based on iterative transfer learning and '
    'efficient attention network", IET Image Processing 2022',
    "cugu2019": 'Cugu et al., "MicroExpNet: an extremely small and fast model for expression recognition from frontal '
    'face images", IPTA 2019',
    "zhou2021": 'Zhou, Liang and Shi, "A lightweight convolutional neural network for real-time facial expression '
    'detection", IEEE Access 2021',
    "safavi2023": 'Safavi, Patel and Vinjamuri, "Towards efficient deep learning models for facial expression '
    'recognition using transformers", BSN 2023',
    "zhao2021": 'Zhao, Liu and Zhou, "Robust lightweight facial expression recognition network with label distribution '
    'training", AAAI 2021',
}
# What the page says of the network, of its outputs and of the answer that the code returns.
MEANINGS: dict[Meaning, dict[str, str]] = {
    "probabilities": {"tells": "tells from a face which of $classes expressions it shows", "meaning": "probabilities"},
    "independent probabilities": {
        "tells": "tells from a face how probable each of $classes labels is, independent of the others",
        "meaning": "independent probabilities, each from 0 to 1 whatever the others are,",
    },
}
INDEPENDENT = """
   Several labels may hold, or none: compare each probability with a threshold that you choose. The code below returns
   the most probable label; `probabilities` in it has all of them."""
BYTES = {"float32": 4, "int8": 1}
LAYOUTS = {
    "NHWC": {
        "layout_order": "row by row, the three values of a pixel together",
        "python_order": "np.asarray(centre, np.float32)[None]",
        "kotlin_loop": "for (pixel in pixels) for (shift in intArrayOf(16, 8, 0))",
        "swift_loop": "for y in $offset..<$end { for x in $offset..<$end { for channel in 0..<3",
        "javascript_index": "4 * Math.floor(i / 3) + i % 3",
        "node_index": "i",
    },
    "NCHW": {
        "layout_order": "all of R row by row, then all of G, then all of B",
        "python_order": "np.ascontiguousarray(np.asarray(centre, np.float32).transpose(2, 0, 1)[None])",
        "kotlin_loop": "for (shift in intArrayOf(16, 8, 0)) for (pixel in pixels)",
        "swift_loop": "for channel in 0..<3 { for y in $offset..<$end { for x in $offset..<$end",
        "javascript_index": "4 * (i % $area) + Math.floor(i / $area)",
        "node_index": "3 * (i % $area) + Math.floor(i / $area)",
    },
}


def render_readme(manifest: Manifest) -> str:
    """The page of the bundle that `manifest` describes; nothing in it depends on the machine or the day."""
    values = _model(manifest) | _golden(manifest) | _contract(manifest.contract)
    sections = {language: _fill(_template(manifest, language), values).strip() for language in LANGUAGES}
    return _fill("readme", values | sections)


def _fill(template: str, values: dict[str, str]) -> str:
    text = (TEMPLATES / f"{template}.md").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _template(manifest: Manifest, language: str) -> str:
    name = f"{manifest.format}-{language}"
    integers = "int8" in (manifest.contract.input.dtype, manifest.contract.output.dtype)
    return f"{name}-int8" if integers and language not in ENGINES[manifest.format].int8_sections else name


def _model(manifest: Manifest) -> dict[str, str]:
    first, *others = (
        str(PurePosixPath(manifest.model).with_suffix(suffix)) for suffix in ENGINES[manifest.format].suffixes
    )
    return {
        "name": manifest.name,
        "arch": manifest.arch,
        "target": manifest.target,
        "format": manifest.format,
        "paper": PAPERS.get(manifest.paper, manifest.paper),
        "parameters": f"{manifest.parameters:,}",
        "macs": f"{manifest.macs:,}",
        "model": manifest.model,
        "weights": ", ".join(others),
        "size": f"{manifest.model_bytes:,} bytes",
        "app_files": ", ".join(f"`{name}`" for name in (first, *others)) + " and `labels.txt`",
        "float_io": manifest.precision + "-floatio" * (manifest.precision == "int8"),
        "accuracy": "\n".join([_accuracy(manifest.accuracy.get("float")), *_fidelity(manifest)]),
        "needs": manifest.needs,
    }


def _accuracy(known: Any) -> str:
    """What manifest.accuracy says of the float network: percent by split, or why there is none."""
    if isinstance(known, dict):
        known = ", ".join(f"{percent:.2f} % on {split}" for split, percent in known.items())
    return f"Accuracy of the float network: {known or 'not measured'}."


def _fidelity(manifest: Manifest) -> Iterator[str]:
    """What the build saw of the file's answers beside the float network's, a line each."""
    measured, calibrated = manifest.fidelity, manifest.calibration or {}
    if measured is None:
        return
    drawn = measured.source == SYNTHETIC_SOURCE
    yield (
        f"It agrees with the float network on {agreement(measured)}"
        f"{', which tell less than faces' if drawn else ', none of which it was calibrated on'}; "
        f"probabilities are {measured.rms:.2g} off (root mean square), at most {measured.largest:.2g}."
    )
    of_ranges = recorded(calibrated)
    if of_ranges is not None:
        yield f"When its ranges were recorded, the file for `{of_ranges.target}` did so on {agreement(of_ranges)}."
    if measured.accepted is not None:
        yield f"**It was built with `--accept-loss`**: {measured.accepted}."
    yield from (f"Warning: {each}." for each in (*measured.warnings, *calibrated.get("warnings", ())))


def _golden(manifest: Manifest) -> dict[str, str]:
    golden = manifest.golden
    return {
        "golden_picture": golden.picture,
        "golden_input": golden.input,
        "golden_output": golden.output,
        "tolerance": f"{golden.tolerance:g}",
        "reference": ", ".join(f"{probability:.4f}" for probability in golden.reference),
        "distance": f"{golden.distance:.4f}",
    }


def _contract(agreed: Contract) -> dict[str, str]:
    numbers = {
        "resize": agreed.resize,
        "crop": agreed.crop,
        "offset": (agreed.resize - agreed.crop) // 2,
        "end": (agreed.resize - agreed.crop) // 2 + agreed.crop,
        "area": agreed.crop**2,
        "classes": len(agreed.labels),
        "input_bytes": 3 * agreed.crop**2 * BYTES[agreed.input.dtype],
    }
    words = {
        "labels": ", ".join(agreed.labels),
        "face": agreed.face,
        "margin": f"{100 * agreed.face_margin:g} %",
        "kernel": agreed.kernel,
        "grey": agreed.grey,
        "layout": agreed.layout,
        "several": INDEPENDENT if agreed.meaning == "independent probabilities" else "",
        **{
            key: Template(text).substitute(numbers)
            for key, text in (LAYOUTS[agreed.layout] | MEANINGS[agreed.meaning]).items()
        },
    }
    return {key: str(n) for key, n in numbers.items()} | words | _input(agreed.input) | _output(agreed.output)


def _input(spec: TensorSpec) -> dict[str, str]:
    """How a pixel value 0 to 255 is stored, in words and in the languages that can have integers."""
    tensor = {"input_name": spec.name, "input_dtype": spec.dtype, "input_shape": ", ".join(map(str, spec.shape))}
    if spec.scale is None or spec.zero_point is None:
        return tensor | {
            "store_text": "The values are stored as they are, 0.0 to 255.0.",
            "python_store": "pixels",
            "kotlin_store": "input.putFloat(value.toFloat())",
        }
    shift = _plus(spec.zero_point)
    if (spec.scale, spec.zero_point) == (1.0, -128):  # min-max ranges: nothing to round or clip
        return tensor | {
            "store_text": "They are stored as `q = pixel - 128`.",
            "python_store": "(pixels - 128).astype(np.int8)",
            "kotlin_store": "input.put((value - 128).toByte())",
        }
    return tensor | {
        "store_text": f"They are stored as `q = round(pixel / {spec.scale!r}) {shift}`, clipped to -128 to 127.",
        "python_store": f"np.clip(np.rint(pixels / {spec.scale!r}) {shift}, -128, 127).astype(np.int8)",
        "kotlin_store": f"val q = kotlin.math.round(value / {spec.scale!r}f).toInt() {shift}\n"
        "            input.put(q.coerceIn(-128, 127).toByte())",
    }


def _output(spec: TensorSpec) -> dict[str, str]:
    """How a probability is read, in the same languages."""
    tensor = {"output_name": spec.name, "output_dtype": spec.dtype, "output_shape": ", ".join(map(str, spec.shape))}
    if spec.scale is None or spec.zero_point is None:
        return tensor | {
            "read_text": "The values are the probabilities.",
            "python_read": "",
            "kotlin_array": "FloatArray",
            "kotlin_read": "it",
        }
    shift = _plus(-spec.zero_point)
    return tensor | {
        "read_text": f"They are stored as int8: `p = {spec.scale!r} * (q {shift})`.",
        "python_read": f".astype(np.float32)\n    probabilities = {spec.scale!r} * (probabilities {shift})",
        "kotlin_array": "ByteArray",
        "kotlin_read": f"{spec.scale!r}f * (it {shift})",
    }


def _plus(number: int) -> str:
    return f"- {-number}" if number < 0 else f"+ {number}"
