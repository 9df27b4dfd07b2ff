"""edgefer devices: what can measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edgefer.cli.common import json_option, print_json

if TYPE_CHECKING:
    from edgefer.devices.registry import Device


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """List what can measure: this machine, emulated boards, and your own.

    \b
    Example: edgefer devices
    """
    from edgefer.devices import registry as rows
    from edgefer.runtime.text_table import table

    known = rows.everything()
    if as_json:
        print_json({name: {"kind": kind(row), **asdict(row)} for name, row in known.items()})
        return
    click.echo(table(("device", "kind", "what it is", "how it is reached"), [cells(n, r) for n, r in known.items()]))


def kind(row: Device) -> str:
    """The word for a row of the table."""
    return {"Board": "board", "Emulated": "emulated", "Local": "local", "Remote": "yours"}[type(row).__name__]


def cells(name: str, row: Device) -> Sequence[str]:
    """A row for people."""
    from edgefer.devices.registry import Board, Emulated, Local, boards

    if isinstance(row, Board):
        return name, kind(row), f"{row.title}: {row.cores} x {row.cpu}; {row.memory}; {row.gpu}", "your one of it"
    if isinstance(row, Emulated):
        return name, kind(row), f"{row.title}'s {row.qemu}: instructions, no times", "in qemu-user, on this machine"
    if isinstance(row, Local):
        return name, kind(row), row.title, "this machine"
    title = boards()[row.board].title if row.board in boards() else row.board or "a board"
    return name, kind(row), title, f"ssh {row.host}{'' if row.port is None else f' -p {row.port}'}"
