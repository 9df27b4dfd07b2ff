"""edgefer bank: teachers' logits for many views of each training face, computed once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgefer.cli.command import Command
from edgefer.cli.common import (
    PATH,
    arch_option,
    data_option,
    faces_of_classes,
    json_option,
    load_torch,
    print_json,
    read_data,
    teacher_option,
)
from edgefer.cli.progress import display
from edgefer.cli.streams import say
from edgefer.cli.threads import torch_threads_option

if TYPE_CHECKING:
    from edgefer.data.listing import ReadOptions
    from edgefer.training.recipes import Augmentation


@click.command(cls=Command)
@arch_option
@data_option
@teacher_option("Several are an ensemble.")
@click.option(
    "--views",
    multiple=True,
    required=True,
    metavar="RECIPE=N",
    help="N view epochs with the rotation, scale and light of that recipe; may be repeated.",
)
@click.option("--precision", type=click.Choice(("float32", "bfloat16")), default="float32", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N")
@torch_threads_option
@click.option("--out", type=PATH, required=True, metavar="FILE", help="The bank, a .safetensors file.")
@json_option
def bank(
    arch: str,
    data: Path,
    reading: ReadOptions,
    teachers: tuple[Path, ...],
    views: tuple[str, ...],
    precision: str,
    seed: int,
    threads: int,
    out: Path,
    as_json: bool,
) -> None:
    """Store teachers' logits for views of the training faces, for `edgefer train --bank`.

    --arch is the student's. Stop it whenever you like: the same command goes on after the last finished view epoch.

    \b
    Example: edgefer bank --arch ean --teacher a.safetensors --teacher b.safetensors --views edgefer=32 \\
                 --views teacher-strong=32 --data fer2013.csv --out bank.safetensors
    """
    from edgefer.arch import get_arch
    from edgefer.runtime.units import counted

    network, how = get_arch(arch), _view_epochs(views)
    with display() as shown:
        faces = read_data(shown, data, network.resize, reading).resized(network.resize)
        load_torch(shown)
        from edgefer.training import bank as banks
        from edgefer.training.losses import load_teachers
        from edgefer.training.torch_settings import torch_threads
        from edgefer.training.weights import arch_of_weights

        if teachers:  # the student is to learn their classes
            network = network.with_labels(arch_of_weights(teachers[0]).labels)
        faces = faces_of_classes(shown, faces, network).split("Training")
        settings = banks.settings_of(network, faces, teachers, how, seed, precision)
        with torch_threads(threads):
            banks.build_bank(
                settings,
                faces,
                load_teachers(teachers, network, "cpu"),
                out,
                lambda done, total: shown.progress.step("bank", "view epochs", done, total),
            )
    if as_json:
        print_json(settings)
    else:
        many = counted(len(teachers), "teacher")
        say(f"wrote {out} ({counted(len(how), 'view epoch')} of {counted(len(faces), 'face')}, {many})")


def _view_epochs(views: tuple[str, ...]) -> list[Augmentation]:
    """A recipe's augmentation for each view epoch: the recipes take turns."""
    from itertools import zip_longest

    from edgefer.training.recipes import get_recipe

    groups = []
    for text in views:
        name, _, count = text.partition("=")
        if not count.isdigit() or int(count) < 1:
            raise click.BadParameter(f"{text!r} is not RECIPE=N", param_hint="--views")
        groups.append([get_recipe(name).augmentation] * int(count))
    return [how for turn in zip_longest(*groups) for how in turn if how is not None]
