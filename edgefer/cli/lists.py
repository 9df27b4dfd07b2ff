"""edgefer archs, targets, recipes: what the registries hold."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import click

from edgefer.cli.command import Command
from edgefer.cli.common import json_option, load_torch, print_json
from edgefer.cli.progress import display

if TYPE_CHECKING:
    from edgefer.arch import Arch
    from edgefer.arch.count import Count
    from edgefer.papers.counts import PrintedFigure
    from edgefer.training.recipes import Recipe


@click.command(cls=Command)
@json_option
def archs(as_json: bool) -> None:
    """List the networks with what they cost, printed by the paper and counted here.

    \b
    Example: edgefer archs --json
    """
    from edgefer.arch import ARCHS
    from edgefer.papers.counts import printed_figures
    from edgefer.runtime.terminal_table import table

    with display() as shown:
        load_torch(shown)
    from edgefer.arch.count import count_arch

    networks = [(arch, count_arch(arch), printed_figures(arch.name)) for arch in ARCHS.values()]
    if as_json:
        print_json(
            [
                asdict(arch) | asdict(counted) | {"printed": [each.record() for each in printed]} | _shipped(arch)
                for arch, counted, printed in networks
            ]
        )
        return
    names = ("network", "parameters", "printed", "MACs", "paper's FLOPs", "printed", "input", "shipped weights")
    cells = [
        (
            arch.name,
            f"{counted.parameters:,}",
            ", ".join(each.text for each in printed if each.figure.startswith("parameters")),
            f"{counted.macs / 1e6:.3f} M",
            *_flops(printed, counted),
            f"{arch.crop}x{arch.crop}x{arch.channels}",
            "yes" if _shipped(arch)["shipped_weights"] else "no",
        )
        for arch, counted, printed in networks
    ]
    click.echo(table(names, cells))
    for arch, _, printed in networks:
        for each in printed:
            if each.remark:
                click.echo(f"{arch.name}: {each.remark}")


def _flops(printed: list[PrintedFigure], counted: Count) -> tuple[str, str]:
    """As counted by the convention of the paper, and as it prints them; the texts are empty where it doesn't."""
    flops = next((each for each in printed if each.figure in ("ptflops", "ptflops_modules", "thop")), None)
    return (flops.counted(getattr(counted, flops.figure)), flops.text) if flops else ("", "")


def _shipped(arch: Arch) -> dict[str, bool]:
    from edgefer.pipeline.calibration import shipped_path
    from edgefer.runtime.engines import ENGINES
    from edgefer.runtime.files import shipped_folder

    weights = (shipped_folder("weights") / f"{arch.name}.safetensors").is_file()
    calibration = all(shipped_path(arch.name, engine.ranges).is_file() for engine in ENGINES.values())
    return {"shipped_weights": weights, "shipped_calibration": calibration}


@click.command(cls=Command)
@json_option
def targets(as_json: bool) -> None:
    """List the build targets and which engines load them.

    \b
    Example: edgefer targets
    """
    from edgefer.pipeline.targets import all_targets, unrun_targets
    from edgefer.runtime.terminal_table import table

    rows = all_targets() | unrun_targets()
    if as_json:
        print_json({name: asdict(row) for name, row in rows.items()})
        return
    cells = [(name, row.precision, row.io, row.file, row.needs) for name, row in rows.items()]
    click.echo(table(("target", "precision", "input/output", "file", "loads in"), cells))


@click.command(cls=Command)
@json_option
def recipes(as_json: bool) -> None:
    """List the training recipes.

    \b
    Example: edgefer recipes
    """
    from edgefer.runtime.terminal_table import table
    from edgefer.training.recipes import RECIPES

    if as_json:
        print_json({name: asdict(recipe) for name, recipe in RECIPES.items()})
        return
    click.echo(table(("recipe", "settings"), [(name, _settings(recipe)) for name, recipe in RECIPES.items()]))
    click.echo("settings that are not named have their defaults; --json prints all of them")


def _settings(recipe: Recipe) -> str:
    """The settings of a recipe that differ from their defaults."""
    own = {field.name: getattr(recipe, field.name) for field in fields(recipe) if field.name != "name"}
    defaults = {field.name: field.default for field in fields(recipe)}
    return ", ".join(f"{key} {value}" for key, value in own.items() if value != defaults[key])
