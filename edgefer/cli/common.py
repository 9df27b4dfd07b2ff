"""What several commands share: options, the reading of data, and the printing of records."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.streams import has_all_characters

if TYPE_CHECKING:
    from edgefer.arch import Arch
    from edgefer.cli.progress import Display
    from edgefer.data.dataset import Dataset
    from edgefer.data.listing import ReadOptions, StatedClasses

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(1)

arch_option = click.option("--arch", required=True, metavar="NAME", help="The network; `edgefer archs` lists them.")


_layout_option = click.option(
    "--layout",
    metavar="NAME",
    help="The layout of the image folder, if it is not certain; `edgefer data layouts` lists them.",
)
_cache_option = click.option(
    "--cache",
    type=PATH,
    metavar="FOLDER",
    help="Where decoded faces of a large image folder are kept; default: EDGEFER_CACHE, else the user's cache.",
)
_depth_option = click.option(
    "--depth",
    type=click.Choice(("8", "10", "12", "14", "16")),
    callback=lambda _context, _option, bits: bits and int(bits),
    help="Bits of the values in images of 16 bits; default: 16.",
)
_skip_option = click.option(
    "--skip-unreadable",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Leave out at most N rows or images that can't be read; they are counted in the record.",
)


def _stated_classes(_context: click.Context, _option: click.Parameter, text: str | None) -> StatedClasses | None:
    from edgefer.data.classes import parse

    with usage_errors():
        return None if text is None else parse(text)


_missing_option = click.option(
    "--allow-missing-classes",
    is_flag=True,
    help="Train or calibrate though a class has no face; the record says which.",
)
_links_option = click.option(
    "--follow-links",
    is_flag=True,
    help="Follow symbolic links that lead out of the folder of data.",
)
_classes_option = click.option(
    "--classes",
    metavar="CLASSES",
    callback=_stated_classes,
    help="What class folders mean: a list (bored,happy), a file (.toml, .json), or the numbers of fer2013, ferplus, "
    "affectnet, raf-db or ck+.",
)
_path_option = click.option(
    "--data", required=True, type=PATH, metavar="PATH", help="A fer2013.csv (or .gz, .xz, .zip) or an image folder."
)


_READING = {  # by the names of ReadOptions' fields
    "layout": _layout_option,
    "cache": _cache_option,
    "classes": _classes_option,
    "allow_missing_classes": _missing_option,
    "follow_links": _links_option,
    "depth": _depth_option,
    "skip_unreadable": _skip_option,
}


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--layout, --cache and what else is said of a data set, which the command gets as one `reading`."""

    @functools.wraps(command)
    def with_reading(*args: Any, **options: Any) -> Any:
        from edgefer.data.listing import ReadOptions

        reading = ReadOptions(**{name: options.pop(name) for name in _READING})
        return command(*args, reading=reading, **options)

    for option in reversed(_READING.values()):
        with_reading = option(with_reading)
    return with_reading


def data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--data, and what goes with it."""
    return _path_option(reading_options(command))


weights_option = click.option(
    "--weights", type=PATH, metavar="FILE", help="A .safetensors file; default: the weights that edgefer ships."
)
detector_option = click.option(
    "--detector",
    metavar="NAME",
    help="The images are whole photographs: find the face in each with this; `edgefer detector list` shows all.",
)
engine_option = click.option(
    "--engine", metavar="NAME", help="For boards: tflite-runtime instead of LiteRT, as older boards have it."
)


def split_labels(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """A,B,C as a tuple, for the option --labels."""
    return None if text is None else tuple(label.strip() for label in text.split(","))


labels_option = click.option(
    "--labels",
    metavar="A,B,...",
    callback=split_labels,
    help="The classes of weights that have no record beside them, in the order of the outputs; default: the record's.",
)


def weights_file(path: Path) -> Path:
    """The path; a network's name stands for its shipped weights, if there is no such file.

    Raises MissingFile.
    """
    from edgefer.runtime.errors import MissingFile
    from edgefer.runtime.files import shipped_folder

    if path.exists():
        return path
    shipped = {each.stem: each for each in sorted(shipped_folder("weights").glob("*.safetensors"))}
    if str(path) not in shipped:
        names = ", ".join(shipped)
        raise MissingFile(f"no weights at {path}: give a .safetensors file, or what ships by its name ({names}).")
    return shipped[str(path)]


def _teacher_files(_context: click.Context, _option: click.Parameter, paths: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(weights_file(path) for path in paths)


def teacher_option(more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--teacher, of which there may be several."""
    text = f"Weights to learn from: a .safetensors file, or the name of a network whose weights edgefer ships. {more}"
    return click.option(
        "--teacher", "teachers", type=PATH, multiple=True, metavar="WEIGHTS", callback=_teacher_files, help=text.strip()
    )


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the record as JSON, and nothing else, to standard output."
)


