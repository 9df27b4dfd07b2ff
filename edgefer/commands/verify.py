"""edgefer verify: a bundle against its own promises."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.commands.common import PATH, console, counting, json_option, print_json, read_data, split_option

if TYPE_CHECKING:
    from rich.console import Console

    from edgefer.data.dataset import Dataset
    from edgefer.package import Bundle
    from edgefer.verify import AccuracyCheck, Reference


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=PATH, metavar="BUNDLE...")
@click.option("--data", type=PATH, metavar="PATH", help="Also measure accuracy on this data set.")
@split_option
@click.option(
    "--float",
    "reference",
    type=PATH,
    metavar="PATH",
    help="What accuracy is compared with: an fp32 bundle or a .safetensors file; default: the shipped weights.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@json_option
def verify(
    bundles: tuple[Path, ...], data: Path | None, split: str, reference: Path | None, threads: int, as_json: bool
) -> None:
    """Check a bundle's files, contract and golden pair; with --data also its accuracy against float.

    Needs the bundle's engine only, no torch (but for --data without an fp32 bundle to compare with).
    Exits with 11 or 12 if the bundle is not what was built, 15 if it lost too much accuracy.

    \b
    Example: edgefer verify dist/ean.tflite-int8 --data fer2013.csv
    """
    from edgefer import package, verify

    screen = console()
    opened = [package.read(folder) for folder in bundles]
    results: list[dict[str, Any]] = []
    for bundle in opened:
        check = verify.golden(bundle, threads)
        results.append({"bundle": bundle.manifest.name, "folder": str(bundle.folder), "golden": asdict(check)})
        if not as_json:
            click.echo(
                f"{bundle.manifest.name}: {len(bundle.manifest.files)} files, contract and golden pair hold on "
                f"{check.engine} (off by {check.difference:.6f}, {check.tolerance} allowed)"
            )
    checks = [] if data is None else _accuracy(screen, opened, data, split, reference)
    for result, measured in zip(results, checks, strict=False):
        result["accuracy"] = asdict(measured)
    if as_json:
        print_json(results)
    elif checks:
        _show(opened, checks)
    for bundle, measured in zip(opened, checks, strict=False):
        verify.judge(bundle.manifest.name, measured)


def _accuracy(
    screen: Console, bundles: list[Bundle], path: Path, split: str, reference: Path | None
) -> list[AccuracyCheck]:
    from edgefer import scores, verify
    from edgefer.reference import float_model

    checks: list[AccuracyCheck] = []
    faces: dict[int, Dataset] = {}
    floats: dict[str, Reference] = {}
    for bundle in bundles:
        size, weights = bundle.manifest.contract.resize, bundle.manifest.weights_sha256
        if size not in faces:
            faces[size] = read_data(screen, path, size)
        test = faces[size].split(split)
        if weights not in floats:
            with screen.status("running the float model"):
                floats[weights] = float_model(bundle, test, reference)
        with counting(screen, bundle.manifest.name, len(test)) as tick:
            unseen = scores.unseen_rows(test, faces[size])
            checks.append(verify.accuracy(bundle, test, split, unseen, floats[weights], tick))
    return checks


def _show(bundles: list[Bundle], checks: list[AccuracyCheck]) -> None:
    from edgefer.commands.tables import table

    names = ["bundle", "accuracy", "float", "drop", "agreement", "unseen", *checks[0].artifact.recall]
    rows = []
    for bundle, check in zip(bundles, checks, strict=True):
        unseen = "" if check.artifact.unseen is None else f"{check.artifact.unseen:.2f}"
        rows.append(
            [
                bundle.manifest.name,
                f"{check.artifact.accuracy:.2f}",
                f"{check.exact.accuracy:.2f}",
                f"{check.drop:+.2f}",
                f"{check.agreement:.2f}",
                unseen,
                *(f"{value:.1f}" for value in check.artifact.recall.values()),
            ]
        )
    click.echo(f"{checks[0].split}, {checks[0].artifact.images} images, percent; float is {checks[0].reference}")
    click.echo(table(names, rows))
