"""edgefer gate: HEAD against BASE, and an exit code that a build can trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import PATH, json_option, print_json, reading_options, split_option, usage_errors
from edgefer.cli.progress import display
from edgefer.cli.trust import trust_options

if TYPE_CHECKING:
    from edgefer.gate.report import GateRecord


@click.command(cls=Command)
@click.argument("sides", nargs=-1, required=True, metavar="[BASE] HEAD")
@click.option(
    "--baseline", type=PATH, metavar="FILE", help="Instead of BASE: what `edgefer bench --save-baseline` wrote."
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Where to compare; may be repeated; default: this machine's processor, or the baseline's emulated board. "
    "An emulated board has instructions, but no latency.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    show_default=True,
    metavar="PERCENT",
    help="HEAD may be this much slower.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="PERCENT",
    help="A static metric may be this much worse; in points for accuracy and agreement.",
)
@click.option(
    "--processes",
    type=click.IntRange(12),
    default=24,
    show_default=True,
    metavar="N",
    help="Fresh processes of a round before the first test.",
)
@click.option(
    "--budget",
    type=click.IntRange(12),
    default=72,
    show_default=True,
    metavar="N",
    help="The most processes of a round; after them the answer is inconclusive.",
)
@click.option("--exact-only", is_flag=True, help="Compare static metrics only, no latency.")
@click.option(
    "--instructions/--no-instructions", default=True, help="Count instructions per frame too (in an emulator)."
)
@click.option("--data", type=PATH, metavar="PATH", help="Also compare accuracy and agreement on this data set.")
@reading_options
@split_option
@click.option("--arch", metavar="NAME", help="For git refs: the network to build.")
@click.option(
    "--target", "targets", multiple=True, metavar="NAME", help="For git refs: the target to build; may be repeated."
)
@click.option("--weights", type=PATH, metavar="FILE", help="For git refs: the weights, a path within the repository.")
@click.option("--markdown", type=PATH, metavar="FILE", help="Write the report as Markdown.")
@trust_options
@json_option
def gate(sides: tuple[str, ...], markdown: Path | None, as_json: bool, **options: Any) -> None:
    """Tell whether HEAD is slower, larger or less accurate than BASE on this machine, or costs an emulated board more.

    BASE and HEAD are bundles, folders of bundles (compared by name), or git refs, which are built first (with --arch
    and --target). The exit code is 0 if HEAD is as good, 18 if it regressed, and 19 if this machine can't tell.

    \b
    Example: edgefer gate dist-main/ dist/
             edgefer gate origin/main HEAD --arch ean --target tflite-int8
             edgefer gate dist-main/ dist/ --device rpi4-emulated --device rpi5-emulated
             edgefer gate --baseline baseline.json dist/
    """
    from edgefer.gate.compare import GateOptions, compare
    from edgefer.runtime.files import require_folder

    if len(sides) > 2:
        raise click.UsageError("give HEAD alone with --baseline, BASE and HEAD without it.")
    if markdown is not None:
        require_folder(markdown.absolute().parent)
    base, head = sides if len(sides) == 2 else (None, sides[0])
    with usage_errors(), display() as shown:
        record = compare(GateOptions(head, base, **options), shown.progress)
    _show(record, markdown, as_json)
    _raise_outcome(record)


def _show(record: GateRecord, markdown: Path | None, as_json: bool) -> None:
    from edgefer.gate import report
    from edgefer.runtime import terminal_table
    from edgefer.runtime.files import write_atomic

    if markdown is not None:
        write_atomic(markdown, f"# Gate\n\n{report.page(record, terminal_table.markdown)}".encode())
    if as_json:
        print_json(record)
    else:
        click.echo(report.page(record, terminal_table.table), nl=False)


def _raise_outcome(record: GateRecord) -> None:
    from edgefer.runtime.errors import Inconclusive, Regressed

    failing = [verdict.line for verdict in record.verdicts if verdict.outcome == record.outcome]
    if record.outcome == "regressed":
        raise Regressed("; ".join(failing))
    if record.outcome == "inconclusive":
        advice = (
            "measure on a quieter machine or with a larger --budget (where it throttled: one that nothing holds down)"
        )
        raise Inconclusive(f"{'; '.join(failing)}: {advice}.")
