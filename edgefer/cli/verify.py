"""edgefer verify: a bundle against its own promises, here or on a device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.common import (
    PATH,
    console,
    counting,
    engine_option,
    json_option,
    print_json,
    read_data,
    reading_options,
    split_option,
)
from edgefer.runtime.errors import EdgeferError, SeveralFailures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from edgefer.data.dataset import Dataset
    from edgefer.devices.device import Place
    from edgefer.runtime.bundle import Bundle
    from edgefer.runtime.verify import AccuracyCheck, GoldenCheck, Reference, Sameness

Result = dict[str, Any]  # what --json prints of a bundle


@dataclass(frozen=True)
class _Where:
    """What runs the models: a device, or (None) this process."""

    screen: Console
    place: Place | None
    threads: int

    def golden(self, bundle: Bundle) -> GoldenCheck:
        from edgefer.runtime import verify

        if self.place is None:
            return verify.golden(bundle, self.threads)
        from edgefer.devices import verify as check

        with self.screen.status(f"{self.place.name}: {bundle.manifest.name}") as status:
            return check.golden(self.place, bundle, self.threads, status.update)

    def outputs(self, bundle: Bundle, test: Dataset) -> tuple[NDArray[np.float32], Sameness | None]:
        """Probabilities, and how far they are from this machine's, if another one gave them."""
        from edgefer.runtime import verify

        with counting(self.screen, bundle.manifest.name, len(test)) as tick:
            here = verify.outputs(bundle, test.pixels, tick)
        if self.place is None:
            return here, None
        from edgefer.devices import verify as check

        with self.screen.status(f"{self.place.name}: {bundle.manifest.name}, {len(test)} faces") as status:
            there = check.outputs(self.place, bundle, test, self.threads, status.update)
        return there, verify.same(there, here)


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=PATH, metavar="BUNDLE...")
@click.option("--device", metavar="NAME", help="Run the model there; `edgefer devices` lists them.")
@engine_option
@click.option("--data", type=PATH, metavar="PATH", help="Also measure accuracy on this data set.")
@reading_options
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
    bundles: tuple[Path, ...],
    device: str | None,
    engine: str | None,
    data: Path | None,
    split: str,
    reference: Path | None,
    threads: int,
    as_json: bool,
) -> None:
    """Check a bundle's files, contract and golden pair; with --data also its accuracy against float.

    Needs the bundle's engine only, no torch (but for --data without an fp32 bundle to compare with).
    With --device the model runs there; with --data too, its answers are also compared with this machine's.
    Exits with 11 or 12 if the bundle is not what was built, 15 if it lost too much accuracy. Of several
    bundles each is checked; the exit code is that of the first failure.

    \b
    Example: edgefer verify dist/ean.tflite-int8 --data fer2013.csv
             edgefer verify dist/ean.tflite-int8 --device rpi4-emulated
    """
    from edgefer.devices import lookup
    from edgefer.runtime import bundle as package

    screen = console()
    where = _Where(screen, None if device is None else lookup.find(device, engine), threads)
    failures: list[EdgeferError] = []
    results: list[Result] = []
    sound: list[tuple[Bundle, Result]] = []
    for folder in bundles:
        results.append({"folder": str(folder)})
        with _noting(failures, results[-1]):
            bundle = package.read(folder)
            check = where.golden(bundle)
            results[-1] |= {"bundle": bundle.manifest.name, "golden": asdict(check)}
            sound.append((bundle, results[-1]))
            if not as_json:
                click.echo(_golden(bundle, check, device))
    checks: list[tuple[str, AccuracyCheck]] = []
    if data is not None and sound:
        with _noting(failures, {}):
            checks = _accuracy(where, sound, data, split, reference, failures)
    if as_json:
        print_json(results)
    elif checks:
        _show(checks, sound)
    if failures:
        raise SeveralFailures(failures)


def _golden(bundle: Bundle, check: GoldenCheck, device: str | None) -> str:
    where = check.engine if device is None else f"{device}'s {check.engine}"
    return (
        f"{bundle.manifest.name}: {len(bundle.manifest.files)} files, contract and golden pair hold on "
        f"{where} (off by {check.difference:.6f}, {check.tolerance} allowed)"
    )


@contextlib.contextmanager
def _noting(failures: list[EdgeferError], result: Result) -> Iterator[None]:
    """Note a failure instead of ending with it: the other bundles are still checked."""
    try:
        yield
    except EdgeferError as error:
        failures.append(error)
        result["error"] = {"exit_code": error.exit_code, "message": str(error)}


def _accuracy(
    where: _Where,
    bundles: list[tuple[Bundle, Result]],
    path: Path,
    split: str,
    reference: Path | None,
    failures: list[EdgeferError],
) -> list[tuple[str, AccuracyCheck]]:
    import numpy as np

    from edgefer.data import classes
    from edgefer.data.dataset import unseen_rows
    from edgefer.pipeline.float_baseline import float_model
    from edgefer.runtime import verify

    sizes = {bundle.manifest.contract.resize for bundle, _ in bundles}
    faces = {size: read_data(where.screen, path, size) for size in sizes}
    tests = {size: whole.split(split) for size, whole in faces.items()}
    rows = {size: unseen_rows(tests[size], whole) for size, whole in faces.items()}
    floats: dict[str, Reference] = {}
    checks: list[tuple[str, AccuracyCheck]] = []
    for bundle, result in bundles:
        name, size, weights = bundle.manifest.name, bundle.manifest.contract.resize, bundle.manifest.weights_sha256
        with _noting(failures, result):
            matched = classes.match(tests[size], bundle.manifest.contract.labels, name)
            test, known = matched.faces, rows[size]
            unseen = None if known is None else known[np.isin(tests[size].rows, test.rows)]
            if matched.left_out:
                result["left_out"] = matched.left_out
            if weights not in floats:
                with where.screen.status("running the float model"):
                    floats[weights] = float_model(bundle, test, reference)
            found, same = where.outputs(bundle, test)
            check = verify.accuracy(found, test, split, unseen, floats[weights])
            result["accuracy"] = asdict(check)
            if same is not None:
                result["same"] = asdict(same)
            checks.append((name, check))
            verify.judge(name, check)
    return checks


def _recall(check: AccuracyCheck, label: str) -> str:
    value = check.artifact.recall.get(label)
    return "" if value is None else f"{value:.1f}"


def _show(checks: list[tuple[str, AccuracyCheck]], bundles: list[tuple[Bundle, Result]]) -> None:
    from edgefer.runtime.text_table import table

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
                *(_recall(check, label) for label in names[6:]),
            ]
        )
    click.echo(f"{first.split}, {first.artifact.images} images, percent; float is {first.reference}")
    click.echo(table(names, rows))
    for bundle, result in bundles:
        if "left_out" in result:
            left = ", ".join(f"{count} of {label}" for label, count in result["left_out"].items())
            click.echo(f"{bundle.manifest.name} was not shown faces of classes that it does not tell: {left}")
        if "same" in result:
            same = result["same"]
            click.echo(
                f"{bundle.manifest.name}: the answer of this machine on {same['agreement']:.2f} % of the images, "
                f"off by {same['difference']:.6f} in probability at most"
            )
