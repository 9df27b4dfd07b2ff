"""edgefer verify: a bundle against its own promises."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.commands.common import PATH, console, counting, json_option, print_json, read_data, split_option
from edgefer.errors import EdgeferError, SeveralFailures

if TYPE_CHECKING:
    from rich.console import Console

    from edgefer.package import Bundle
    from edgefer.verify import AccuracyCheck, Reference

Result = dict[str, Any]  # what --json prints of a bundle


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
    Exits with 11 or 12 if the bundle is not what was built, 15 if it lost too much accuracy. Of several
    bundles each is checked; the exit code is that of the first failure.

    \b
    Example: edgefer verify dist/ean.tflite-int8 --data fer2013.csv
    """
    from edgefer import package, verify

    screen = console()
    failures: list[EdgeferError] = []
    results: list[Result] = []
    sound: list[tuple[Bundle, Result]] = []
    for folder in bundles:
        results.append({"folder": str(folder)})
        with _noting(failures, results[-1]):
            bundle = package.read(folder)
            check = verify.golden(bundle, threads)
            results[-1] |= {"bundle": bundle.manifest.name, "golden": asdict(check)}
            sound.append((bundle, results[-1]))
            if not as_json:
                click.echo(
                    f"{bundle.manifest.name}: {len(bundle.manifest.files)} files, contract and golden pair hold on "
                    f"{check.engine} (off by {check.difference:.6f}, {check.tolerance} allowed)"
                )
    checks: list[tuple[str, AccuracyCheck]] = []
    if data is not None and sound:
        with _noting(failures, {}):
            checks = _accuracy(screen, sound, data, split, reference, failures)
    if as_json:
        print_json(results)
    elif checks:
        _show(checks)
    if failures:
        raise SeveralFailures(failures)


@contextlib.contextmanager
def _noting(failures: list[EdgeferError], result: Result) -> Iterator[None]:
    """Note a failure instead of ending with it: the other bundles are still checked."""
    try:
        yield
    except EdgeferError as error:
        failures.append(error)
        result["error"] = {"exit_code": error.exit_code, "message": str(error)}


def _accuracy(
    screen: Console,
    bundles: list[tuple[Bundle, Result]],
    path: Path,
    split: str,
    reference: Path | None,
    failures: list[EdgeferError],
) -> list[tuple[str, AccuracyCheck]]:
    from edgefer import scores, verify
    from edgefer.reference import float_model

    sizes = {bundle.manifest.contract.resize for bundle, _ in bundles}
    faces = {size: read_data(screen, path, size) for size in sizes}
    tests = {size: whole.split(split) for size, whole in faces.items()}
    unseen = {size: scores.unseen_rows(tests[size], whole) for size, whole in faces.items()}
    floats: dict[str, Reference] = {}
    checks: list[tuple[str, AccuracyCheck]] = []
    for bundle, result in bundles:
        name, size, weights = bundle.manifest.name, bundle.manifest.contract.resize, bundle.manifest.weights_sha256
        with _noting(failures, result):
            if weights not in floats:
                with screen.status("running the float model"):
                    floats[weights] = float_model(bundle, tests[size], reference)
            with counting(screen, name, len(tests[size])) as tick:
                check = verify.accuracy(bundle, tests[size], split, unseen[size], floats[weights], tick)
            result["accuracy"] = asdict(check)
            checks.append((name, check))
            verify.judge(name, check)
    return checks


def _show(checks: list[tuple[str, AccuracyCheck]]) -> None:
    from edgefer.commands.tables import table

    first = checks[0][1]
    names = ["bundle", "accuracy", "float", "drop", "agreement", "unseen", *first.artifact.recall]
    rows = []
    for name, check in checks:
        unseen = "" if check.artifact.unseen is None else f"{check.artifact.unseen:.2f}"
        rows.append(
            [
                name,
                f"{check.artifact.accuracy:.2f}",
                f"{check.exact.accuracy:.2f}",
                f"{check.drop:+.2f}",
                f"{check.agreement:.2f}",
                unseen,
                *(f"{value:.1f}" for value in check.artifact.recall.values()),
            ]
        )
    click.echo(f"{first.split}, {first.artifact.images} images, percent; float is {first.reference}")
    click.echo(table(names, rows))
