"""edgefer verify: a bundle against its own promises, here or on a device."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import (
    PATH,
    detector_option,
    engine_option,
    json_option,
    print_json,
    reading_options,
    split_option,
)
from edgefer.cli.progress import display
from edgefer.cli.streams import say
from edgefer.cli.threads import threads_option
from edgefer.cli.trust import trust_options

if TYPE_CHECKING:
    from edgefer.devices.verification import BundleCheck
    from edgefer.runtime.bundle import Bundle
    from edgefer.runtime.verify import AccuracyCheck, ResizeCheck


@click.command(cls=Command)
@click.argument("bundles", nargs=-1, required=True, type=PATH, metavar="BUNDLE...")
@click.option("--device", metavar="NAME", help="Run the model on this device; `edgefer devices` lists them.")
@engine_option
@click.option("--data", type=PATH, metavar="PATH", help="Also measure accuracy on this data set.")
@reading_options
@detector_option
@split_option
@click.option(
    "--float",
    "float_baseline",
    type=PATH,
    metavar="PATH",
    help="What accuracy is compared with: an fp32 bundle or a .safetensors file; default: the shipped weights.",
)
@threads_option
@trust_options
@json_option
def verify(as_json: bool, detector: str | None, **options: Any) -> None:
    """Check a bundle's files, contract and golden pairs; with --data also its accuracy against float.

    This needs the bundle's engine and no torch, unless --data has no fp32 bundle to compare with. With --device and
    --data, the device's answers are also compared with this machine's. The exit code is 11 or 12 if the bundle is not
    what was built, and 15 if it lost too much accuracy. Several bundles are all checked; the exit code is that of the
    first failure.

    \b
    Example: edgefer verify dist/ean.tflite-int8 --data fer2013.csv
             edgefer verify dist/ean.tflite-int8 --device rpi4-emulated
    """
    from edgefer.devices.verification import VerifyOptions, verify_bundles
    from edgefer.runtime.errors import SeveralFailures

    options["reading"] = replace(options["reading"], detector=detector)
    with display() as shown:

        def tell(check: BundleCheck) -> None:
            if not as_json:
                shown.print(_golden_line(check, options["device"]))

        verification = verify_bundles(VerifyOptions(**options), shown.progress, tell)
    if as_json:
        print_json([check.record() for check in verification.checks])
    else:
        _print_accuracy(verification.checks)
    if verification.failures:
        raise SeveralFailures.of(verification.failures)


def _golden_line(check: BundleCheck, device: str | None) -> str:
    assert check.bundle is not None and check.golden is not None
    manifest, golden = check.bundle.manifest, check.golden
    where = golden.engine if device is None else f"{device}'s {golden.engine}"
    return (
        f"{manifest.name}: {len(manifest.files)} files, contract and golden pair hold on "
        f"{where} (off by {golden.difference:.6f}, {golden.tolerance} allowed); {_resize_words(golden.resize)}"
        f"{_signature_words(check.bundle)}"
    )


def _signature_words(bundle: Bundle) -> str:
    if bundle.signer is not None:
        return f"; signed by {bundle.signer.words}"
    return "; its signature was not checked, --trusted does that" if bundle.is_signed else ""


def _resize_words(check: ResizeCheck | None) -> str:
    if check is None:
        return "the resize was not checked: this bundle has no picture for it, build it again for one"
    return (
        f"the resize too (off by {check.levels:g} of 255 levels, {check.levels_tolerance:g} allowed, and by "
        f"{check.difference:.6f}, {check.tolerance} allowed)"
    )


def _print_accuracy(checks: list[BundleCheck]) -> None:
    """A table of the bundles whose accuracy was measured, if there are any, and what to know of each."""
    from edgefer.runtime.terminal_table import table

    measured = [(check.bundle.manifest.name, check.accuracy) for check in checks if check.bundle and check.accuracy]
    if not measured:
        return
    first = measured[0][1]
    say(f"{first.split}, {first.artifact.images} images, percent; float is {first.reference}")
    names = ("bundle", "accuracy", "float", "drop", "agreement", "unseen")
    click.echo(table(names, [_accuracy_row(name, accuracy) for name, accuracy in measured]))
    labels = list(first.artifact.recall)
    recalls = [(name, *_recalls(accuracy, labels)) for name, accuracy in measured]
    click.echo(f"\n{table(('recall', *labels), recalls)}")
    for check in checks:
        for line in _accuracy_notes(check):
            click.echo(line)


def _accuracy_row(name: str, check: AccuracyCheck) -> list[str]:
    unseen = check.artifact.unseen
    return [
        name,
        f"{check.artifact.accuracy:.2f}",
        f"{check.exact.accuracy:.2f}",
        f"{check.drop:+.2f}",
        f"{check.agreement:.2f}",
        "" if unseen is None else f"{unseen:.2f}",
    ]


def _recalls(check: AccuracyCheck, labels: list[str]) -> list[str]:
    recall = check.artifact.recall
    return [f"{recall[label]:.1f}" if label in recall else "" for label in labels]


def _accuracy_notes(check: BundleCheck) -> list[str]:
    name = check.bundle.manifest.name if check.bundle else ""
    lines = []
    detection = check.accuracy and check.accuracy.detection
    if check.accuracy and detection:
        lines.append(f"{name}: {detection.line(check.accuracy.artifact.accuracy)}")
    if check.left_out:
        left = ", ".join(f"{count} of {label}" for label, count in check.left_out.items())
        lines.append(f"{name} was not shown faces of classes that it does not tell: {left}")
    if check.same:
        lines.append(
            f"{name}: the answer of this machine on {check.same.agreement:.2f} % of the images, "
            f"off by {check.same.difference:.6f} in probability at most"
        )
    return lines
