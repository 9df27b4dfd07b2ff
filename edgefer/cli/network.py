"""Options that name a network: one of edgefer's, or one of the user's own with its contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgefer.cli.common import PATH

_OPTIONS = (
    click.option("--arch", metavar="NAME", help="A network of edgefer's; `edgefer archs` lists them."),
    click.option(
        "--model",
        metavar="MODULE:CALLABLE",
        help="A torch network of your own: the callable returns it, --weights fill it.",
    ),
    click.option("--onnx", type=PATH, metavar="FILE", help="A network of your own, as an ONNX file."),
    click.option(
        "--contract",
        type=PATH,
        metavar="FILE",
        help="What your own network takes, as TOML; `edgefer build -h` lists keys.",
    ),
    click.option("--input", metavar="CxHxW", help="Its input, like 1x64x64; overrides the contract."),
)


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--arch, --model, --onnx, --contract and --input; BuildOptions says which go together."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
