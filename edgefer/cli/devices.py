"""edgefer devices: what can measure."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgefer.cli.common import json_option, print_json


@click.command()
@json_option
def devices(as_json: bool) -> None:
    """List what can measure: this machine, emulated boards, and your own.

    \b
    Example: edgefer devices
    """
    from edgefer.devices import config
    from edgefer.runtime.terminal_table import table

    rows = config.all_rows()
    if as_json:
        print_json({name: {"kind": row.kind, **asdict(row)} for name, row in rows.items()})
        return
    cells = [(row.name, row.kind, row.description, row.access) for row in rows.values()]
    click.echo(table(("device", "kind", "what it is", "how it is reached"), cells))
