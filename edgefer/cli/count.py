"""edgefer count: what a network counts as, by the conventions of the papers, and beside what they print."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edgefer.cli.command import Command
from edgefer.cli.common import json_option, load_torch, print_json
from edgefer.cli.progress import display

if TYPE_CHECKING:
    from edgefer.arch.count import Count
    from edgefer.arch.count.memory import Peak
    from edgefer.arch.count.trace import Op
    from edgefer.papers.counts import PrintedFigure

BYTES = ("torchsummary", "torchsummary_modules")
MEANINGS = {
    "parameters": "trainable",
    "parameters_and_statistics": "with the running means and variances of batch norms",
    "macs": "multiply-accumulates of convolutions, linear layers and attention's products",
    "macs_without_attention": "the same without attention's products",
    "ptflops": "MACs, biases of convolutions, 2 x outputs of norms (ptflops)",
    "ptflops_modules": "the same, outputs of activations and inputs of poolings where they are modules",
    "thop": "MACs, biases of convolutions, 2 x outputs of norms, average pooling modules (thop)",
    "torchsummary": "estimate: input, 2 x outputs of layers and norms, parameters, at float32 (torchsummary)",
    "torchsummary_modules": "the same, and outputs of activations and poolings where they are modules",
}


@click.command(cls=Command)
@click.argument("name", required=False, metavar="[ARCH]")
@click.option("--arch", "named", metavar="NAME", help="The network, as in the other commands, instead of ARCH.")
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    metavar="N",
    help="Classes of the network; default: as many as in the paper's figures.",
)
@click.option("--layers", is_flag=True, help="List every operation with what it costs.")
@json_option
def count(name: str | None, named: str | None, classes: int | None, layers: bool, as_json: bool) -> None:
    """Count a network's parameters, operations and activation memory, as its paper counts them and as they are.

    \b
    Example: edgefer count --arch efficientface
             edgefer count efficientface --layers
    """
    from edgefer.arch import get_arch

    if (name is None) == (named is None):
        raise click.UsageError("name one network: --arch NAME, or ARCH alone.")
    arch = get_arch(name or named or "")
    with display() as shown:
        load_torch(shown)
    from edgefer.arch.count import skeleton, summarise
    from edgefer.arch.count.memory import peak
    from edgefer.arch.count.trace import operations
    from edgefer.papers.counts import printed_figures
    from edgefer.pipeline.fold import DeployableModel

    network, shape = skeleton(arch, classes), (1, arch.channels, arch.crop, arch.crop)
    ops = operations(network, shape)
    counted = summarise(network, ops, shape)
    memory = peak(DeployableModel(network, arch.input_min), (1, 3, arch.crop, arch.crop))
    number, printed = classes or arch.classes, printed_figures(arch.name)
    if as_json:
        record = {"arch": arch.name, "classes": number, **asdict(counted), "peak": asdict(memory)}
        record["printed"] = [p.record() | {"ratio": p.ratio(getattr(counted, p.figure))} for p in printed]
        print_json(record | ({"layers": [asdict(op) for op in ops]} if layers else {}))
        return
    click.echo(f"{arch.name}: one image of {arch.crop}x{arch.crop}x{arch.channels}, {number} classes")
    for text in (_figures(counted, memory), _printed(printed, counted), _layers(ops) if layers else ""):
        if text:
            click.echo(f"\n{text}")
    remarks = [each.remark for each in printed if each.remark]
    if remarks:
        click.echo("\n" + "\n".join(remarks))
    if counted.unknown:
        click.echo(f"\nIn no figure, because edgefer has no rule for them: {', '.join(counted.unknown)}.")


def _figures(counted: Count, memory: Peak) -> str:
    from edgefer.runtime import units
    from edgefer.runtime.terminal_table import table

    rows = [
        (name, units.mebibytes(getattr(counted, name)) if name in BYTES else f"{getattr(counted, name):,}", meaning)
        for name, meaning in MEANINGS.items()
    ]
    rows += [
        (
            "peak float32",
            units.mebibytes(memory.float32),
            f"activations at once in the deployed network, at {memory.at}",
        ),
        ("peak int8", units.mebibytes(memory.int8), "the same at a byte a value"),
    ]
    return table(("figure", "counted", "what it is"), rows)


def _printed(printed: list[PrintedFigure], counted: Count) -> str:
    from edgefer.runtime.terminal_table import table

    if not printed:
        return ""
    counts = [getattr(counted, each.figure) for each in printed]
    rows = [
        (each.figure, each.where, each.text, each.counted(count), f"{each.ratio(count):.3f}")
        for each, count in zip(printed, counts, strict=True)
    ]
    return table(("figure", "where it is printed", "printed", "counted", "counted / printed"), rows)


def _layers(ops: list[Op]) -> str:
    from edgefer.arch.count import ATTENTION, LAYERS, THOP
    from edgefer.runtime.terminal_table import table

    both = {**LAYERS, **ATTENTION}
    rows = [
        (
            op.name,
            op.kind,
            "x".join(map(str, op.output[1:])),
            f"{op.parameters:,}" if op.parameters else "",
            f"{both[op.kind](op):,}" if op.kind in both else "",
            f"{THOP[op.kind](op):,}" if op.kind in THOP else "",
        )
        for op in ops
    ]
    return table(("operation", "kind", "output", "parameters", "MACs", "thop"), rows)