def _known_split(_context: click.Context, _option: click.Parameter, name: str) -> str:
    """The name, if there is such a split: better said before a large data set is read than after."""
    from edgefer.data.dataset import SPLITS
    from edgefer.runtime.errors import UnknownName

    if name not in SPLITS:
        raise UnknownName.of("split", name, SPLITS)
    return name


split_option = click.option(
    "--split",
    default="PrivateTest",
    show_default=True,
    metavar="NAME",
    callback=_known_split,
    help="Training, PublicTest or PrivateTest.",
)


def read_data(shown: Display, path: Path, size: int, reading: ReadOptions | None = None) -> Dataset:
    """Load a data set, faces at size x size, and show how far it is."""
    from edgefer.data.listing import ReadOptions
    from edgefer.data.load import load

    return load(path, size, (reading or ReadOptions()).with_progress(path, shown.progress))


def faces_of_classes(shown: Display, faces: Dataset, network: Arch, advice: str = "") -> Dataset:
    """The faces labelled by the network's classes; what it has no class for is left out, and said."""
    from edgefer.data.dataset import match_classes

    matched = match_classes(faces, network.labels, network.name)
    for name, count in matched.left_out.items():
        shown.progress.note(f"{network.name} has no class {name}: {count} images are left out{advice}")
    return matched.faces


def require_drawing(out: Path, *packages: str) -> None:
    """Raise click.UsageError unless a figure can be called `out`, MissingEngine if one of the packages is missing."""
    from edgefer.runtime.files import require_folder
    from edgefer.training.figures import FORMATS

    if out.suffix not in FORMATS:
        raise click.UsageError(f"--out ends in {' or '.join(FORMATS)}: {out.name} does not.")
    require_packages("train", *packages)
    require_folder(out.absolute().parent)


def require_packages(extra: str, *packages: str) -> None:
    """Raise MissingEngine if one of the packages, which the extra brings, is not installed; nothing is imported."""
    from importlib.util import find_spec

    from edgefer.runtime.errors import MissingEngine

    for package in packages:
        if find_spec(package) is None:
            raise MissingEngine.of(package, extra)


def load_torch(shown: Display) -> None:
    """Import torch, which takes seconds, and say so; from then on this process keeps the memory that torch frees.

    It can't be set back, so of the library's functions, which run in their caller's process, only a training does it.
    """
    from edgefer.runtime.process import import_quietly

    import_quietly("torch", shown.progress)
    from edgefer.training.torch_settings import keep_freed_pages

    keep_freed_pages()


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Tell of wrong options as click does, with the command's usage."""
    from edgefer.runtime.errors import WrongOptions

    try:
        yield
    except WrongOptions as error:
        raise click.UsageError(str(error)) from error


def print_json(record: Any) -> None:
    """A record, or a list or dict of records, as JSON on standard output."""
    from edgefer.runtime import records

    click.echo(records.dumps(record, ascii_only=not has_all_characters(sys.stdout)), nl=False)
