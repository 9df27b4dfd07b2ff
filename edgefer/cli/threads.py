"""--threads of an engine, and of torch: a number, and where times are measured also `all`."""

from __future__ import annotations

from typing import Any

import click

from edgefer.cli.common import COUNT

_HELP = "Threads of the engine."


def all_cores() -> int:
    """Every core that this process may use."""
    from edgefer.runtime.machine import usable_cores

    return usable_cores()


class Threads(click.ParamType[int]):
    """A number of threads, or `all`."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """`all` is every core that this process may use."""
        return all_cores() if value == "all" else COUNT.convert(value, param, ctx)


threads_option = click.option("--threads", type=COUNT, default=1, show_default=True, metavar="N", help=_HELP)
bench_threads_option = click.option(
    "--threads", type=Threads(), default="1", show_default=True, metavar="N|all", help=_HELP
)
torch_threads_option = click.option(
    "--threads", type=COUNT, default=all_cores, metavar="N", help="CPU threads; default: all cores."
)
