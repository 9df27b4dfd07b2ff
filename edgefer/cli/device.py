"""edgefer device: boards that are reached over SSH, and what emulated ones need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.common import json_option, print_json
from edgefer.cli.progress import console

if TYPE_CHECKING:
    from edgefer.devices.board.doctor import Finding
    from edgefer.devices.registry import Remote

BARE = re.compile(r"[A-Za-z0-9_-]+")  # a TOML key that needs no quotes
engine_option = click.option(
    "--engine", metavar="NAME", help="Another set of engines: tflite-runtime; default: LiteRT, ONNX Runtime, ncnn."
)


@click.group()
def device() -> None:
    """Add, check, set up and remove boards that are reached over SSH.

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
@click.option("--port", type=click.IntRange(1, 65535), help="Default: what ~/.ssh/config says, or 22.")
@click.option("--folder", default=".edgefer", show_default=True, help="Of edgefer on the board, in the home folder.")
@click.option("--board", metavar="KIND", help="The kind, for example rpi4; default: what its device tree says.")
@click.option("--check/--no-check", default=True, help="Reach it now.")
@click.option("--accept-new-host-key", is_flag=True, help="Trust the board's host key if this machine knows none.")
def add(
    name: str, host: str, port: int | None, folder: str, board: str | None, check: bool, accept_new_host_key: bool
) -> None:
    """Add a board of yours.

    \b
    Example: edgefer device add kitchen --host pi@10.0.0.7
    """
    from dataclasses import replace

    from edgefer.devices import registry
    from edgefer.devices.board import facts
    from edgefer.devices.board.ssh import Link
    from edgefer.devices.registry import Remote
    from edgefer.runtime.errors import UnknownName

    own = registry.own()
    _require_name(name, own)
    if host.startswith("-") or not host.strip() or any(c.isspace() or not c.isprintable() for c in host):
        raise click.BadParameter("give user@address, or an alias of ~/.ssh/config.", param_hint="--host")
    if board is not None and board not in registry.boards():
        raise UnknownName.of("device", board, registry.boards())
    added = Remote(host, port, _folder(folder), board)
    if check:
        with console().status(f"reaching {host}"):
            found = facts.ask(Link(name, added, accept_new_host_key))
        added = replace(added, board=board or found.board)
        click.echo(
            f"{name} is {found.model or 'a machine'} ({found.architecture}, {added.board or 'no kind in boards.toml'})"
        )
    registry.save({**own, name: added})
    click.echo(f"added {name} to {registry.own_path()}; next: edgefer device setup {name}")


def _require_name(name: str, own: dict[str, Remote]) -> None:
    from edgefer.devices import lookup, registry

    if not BARE.fullmatch(name):
        raise click.BadParameter("letters, digits, - and _ only.", param_hint="NAME")
    if name in own:
        raise click.UsageError(f"{name} is there already: `edgefer device remove {name}` first.")
    if name in {**registry.local(), **registry.emulated(), **registry.boards()} or name in lookup.FAMILIES:
        raise click.UsageError(f"{name} is a name that edgefer has itself: choose another one.")


def _folder(given: str) -> str:
    """A path that stays in the home folder; ~/ is that."""
    from pathlib import PurePosixPath

    path = PurePosixPath(given.removeprefix("~/"))
    if path.is_absolute() or not path.parts or ".." in path.parts or path.parts[0].startswith("~"):
        raise click.BadParameter("give a folder in the home folder there.", param_hint="--folder")
    return str(path)


@device.command()
@click.argument("name")
@click.option("--wipe", is_flag=True, help="Also delete what edgefer put on it.")
def remove(name: str, wipe: bool) -> None:
    """Forget a board of yours.

    \b
    Example: edgefer device remove kitchen --wipe
    """
    from edgefer.devices import registry
    from edgefer.devices.board import setup

    own = registry.own()
    row = _own(name)
    if wipe:
        with console().status(f"deleting {row.folder} on {name}"):
            setup.wipe(name, row)
    registry.save({key: value for key, value in own.items() if key != name})
    click.echo(f"removed {name}{f', and {row.folder} on it' if wipe else ''}")


def _own(name: str) -> Remote:
    """The user's board of that name; raises UnknownName."""
    from edgefer.devices import registry
    from edgefer.runtime.errors import UnknownName

    own = registry.own()
    if name not in own:
        raise UnknownName.of("device", name, own)
    return own[name]


@device.command()
@click.argument("name")
@json_option
def doctor(name: str, as_json: bool) -> None:
    """Say what a device has and lacks; exits with 23 if something is missing that it needs.

    \b
    Example: edgefer device doctor kitchen
    """
    from edgefer.devices import registry
    from edgefer.devices.board import doctor as doctors
    from edgefer.devices.registry import Emulated
    from edgefer.runtime.errors import NotSetUp

    row: Any = registry.own().get(name) or registry.emulated().get(name) or _own(name)
    with console().status(f"looking at {name}"):
        if isinstance(row, Emulated):
            from edgefer.devices.emulated import device as emulated

            found = emulated.doctor(name, row)
        else:
            found = doctors.doctor(name, row)
    if as_json:
        print_json(found)
    else:
        click.echo(report(name, found))
    lacking = [finding.subject for finding in found if finding.needed and not finding.ok]
    if lacking:
        raise NotSetUp(f"{name} lacks what runs need: {', '.join(lacking)}; the lines above say what to do.")


def report(name: str, findings: Sequence[Finding]) -> str:
    """The findings for people."""
    from edgefer.runtime.text_table import table

    marks = {(True, True): "ok", (True, False): "ok", (False, True): "missing", (False, False): "look"}
    return table((name, "", "found"), [(f.subject, marks[f.ok, f.needed], f.text) for f in findings])


@device.command()
@click.argument("name")
@engine_option
@click.option("--offline", is_flag=True, help="The board has no internet: download here, and send.")
def setup(name: str, engine: str | None, offline: bool) -> None:
    """Bring the engines to a board, into a virtual environment of their own; or make an emulated one.

    Again is quick: what is there already stays. An interrupt leaves nothing half-made.

    \b
    Example: edgefer device setup kitchen
    """
    from edgefer.devices import registry
    from edgefer.devices.board import setup as setups
    from edgefer.devices.registry import Emulated

    row: Any = registry.own().get(name) or registry.emulated().get(name) or _own(name)
    screen = console()
    with screen.status(f"setting {name} up") as status:

        def say(what: str) -> None:
            status.update(what)
            if not screen.is_terminal:
                screen.print(what, soft_wrap=True)

        if isinstance(row, Emulated):
            from edgefer.devices.emulated import device as emulated

            emulated.setup(name, row, engine, say)
            done = f"{name} is set up"
        else:
            done = setups.setup(name, row, engine, offline, say)
    click.echo(done)
