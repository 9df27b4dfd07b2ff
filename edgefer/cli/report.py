"""edgefer report: recorded benches in one table."""

from __future__ import annotations

from pathlib import Path

import click

from edgefer.cli.common import PATH


@click.command()
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@click.option("--markdown", type=PATH, metavar="FILE", help="Write the table as Markdown.")
@click.option("--csv", "as_csv", type=PATH, metavar="FILE", help="Write the table as CSV: seconds, bytes, percent.")
def report(files: tuple[Path, ...], markdown: Path | None, as_csv: Path | None) -> None:
    """Show what `edgefer bench --json` recorded, of any number of devices, in one table.

    Results stand together only where the bundles' checksums are equal; others are kept apart and named.

    \b
    Example: edgefer report kitchen.json hall.json --markdown boards.md
    """
    from edgefer.benchmark.report import page, read_bench, to_csv
    from edgefer.papers.protocols import protocol_notes
    from edgefer.runtime import terminal_table
    from edgefer.runtime.files import require_folder, write_atomic

    for path in (markdown, as_csv):
        if path is not None:
            require_folder(path.absolute().parent)
    recorded = [record for path in files for record in read_bench(path)]
    click.echo(page(recorded, terminal_table.table, protocol_notes).rstrip("\n"))
    if markdown is not None:
        write_atomic(markdown, f"# Bench\n\n{page(recorded, terminal_table.markdown, protocol_notes)}".encode())
        click.echo(f"wrote {markdown}")
    if as_csv is not None:
        write_atomic(as_csv, to_csv(recorded, protocol_notes).encode())
        click.echo(f"wrote {as_csv}")
