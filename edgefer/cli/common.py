"""What several commands share: options, the console, and the printing of records."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from edgefer.data.dataset import Dataset
    from edgefer.data.read_options import Reading

PATH = click.Path(path_type=Path)

arch_option = click.option("--arch", required=True, metavar="NAME", help="Network; `edgefer archs` lists them.")


def _keep(context: click.Context, option: click.Parameter, value: object) -> None:
    """For `reading`: these two are of every command that reads a data set, and no command's own business."""
    context.meta[f"edgefer.{option.name}"] = value


_layout_option = click.option(
    "--layout",
    metavar="NAME",
    expose_value=False,
    callback=_keep,
    help="How the image folder lies on disk, where that is not certain; `edgefer data layouts` lists them.",
)
_cache_option = click.option(
    "--cache",
    type=PATH,
    metavar="FOLDER",
    expose_value=False,
    callback=_keep,
    help="Where the decoded faces of a large image folder are kept; default: EDGEFER_CACHE, else the user's cache.",
)
_path_option = click.option(
    "--data", required=True, type=PATH, metavar="PATH", help="fer2013.csv (or .gz, .xz, .zip) or an image folder."
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--layout and --cache, which `read_data` knows of."""
    return _layout_option(_cache_option(command))


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data, and what goes with it."""
    return _path_option(reading_options(command))


weights_option = click.option(
    "--weights", type=PATH, metavar="FILE", help="A .safetensors file; default: the weights that edgefer ships."
)
engine_option = click.option(
    "--engine", metavar="NAME", help="On a board: tflite-runtime instead of LiteRT (what older boards have)."
)


def weights_file(given: Path) -> Path:
    """The path; a network's name stands for its shipped weights, if there is no such file."""
    from edgefer.runtime import resources

    shipped = resources.folder("weights") / f"{given}.safetensors"
    return shipped if shipped.is_file() and not given.exists() else given


def _teacher_files(_context: click.Context, _option: click.Parameter, given: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(weights_file(path) for path in given)


def teacher_option(more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--teacher, of which there may be several."""
    text = f"A network to learn from: a .safetensors file, or the name of one that edgefer ships. {more}"
    return click.option(
        "--teacher", "teachers", type=PATH, multiple=True, metavar="WEIGHTS", callback=_teacher_files, help=text.strip()
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")


def _known_split(_context: click.Context, _option: click.Parameter, name: str) -> str:
    """The name, if there is such a split: better said before a large data set is read than after."""
    from edgefer.data.dataset import SPLITS
    from edgefer.runtime.errors import UnknownName

    if name not in SPLITS:
        raise UnknownName("split", name, SPLITS)
    return name


split_option = click.option(
    "--split",
    default="PrivateTest",
    show_default=True,
    metavar="NAME",
    callback=_known_split,
    help="Training, PublicTest or PrivateTest.",
)


def console() -> Console:
    """A console on a copy of standard error: what converters print is silenced, progress is not."""
    from rich.console import Console

    return Console(file=os.fdopen(os.dup(2), "w"), highlight=False)


@contextlib.contextmanager
def counting(console: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar, if there is a terminal; the block calls what it gets once per item."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def load_torch(console: Console) -> None:
    """Import torch, which takes seconds, while a spinner says so."""
    from importlib import import_module

    from edgefer.runtime.quiet import quiet

    with console.status("loading torch"), quiet():
        import_module("torch")


@contextlib.contextmanager
def reading(console: Console, path: Path) -> Iterator[Reading]:
    """How the command line wants a data set read, while a spinner says how far it is."""
    from rich.markup import escape

    from edgefer.data.read_options import Reading

    context = click.get_current_context(silent=True)
    layout, cache = ((context.meta if context else {}).get(f"edgefer.{name}") for name in ("layout", "cache"))
    shown = f"reading {escape(str(path))}"
    with console.status(shown) as status:

        def say(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)

        def tick(done: int, total: int) -> None:
            status.update(f"{shown}: {done:,} of {total:,} images")

        yield Reading(layout, cache, say, tick)


def read_data(console: Console, path: Path, size: int) -> Dataset:
    """Load a data set while a spinner says so."""
    from edgefer.data.dataset import load

    with reading(console, path) as how:
        return load(path, size, how)


def print_json(record: Any) -> None:
    """A record, or a list or dict of records, as JSON on standard output."""
    from edgefer.runtime import records

    click.echo(records.dumps(record), nl=False)
