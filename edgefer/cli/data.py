"""edgefer data: look at a data set before trusting it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.cli.command import Group
from edgefer.cli.common import PATH, json_option, print_json, read_data, reading_options
from edgefer.cli.progress import display

if TYPE_CHECKING:
    from edgefer.data.listing import ReadOptions


@click.group(cls=Group)
def data() -> None:
    """Look at a data set before trusting it.

    \b
    Example: edgefer data check fer2013.csv
    """


@data.command()
@click.argument("path", type=PATH)
@reading_options
@json_option
def check(path: Path, reading: ReadOptions, as_json: bool) -> None:
    """Count classes per split, duplicates within and across splits, and unreadable rows.

    PATH is a fer2013.csv (or .gz, .xz, .zip; FER+ votes are read from a fer2013new.csv beside it) or an image folder;
    `edgefer data layouts` lists how that may look. The exit code is 5 if a row or an image can't be read.

    \b
    Example: edgefer data check fer2013.csv --json
    """
    from edgefer.data.check import check as run
    from edgefer.data.check import render
    from edgefer.runtime.errors import BadData

    with display() as shown:
        report = run(path, reading.with_progress(path, shown.progress))
    if as_json:
        print_json(report)
    else:
        click.echo(render(report))
    if report.unreadable:
        raise BadData(
            f"{path}: {len(report.unreadable)} rows, images or lists can't be read as they are; mend or remove them."
        )


@data.command()
@click.argument("path", type=PATH)
@click.option("--folds", type=click.IntRange(2), default=10, show_default=True, metavar="N", help="How many folds.")
@click.option(
    "--by",
    default="subject",
    show_default=True,
    metavar="WAY",
    help="subject: a person is in one fold; image: random images, as MicroExpNet's tables have it.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the folds by image."
)
@reading_options
@json_option
def folds(path: Path, folds: int, by: str, seed: int, reading: ReadOptions, as_json: bool) -> None:
    """Show the folds of a cross-validation: images, subjects and classes of each.

    \b
    Example: edgefer data folds CK+ --folds 10
    """
    from edgefer.data.folds import report_folds, report_table
    from edgefer.runtime.terminal_table import table

    with display() as shown:
        faces = read_data(shown, path, 48, reading)
    report = report_folds(faces, folds, by, seed)
    if as_json:
        print_json(report)
    else:
        click.echo(table(*report_table(report)))


@data.command()
@json_option
def layouts(as_json: bool) -> None:
    """List how data sets may lie on disk, and the names for --layout.

    \b
    Example: edgefer data layouts
    """
    from edgefer.data.readers import LAYOUTS
    from edgefer.runtime.terminal_table import table

    if as_json:
        print_json([{"name": n, "looks": row.looks, "classes": row.names} for n, row in LAYOUTS.items()])
        return
    click.echo(
        table(("layout", "classes", "what lies there"), [(n, str(len(r.names)), r.looks) for n, r in LAYOUTS.items()])
    )
