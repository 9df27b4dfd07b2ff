"""edgefer data: look at a data set before trusting it."""

from __future__ import annotations

from pathlib import Path

import click

from edgefer.commands.common import PATH, console, json_option, print_json


@click.group()
def data() -> None:
    """Look at a data set before trusting it.

    \b
    Example: edgefer data check fer2013.csv
    """


@data.command()
@click.argument("path", type=PATH)
@json_option
def check(path: Path, as_json: bool) -> None:
    """Count classes per split, duplicates within and across splits, and unreadable rows.

    PATH is a fer2013.csv (or .gz, .xz, .zip; with fer2013new.csv beside it the FER+ votes too) or
    an image folder. Exits with 5 if a row or an image can't be read.

    \b
    Example: edgefer data check fer2013.csv --json
    """
    from edgefer.data.check import check as run
    from edgefer.data.check import render
    from edgefer.errors import BadData

    with console().status(f"reading {path}"):
        report = run(path)
    if as_json:
        print_json(report)
    else:
        click.echo(render(report))
    if report.unreadable:
        raise BadData(f"{path}: {len(report.unreadable)} rows or images can't be read; mend or remove them.")
