"""The command line: a list of commands, and the one place where failures become exit codes."""

from __future__ import annotations

import sys
import traceback

import click

from edgefer import __version__
from edgefer.commands.build import build
from edgefer.commands.data import data
from edgefer.commands.evaluate import evaluate
from edgefer.commands.lists import archs, recipes, targets
from edgefer.commands.train import train
from edgefer.commands.verify import verify
from edgefer.errors import EdgeferError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback and what the converters printed when something fails.")
def cli(debug: bool) -> None:
    """Take a compact facial expression recognition network from data to a device.

    \b
    edgefer build --arch ean --target tflite-int8     makes dist/ean.tflite-int8
    edgefer verify dist/ean.tflite-int8               proves it
    """
    del debug  # read by main, which sees every failure


for command in (archs, build, data, evaluate, recipes, targets, train, verify):
    cli.add_command(command)


def main() -> None:
    """Entry point: run the command, print one clear line on failure, exit with its code."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except EdgeferError as error:
        _explain(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("edgefer: interrupted; nothing half-written is left, what was finished is kept.", err=True)
        sys.exit(INTERRUPTED)


def _explain(error: EdgeferError) -> None:
    if "--debug" in sys.argv:
        traceback.print_exception(error)
    click.echo(f"edgefer: {error}", err=True)
