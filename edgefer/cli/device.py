"""edgefer devices and edgefer device: what can measure; boards to add, check, set up and remove."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from edgefer.cli.command import Command, Group
from edgefer.cli.common import json_option, print_json
from edgefer.cli.progress import console, line, status
from edgefer.cli.streams import say

if TYPE_CHECKING:
    from edgefer.devices.config import RemoteBoard
    from edgefer.devices.device import Finding

BARE = re.compile(r"[A-Za-z0-9_-]+")  # a TOML key that needs no quotes
engine_option = click.option(
    "--engine", metavar="NAME", help="Another set of engines: tflite-runtime; default: LiteRT, ONNX Runtime, ncnn."
)


@click.command(cls=Command)
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


@click.group(cls=Group)
def device() -> None:
    """Add and remove boards that are reached over SSH; check and set up any device.

    \b
    Example: edgefer device add kitchen --host pi@10.0.0.7
             edgefer device setup kitchen
             edgefer bench --device kitchen
    """


@device.command()
@click.argument("name")
@click.option(
    "--host", required=True, metavar="HOST", help="What ssh takes: an alias of ~/.ssh/config, or user@address."
)
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="PORT", help="The port; default: what ~/.ssh/config says, or 22."
)
@click.option(
    "--folder",
    default=".edgefer",
    show_default=True,
    metavar="FOLDER",
    help="The folder for edgefer on the board, within the home folder.",
)
@click.option(
    "--board", metavar="KIND", help="The kind of board, for example rpi4; default: what its device tree says."
)
@click.option("--check/--no-check", default=True, help="Connect to it now, or not.")
@click.option("--accept-new-host-key", is_flag=True, help="Trust the board's host key if this machine has none yet.")
def add(
    name: str, host: str, port: int | None, folder: str, board: str | None, check: bool, accept_new_host_key: bool
) -> None:
    """Add a board of yours.

    \b
    Example: edgefer device add kitchen --host pi@10.0.0.7
    """
    from dataclasses import replace

    from edgefer.devices import config
    from edgefer.devices.board import doctor as doctors
    from edgefer.devices.board.ssh import Link
    from edgefer.devices.config import RemoteBoard
    from edgefer.runtime.errors import UnknownName

    boards = config.remote_boards()
    _require_name(name, boards)
    if board is not None and board not in config.board_kinds():
        raise UnknownName.of("device", board, config.board_kinds())
    added = RemoteBoard(name, host, port, str(PurePosixPath(folder.removeprefix("~/"))), board)
    fault = config.board_fault(added)
    if fault is not None:
        raise click.BadParameter(f"{fault[1]}.", param_hint=f"--{fault[0]}")
    if check:
        with status(console(), f"reaching {host}"):
            facts = doctors.ask_facts(Link(added, accept_new_host_key))
        added = replace(added, board=board or facts.kind)
        say(f"{name} is {facts.model or 'a machine'} ({facts.architecture}, {added.board or 'no kind in boards.toml'})")
    config.save_remote_boards([*boards.values(), added])
    say(f"added {name} to {config.remote_boards_path()}; next: edgefer device setup {name}")


def _require_name(name: str, boards: dict[str, RemoteBoard]) -> None:
    from edgefer.devices import config

    if not BARE.fullmatch(name):
        raise click.BadParameter("letters, digits, - and _ only.", param_hint="NAME")
    if name in boards:
        raise click.UsageError(f"{name} is there already: `edgefer device remove {name}` first.")
    if name in config.all_rows() or name in config.FAMILIES:
        raise click.UsageError(f"{name} is a name that edgefer has itself: choose another one.")


device.add_command(devices, "list")


@device.command()
@click.argument("name")
@click.option("--wipe", is_flag=True, help="Also delete what edgefer put on it.")
def remove(name: str, wipe: bool) -> None:
    """Forget a board of yours.

    \b
    Example: edgefer device remove kitchen --wipe
    """
    from edgefer.devices import config
    from edgefer.devices.board import setup
    from edgefer.runtime.errors import UnknownName

    boards = config.remote_boards()
    if name not in boards:
        raise UnknownName.of("device", name, boards)
    board = boards.pop(name)
    if wipe:
        with status(console(), f"deleting {board.folder} on {name}"):
            setup.wipe(board)
    config.save_remote_boards(boards.values())
    say(f"removed {name}{f', and {board.folder} on it' if wipe else ''}")


@device.command()
@click.argument("name")
@json_option
def doctor(name: str, as_json: bool) -> None:
    """Say what a device has and lacks; exits with 23 if something is missing that it needs.

    \b
    Example: edgefer device doctor kitchen
    """
    from edgefer.devices import registry
    from edgefer.runtime.errors import NotSetUp

    with status(console(), f"looking at {name}"):
        findings = registry.device(name).doctor()
    if as_json:
        print_json(findings)
    else:
        click.echo(report(name, findings))
    lacking = [finding.subject for finding in findings if finding.needed and not finding.ok]
    if lacking:
        raise NotSetUp(f"{name} lacks what runs need: {', '.join(lacking)}; the lines above say what to do.")


def report(name: str, findings: Sequence[Finding]) -> str:
    """The findings for people."""
    from edgefer.runtime.terminal_table import table

    marks = {(True, True): "ok", (True, False): "ok", (False, True): "missing", (False, False): "look"}
    return table((name, "", "found"), [(f.subject, marks[f.ok, f.needed], f.text) for f in findings])


@device.command()
@click.argument("name")
@engine_option
@click.option("--offline", is_flag=True, help="Download here and send, because the board has no internet.")
def setup(name: str, engine: str | None, offline: bool) -> None:
    """Bring the engines to a board, into a virtual environment of their own; or make an emulated one.

    A second run is quick, because what is there stays. An interrupt leaves nothing half-made.

    \b
    Example: edgefer device setup kitchen
    """
    from edgefer.devices import registry

    screen = console()
    with status(screen, f"setting {name} up") as moving:

        def say(what: str) -> None:
            moving.update(line(what))
            if not screen.is_terminal:
                screen.print(line(what), soft_wrap=True)

        done = registry.device(name, engine).setup(offline, say)
    click.echo(done)
