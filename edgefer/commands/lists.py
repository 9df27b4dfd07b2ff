"""edgefer archs, targets, recipes: what the registries hold."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgefer.commands.common import console, json_option, load_torch, print_json


@click.command()
@json_option
def archs(as_json: bool) -> None:
    """List the networks with what they cost, printed by the paper and counted here.

    \b
    Example: edgefer archs --json
    """
    from edgefer.arch import ARCHS
    from edgefer.arch.count import count
    from edgefer.commands.tables import table
    from edgefer.quantize.calibration import shipped_path
    from edgefer.resources import folder

    load_torch(console())
    rows = []
    for arch in ARCHS.values():
        counted = asdict(count(arch.build(), arch.crop))
        shipped = (folder("weights") / f"{arch.name}.safetensors").is_file()
        ranges = shipped_path(arch.name, "tflite").is_file()
        rows.append(asdict(arch) | counted | {"shipped_weights": shipped, "shipped_calibration": ranges})
    if as_json:
        print_json(rows)
        return
    names = ("network", "parameters", "printed", "MACs", "paper's FLOPs", "printed", "input", "shipped weights")
    cells = [
        (
            str(r["name"]),
            f"{r['parameters']:,}",
            str(r["printed_parameters"]),
            f"{r['macs'] / 1e6:.3f} M",
            f"{r['flops'] / 1e6:.3f} M",
            f"{r['printed_mflops']} M" if r["printed_mflops"] else "",
            f"{r['crop']}x{r['crop']}x3",
            "yes" if r["shipped_weights"] else "no",
        )
        for r in rows
    ]
    click.echo(table(names, cells))
    for note in sorted({f"{a.name}: {a.note}." for a in ARCHS.values() if a.note}):
        click.echo(note)


@click.command()
@json_option
def targets(as_json: bool) -> None:
    """List the build targets and which engines load them.

    \b
    Example: edgefer targets
    """
    from edgefer import spec
    from edgefer.commands.tables import table

    rows = spec.targets()
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
    from edgefer.commands.tables import table
    from edgefer.train.recipes import RECIPES

    if as_json:
        print_json({name: asdict(recipe) for name, recipe in RECIPES.items()})
        return
    keys = list(asdict(next(iter(RECIPES.values()))))
    click.echo(table(keys, [[str(v) for v in asdict(recipe).values()] for recipe in RECIPES.values()]))
