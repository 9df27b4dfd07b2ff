"""The command line: a list of commands, and the one place where failures become exit codes."""

from __future__ import annotations

import sys
import traceback

import click

from edgefer.cli.bench import bench, report
from edgefer.cli.build import build
from edgefer.cli.count import count
from edgefer.cli.data import data
from edgefer.cli.device import device, devices
from edgefer.cli.evaluate import evaluate
from edgefer.cli.gate import gate
from edgefer.cli.lists import archs, recipes, targets
from edgefer.cli.papers import tables
from edgefer.cli.plot import plot
from edgefer.cli.sweep import sweep
from edgefer.cli.train import train
from edgefer.cli.verify import verify
from edgefer.runtime import __version__
from edgefer.runtime.errors import EdgeferError, MissingEngine
from edgefer.runtime.files import explained
from edgefer.runtime.process import Terminated, raise_on_sigterm

INTERRUPTED, TERMINATED = 130, 143


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback and what the converters printed when something fails.")
def cli(debug: bool) -> None:
    """Take a compact facial expression recognition network from data to a device.

    \b
    Example: edgefer build --arch ean --target tflite-int8     makes dist/ean.tflite-int8
             edgefer verify dist/ean.tflite-int8               proves it
    """
    del debug  # read by main, which sees every failure


for command in (
    archs,
    bench,
    build,
    count,
    data,
    device,
    devices,
    evaluate,
    gate,
    plot,
    recipes,
    report,
    sweep,
    tables,
    targets,
    train,
    verify,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: run the command, print one clear line on failure, exit with its code."""
    raise_on_sigterm()
    try:
        cli.main(prog_name="edgefer", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except EdgeferError as error:
        _fail(error)
    except OSError as error:
        _fail(explained(error), error)
    except ModuleNotFoundError as error:
        package = (error.name or "edgefer").partition(".")[0]
        if package == "edgefer":
            raise  # a bug, not an extra that is not installed
        _fail(MissingEngine.of(package, "build"), error)
    except (click.Abort, KeyboardInterrupt):
        _stop("interrupted", INTERRUPTED)
    except Terminated:
        _stop("terminated", TERMINATED)


def _fail(failure: EdgeferError, cause: Exception | None = None) -> None:
    failure.__cause__ = cause or failure.__cause__
    for each in failure.parts:
        if "--debug" in sys.argv:
            traceback.print_exception(each)
        click.echo(f"edgefer: {each}", err=True)
    sys.exit(failure.exit_code)


def _stop(how: str, code: int) -> None:
    click.echo(f"edgefer: {how}; nothing half-written is left, what was finished is kept.", err=True)
    sys.exit(code)
