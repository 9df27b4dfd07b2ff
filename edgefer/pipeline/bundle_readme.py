"""The README.md of a bundle: what an app must do, in prose and in code, with the bundle's own numbers.

The words lie in templates/*.md: `readme` is the page, <format>-<language> the sections with code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from string import Template
from typing import Any

from edgefer.data.dataset import SYNTHETIC_SOURCE
from edgefer.pipeline.app_code import DEPENDENCIES, TEMPLATES, contract_values, render_classifier
from edgefer.pipeline.fidelity import agreement, recorded
from edgefer.pipeline.platforms import FOLDER
from edgefer.runtime.c.compiler import WEBASSEMBLY
from edgefer.runtime.c.generate import exports, function_name
from edgefer.runtime.engines import format_row
from edgefer.runtime.manifest import GoldenResize, Manifest

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

_VERIFIED = """`edgefer verify <this folder>` compares all files with their checksums in `manifest.json` and does the rest of this
section with the installed engine; `pip install 'edgefer[{}]'` has what it needs."""  # noqa: E501
_UNVERIFIED = """`edgefer app ios <this folder>` writes a test that
runs the golden pairs on a phone. `edgefer verify <this folder>` compares all files with their checksums in
`manifest.json` and then refuses, because it can't run the model."""


def render_readme(manifest: Manifest) -> str:
    """The page of the bundle that `manifest` describes; nothing in it depends on the machine or the day."""
    values = _model(manifest) | _golden(manifest) | contract_values(manifest.contract) | DEPENDENCIES
    sections = {language: _section(manifest, language, values) for language in LANGUAGES}
    sections["in_c"] = f"## C\n\n{_section(manifest, 'c', values)}\n\n" if manifest.format == "c" else ""
    sections["check_resize"] = _check_resize(manifest.golden_resize, values)
    return _fill("readme", values | sections)


def _section(manifest: Manifest, language: str, values: dict[str, str]) -> str:
    code = render_classifier(manifest.format, language, values)
    return _fill(_template(manifest, language), values | code).strip()


def _check_resize(golden: GoldenResize | None, values: dict[str, str]) -> str:
    """What the page says of the large picture; a bundle of an earlier version has none."""
    if golden is None:
        return f"\nIn an app, run `{values['golden_input']}` first, then the picture."
    large = {
        "large_picture": golden.picture,
        "large_input": golden.input,
        "large_output": golden.output,
        "levels": f"{golden.levels:g}",
        "resize_tolerance": f"{golden.tolerance:g}",
    }
    return _fill("resize", values | large).strip()


def _fill(template: str, values: dict[str, str]) -> str:
    text = (TEMPLATES / f"{template}.md").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _template(manifest: Manifest, language: str) -> str:
    name = f"{manifest.format}-{language}"
    integers = "int8" in (manifest.contract.input.dtype, manifest.contract.output.dtype)
    return f"{name}-int8" if integers and language not in format_row(manifest.format).int8_sections else name


def _model(manifest: Manifest) -> dict[str, str]:
    row = format_row(manifest.format)
    first, *others = (str(PurePosixPath(manifest.model_name).with_suffix(suffix)) for suffix in row.suffixes)
    needed = [name for name in (first, *others) if PurePosixPath(name).suffix not in row.unneeded]
    return {
        "name": manifest.name,
        "arch": manifest.arch,
        "target": manifest.target,
        "format": manifest.format,
        "paper": PAPERS.get(manifest.paper, manifest.paper),
        "parameters": f"{manifest.parameters:,}",
        "macs": f"{manifest.macs:,}",
        "model": manifest.model_name,
        "weights": ", ".join(others),
        "size": f"{manifest.model_bytes:,} bytes{' of source' * row.host_compiles}",
        "app_files": ", ".join(f"`{name}`" for name in needed) + " and `labels.txt`",
        "float_io": manifest.precision + "-floatio" * (manifest.precision == "int8"),
        "accuracy": "\n".join([_accuracy(manifest.accuracy.get("float")), *_fidelity(manifest)]),
        "opened": "compiled" if row.host_compiles else "loaded",
        "needs": manifest.needs,
        "libraries": _libraries(manifest),
        "exports": exports(manifest.arch),
        "webassembly": f"python -m ziglang cc {' '.join(WEBASSEMBLY)} -o model.wasm model.c exports.c",
        "function": f"edgefer_{function_name(manifest.arch)}",
        "constant": f"EDGEFER_{function_name(manifest.arch).upper()}",
    }


def _libraries(manifest: Manifest) -> str:
    """What `build --platform` compiled, as a sentence; empty without it."""
    names = sorted({name.split("/")[1] for name in manifest.files if name.startswith(f"{FOLDER}/")})
    if not names:
        return ""
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return f"\n`{FOLDER}/` has it compiled for {listed}: an app takes one of these in place of `{manifest.model_name}`."


def _accuracy(known: Any) -> str:
    """What manifest.accuracy says of the float network: percent by split, or why there is none."""
    if isinstance(known, dict):
        known = ", ".join(f"{percent:.2f} % on {split}" for split, percent in known.items())
    return f"Accuracy of the float network: {known or 'not measured'}."


def _fidelity(manifest: Manifest) -> Iterator[str]:
    """What the build saw of the file's answers beside the float network's, a line each."""
    measured, calibrated = manifest.fidelity, manifest.calibration or {}
    if manifest.unrun is not None:
        yield f"**It was {manifest.unrun}.** It was read back: {_read_back(manifest)}."
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


def _read_back(manifest: Manifest) -> str:
    """What the file of an unrun model is made of."""
    return ", ".join(f"{count} {kind}" for kind, count in manifest.dtypes.operators.items())


def _golden(manifest: Manifest) -> dict[str, str]:
    golden = manifest.golden
    return {
        "golden_picture": golden.picture,
        "golden_input": golden.input,
        "golden_output": golden.output,
        "tolerance": f"{golden.tolerance:g}",
        "reference": ", ".join(f"{probability:.4f}" for probability in golden.reference),
        "compared": f", at most {golden.distance:.4f} away" if manifest.unrun is None else "",
        "answered": "the model answered"
        if manifest.unrun is None
        else "the float network answers in the model's place",
        "proved": _VERIFIED.format(manifest.format)
        if manifest.unrun is None
        else f"The model was {manifest.unrun}.\n{_UNVERIFIED}",
    }
