"""Help, and the lists of what there is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from edgefer.cli import cli
from tests.cli.made import Run


def every(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """The names of all commands, groups included."""
    yield path
    for name, inner in (command.commands if isinstance(command, click.Group) else {}).items():
        yield from every(inner, *path, name)


@pytest.mark.parametrize("path", every(cli), ids=" ".join)
def test_help_has_an_example(run: Run, path: tuple[str, ...]) -> None:
    out = run(*path, "--help").fine()
    assert f"Usage: {' '.join(('edgefer', *path))} " in out
    assert "Example: edgefer " in out


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['edgefer', '--help']\n"
        "from edgefer.cli import main\n"
        "main()\n"
        "print({'numpy', 'torch', 'rich', 'PIL', 'cattrs'} & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


@pytest.mark.parametrize(
    ("name", "known"), [("archs", "model_f-noatt"), ("targets", "tflite-int8-floatio"), ("recipes", "plain")]
)
def test_lists(run: Run, name: str, known: str) -> None:
    assert known in run(name).fine()
    assert known in str(json.loads(run(name, "--json").fine()))
