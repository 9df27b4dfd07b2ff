"""The command line: a list of commands, and the one place where failures become exit codes."""

from __future__ import annotations

import sys
import traceback

import click

from edgefer.cli.app import app
from edgefer.cli.bank import bank
from edgefer.cli.bench import bench, report
from edgefer.cli.build import build
from edgefer.cli.command import Group
from edgefer.cli.count import count
from edgefer.cli.data import data
from edgefer.cli.detector import detector
from edgefer.cli.device import device, devices
from edgefer.cli.evaluate import evaluate
from edgefer.cli.explain import explain
from edgefer.cli.gate import gate
from edgefer.cli.lists import archs, recipes, targets
from edgefer.cli.papers import tables
from edgefer.cli.plot import plot
from edgefer.cli.predict import predict
from edgefer.cli.recommend import recommend
from edgefer.cli.sign import key, sign
from edgefer.cli.streams import accept_any_text
from edgefer.cli.sweep import sweep
from edgefer.cli.train import train
from edgefer.cli.verify import verify
from edgefer.cli.weights import weights
from edgefer.runtime import __version__
from edgefer.runtime.errors import EdgeferError
from edgefer.runtime.files import explained
from edgefer.runtime.process import Terminated, raise_on_sigterm

INTERRUPTED, TERMINATED = 130, 143


SECTIONS: dict[str, dict[click.Command, str]] = {
    "From weights to a device": {
        build: "Build bundles from weights, the shipped ones or yours.",
        verify: "Check a bundle, and with a data set its accuracy.",
        sign: "Sign bundles, so that others can tell them from forgeries.",
        key: "Make the keys for that, and show whose they are.",
        predict: "Tell the expressions in pictures, videos and of a camera.",
        app: "Turn a bundle into a web page, and serve it.",
        bench: "Measure latency, memory and size of bundles.",
        recommend: "Name the best target of a network for a device.",
        gate: "Tell whether a change made bundles slower or worse.",
    },
    "Data and training": {
        data: "Look at a data set before trusting it.",
        train: "Train a network.",
        bank: "Store teachers' logits, for trainings to come.",
        weights: "Turn a torch checkpoint into safetensors.",
        evaluate: "Score the float network, before any export.",
        explain: "Draw where a network looks, and what it gets wrong.",
        sweep: "Train a grid of networks and settings.",
    },
    "Devices": {
        devices: "List what can measure.",
        device: "Add, check, set up and remove boards.",
    },
    "What there is": {
        archs: "List the networks.",
        targets: "List the build targets.",
        recipes: "List the training recipes.",
        detector: "List face detectors, and fetch their weights.",
    },
    "Records and papers": {
        report: "Show recorded benches in one table.",
        count: "Count a network's parameters and operations.",
        tables: "Show the papers' tables beside what edgefer counts.",
        plot: "Draw records and the papers' figures.",
    },
}
START = """\
edgefer takes a compact facial expression recognition network from data to a device.

  edgefer build    weights in, a bundle out: the model, its contract and a golden pair
                   edgefer build --arch ean --target tflite-int8
  edgefer verify   prove a bundle, here or on a device
                   edgefer verify dist/ean.tflite-int8
  edgefer bench    measure latency, memory and size
                   edgefer bench ean.tflite-int8

`edgefer --help` lists all commands, `edgefer COMMAND --help` has an example of each."""


class Sections(Group):
    """A group whose help lists the commands by what they are for."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a list for each of SECTIONS."""
        longest = max(len(name) for name in self.commands)
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([((each.name or "").ljust(longest), text) for each, text in commands.items()])


@click.group(
    cls=Sections,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__)
@click.option("--debug", is_flag=True, help="Show the traceback and what the converters printed when something fails.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Take a compact facial expression recognition network from data to a device.

    \b
    Example: edgefer build --arch ean --target tflite-int8     makes dist/ean.tflite-int8
             edgefer verify dist/ean.tflite-int8               proves it
             edgefer bench ean.tflite-int8                     measures it
    """
    del debug  # read by main, which sees every failure
    if context.invoked_subcommand is None:
        click.echo(START)


for _commands in SECTIONS.values():
    for _command in _commands:
        cli.add_command(_command)


def main() -> None:
    """Entry point: run the command, print one clear line on failure, exit with its code."""
    raise_on_sigterm()
    accept_any_text()
    try:
        cli.main(prog_name="edgefer", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except EdgeferError as error:
        _fail(error)
    except (OSError, ModuleNotFoundError) as error:
        _fail(explained(error), error)
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
