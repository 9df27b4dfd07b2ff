"""--trusted and --min-version, of every command that opens bundles for somebody who has to trust them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edgefer.cli.common import PATH, usage_errors

_trusted_option = click.option(
    "--trusted",
    type=PATH,
    metavar="KEYS",
    help="Refuse a bundle that none of these keys signed: a .pub file, or a folder of them; see `edgefer sign`.",
)
_min_version_option = click.option(
    "--min-version",
    type=click.IntRange(0),
    metavar="N",
    help="With --trusted: refuse a bundle that was signed as a lower version.",
)


def trust_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--trusted and --min-version, which the command gets as one `trust`; None if neither was given."""

    @functools.wraps(command)
    def with_trust(*args: Any, trusted: Path | None, min_version: int | None, **options: Any) -> Any:
        from edgefer.runtime.signature import trust_of

        with usage_errors():
            trust = trust_of(trusted, min_version)
        return command(*args, trust=trust, **options)

    return _trusted_option(_min_version_option(with_trust))
