"""edgefer archs, targets, recipes: what the registries hold."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edgefer.cli.common import json_option, load_torch, print_json
from edgefer.cli.progress import display

if TYPE_CHECKING:
    from edgefer.arch import Arch
    from edgefer.arch.count import Count


@click.command()
@json_option
def archs(as_json: bool) -> None:
    """List the networks with what they cost, printed by the paper and counted here.

    \b
    Example: edgefer archs --json
    """
    from edgefer.arch import ARCHS
    from edgefer.runtime.text_table import table

    with display() as shown:
        load_torch(shown)
    from edgefer.arch.count import count_arch

    found = [(arch, count_arch(arch)) for arch in ARCHS.values()]
    if as_json:
        print_json([asdict(arch) | asdict(counted) | _shipped(arch) for arch, counted in found])
        return
    names = ("network", "parameters", "printed", "MACs", "paper's FLOPs", "printed", "input", "shipped weights")
    cells = [
        (
            arch.name,
            f"{counted.parameters:,}",
            ", ".join(p.text for p in arch.printed if p.column.startswith("parameters")),
            f"{counted.macs / 1e6:.3f} M",
            *_flops(arch, counted),
            f"{arch.crop}x{arch.crop}x{arch.channels}",
            "yes" if _shipped(arch)["shipped_weights"] else "no",
        )
        for arch, counted in found
    ]
    click.echo(table(names, cells))
    for note in sorted({f"{a.name}: {a.note}." for a in ARCHS.values() if a.note}):
        click.echo(note)


def _flops(arch: Arch, counted: Count) -> tuple[str, str]:
    """As counted by the convention of the paper, and as it prints them; the texts are empty where it doesn't."""
    printed = next((p for p in arch.printed if p.column in ("ptflops", "ptflops_modules", "thop")), None)
    return (printed.like(getattr(counted, printed.column)), printed.text) if printed else ("", "")


def _shipped(arch: Arch) -> dict[str, bool]:
    from edgefer.pipeline.calibration import shipped_path
    from edgefer.runtime.resources import folder

    weights = (folder("weights") / f"{arch.name}.safetensors").is_file()
    return {"shipped_weights": weights, "shipped_calibration": shipped_path(arch.name, "tflite").is_file()}


@click.command()
@json_option
def targets(as_json: bool) -> None:
    """List the build targets and which engines load them.

    \b
    Example: edgefer targets
    """
    from edgefer.pipeline.targets import all_targets
    from edgefer.runtime.text_table import table

    rows = all_targets()
    if as_json:
        print_json({name: asdict(row) for name, row in rows.items()})
        return
    cells = [(name, row.precision, row.io, row.file, row.needs) for name, row in rows.items()]
    click.echo(table(("target", "precision", "input/output", "file", "loads in"), cells))


@click.command()
@json_option
def recipes(as_json: bool) -> None:
    """List the training recipes.

    \b
    Example: edgefer recipes
    """
    from edgefer.runtime.text_table import table
    from edgefer.training.recipes import RECIPES

    if as_json:
        print_json({name: asdict(recipe) for name, recipe in RECIPES.items()})
        return
    keys = list(asdict(next(iter(RECIPES.values()))))
    click.echo(table(keys, [[str(v) for v in asdict(recipe).values()] for recipe in RECIPES.values()]))
