"""edgefer sweep: grids of trainings, the papers' ablations among them."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.cli.command import Command
from edgefer.cli.common import (
    COUNT,
    PATH,
    faces_of_classes,
    json_option,
    load_torch,
    print_json,
    read_data,
    teacher_option,
)
from edgefer.cli.progress import display, training
from edgefer.cli.streams import say
from edgefer.cli.threads import all_cores
from edgefer.cli.train import pairs

if TYPE_CHECKING:
    from rich.console import Console

    from edgefer.sweep.runs import Outcome, Run, Sweep
    from edgefer.training.run import Listener

DATA = "A fer2013.csv (or .gz, .xz, .zip) or an image folder; without it the table of finished runs is shown."


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--data", type=PATH, metavar="PATH", help=DATA)
@click.option("--out", type=PATH, default=Path("sweeps"), show_default=True, help="The folder for runs and tables.")
@click.option(
    "--arch", "archs", multiple=True, metavar="NAME", help="A network of a grid of your own; may be repeated."
)
@click.option("--recipe", metavar="NAME", help="The recipe of a grid of your own; default: plain.")
@click.option("--grid", multiple=True, metavar="KEY=A,B", help="Values of a recipe's setting; may be repeated.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Only rows whose name matches, for example 'XXS*'.")
@click.option("--seeds", type=COUNT, default=1, show_default=True, metavar="N", help="Runs per row: seeds 0 to N - 1.")
@click.option(
    "--epochs", type=COUNT, metavar="N", help="Train for another length than the recipe's (in its first round)."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting for the rows that have none; may be repeated.",
)
@teacher_option("Default: the shipped teacher.")
@click.option("--threads", type=COUNT, metavar="N", help="CPU threads of a run; default: all cores, with --ray 1.")
@click.option(
    "--ray", "address", metavar="ADDRESS", help="The address of a Ray cluster, or 'local' for one on this machine."
)
@json_option
def sweep(
    name: str | None,
    data: Path | None,
    out: Path,
    archs: tuple[str, ...],
    recipe: str | None,
    grid: tuple[str, ...],
    only: tuple[str, ...],
    seeds: int,
    epochs: int | None,
    settings: tuple[str, ...],
    teachers: tuple[Path, ...],
    threads: int | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Train a grid of networks and settings; without NAME and --arch: list the sweeps.

    Every run is a training in a folder of its own. You may stop it at any time: the same command goes on and repeats
    nothing. Several processes with the same command share the runs.

    \b
    Example: edgefer sweep ean-table2 --data fer2013.csv
             edgefer sweep --arch ean --recipe iterative --grid alpha=0.3,0.5 --grid temperature=5,10 --data fer2013.csv
    """
    from edgefer.runtime.errors import SeveralFailures
    from edgefer.runtime.units import counted
    from edgefer.sweep.runs import SweepOptions, divergences, expand

    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise click.UsageError("torchrun is for one training: start a sweep without it, several times or with --ray.")
    if not name and not archs:
        _list(as_json)
        return
    definition = _definition(name, archs, recipe, grid)
    more = pairs(settings, epochs=epochs)
    cores = threads or (1 if address else all_cores())
    runs = expand(definition, SweepOptions(more, seeds, cores, teachers, only))
    outcomes = {} if data is None else _train(runs, data, out, address)
    _print_table(definition, runs, out, as_json)
    elsewhere = sum(outcome == "elsewhere" for outcome in outcomes.values())
    if elsewhere:
        many = counted(elsewhere, "run")
        click.echo(f"{many} being done by other processes: the same command shows them later.", err=True)
    failures = divergences(runs, outcomes, out)
    if failures:
        raise SeveralFailures.of(failures)


def _list(as_json: bool) -> None:
    from edgefer.papers.sweeps import sweeps
    from edgefer.runtime.terminal_table import table

    if as_json:
        print_json(sweeps())
        return
    rows = [(each.name, each.what, each.source, each.recipe, str(len(each.rows))) for each in sweeps().values()]
    click.echo(table(("sweep", "what it varies", "source", "recipe", "rows"), rows))


def _definition(name: str | None, archs: tuple[str, ...], recipe: str | None, grid: tuple[str, ...]) -> Sweep:
    from edgefer.papers import sweeps
    from edgefer.sweep.runs import grid as grid_of_options

    if name and (archs or recipe or grid):
        raise click.UsageError("a sweep with a name has its networks and settings: leave --arch, --recipe, --grid out.")
    if name:
        return sweeps.sweep(name)
    return grid_of_options(
        archs, recipe or "plain", {key: text.split(",") for key, text in pairs(grid, "--grid").items()}
    )


def _train(runs: list[Run], data: Path, out: Path, address: str | None) -> dict[str, Outcome]:
    from edgefer.runtime.files import require_folder

    require_folder(out)
    with display() as shown:
        archs = {run.plan.arch.resize: run.plan.arch for run in runs}
        faces = {side: faces_of_classes(shown, read_data(shown, data, side), archs[side]) for side in sorted(archs)}
        load_torch(shown)
    screen = shown.console
    names = [run.name for run in runs]

    def say(run: Run, outcome: str) -> None:
        screen.print(f"[{names.index(run.name) + 1}/{len(runs)}] {run.row.name}, seed {run.plan.seed}{outcome}")

    if address is not None:
        from edgefer.sweep.remote import perform_on_ray

        return perform_on_ray(runs, faces, out, address, lambda run, outcome: say(run, f": {outcome}"))
    from edgefer.sweep.runs import one_by_one

    def listener_of(run: Run) -> AbstractContextManager[Listener]:
        say(run, "")
        return _bar(screen, run, len(faces[run.plan.arch.resize].split("Training")))

    return one_by_one(runs, faces, out, listener_of)


def _bar(screen: Console, run: Run, images: int) -> AbstractContextManager[Listener]:
    return training(screen, run.plan.arch.name, run.plan.recipe.most_epochs, -(-images // run.plan.recipe.batch))


def _print_table(definition: Sweep, runs: list[Run], out: Path, as_json: bool) -> None:
    from edgefer.runtime.terminal_table import markdown, table
    from edgefer.sweep import report

    record = report.collect(definition, runs, out, shlex.join(["edgefer", *sys.argv[1:]]))
    files = report.write(record, out, markdown)
    if as_json:
        print_json(record)
        return
    click.echo(table(*report.cells(record)))
    say(f"wrote {files[0]} and {files[1].name}")
