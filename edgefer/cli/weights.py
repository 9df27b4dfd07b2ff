"""edgefer weights: what others saved, as the files that edgefer reads."""

from __future__ import annotations

from pathlib import Path

import click

from edgefer.cli.command import Group
from edgefer.cli.common import PATH, json_option, load_torch, print_json
from edgefer.cli.progress import display
from edgefer.cli.streams import say


@click.group(cls=Group)
def weights() -> None:
    """Turn weights that others saved into the files that edgefer reads.

    \b
    Example: edgefer weights convert theirs.pth
    """


@weights.command()
@click.argument("file", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", help="The file to write; default: FILE with .safetensors at its end.")
@click.option("--key", metavar="NAME", help="The part of a checkpoint that has the weights, if it is not certain.")
@click.option(
    "--keep-prefix", is_flag=True, help="Leave module. (DataParallel) and _orig_mod. (torch.compile) in names."
)
@json_option
def convert(file: Path, out: Path | None, key: str | None, keep_prefix: bool, as_json: bool) -> None:
    """Turn what torch.save wrote (.pth, .pt, .bin, .ckpt) into safetensors, without running code of the file.

    FILE holds a state dict, or a checkpoint with one under state_dict, model_state_dict, model or net. A pickle of
    anything else than weights is refused: it could run code.

    \b
    Example: edgefer weights convert theirs.pth
             edgefer weights convert theirs.ckpt --key state_dict --out theirs.safetensors
    """
    with display() as shown:
        load_torch(shown)
        from edgefer.training import torch_file

        done = torch_file.convert(file, out, key, keep_prefix)
    if as_json:
        print_json(done)
        return
    where = "" if done.key is None else f", of the part {done.key}"
    say(f"wrote {done.file}: {done.tensors} tensors, {done.parameters:,} parameters{where}")
    if done.stripped:
        say(f"{done.stripped} was left out of every name; --keep-prefix keeps it")
