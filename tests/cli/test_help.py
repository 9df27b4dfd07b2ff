"""Help, and the lists of what there is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from edgefer.cli import cli
from tests.cli.made import Run

PLOTS = ("accuracy", "confusion", "latency", "pareto")
RECORD = Path(__file__).parents[2] / "benchmarks" / "results" / "ean-x86.json"
LISTS: tuple[tuple[object, ...], ...] = (
    ("archs",),
    ("targets",),
    ("recipes",),
    ("devices",),
    ("device", "list"),
    ("sweep",),
    ("data", "layouts"),
    ("count", "ean"),
    ("report", RECORD),
    ("tables", "ean-5"),
)


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


@pytest.mark.parametrize("path", every(cli), ids=" ".join)
def test_help_names_what_an_option_takes(run: Run, path: tuple[str, ...]) -> None:
    out = run(*path, "--help").fine()
    assert not [word for word in ("INTEGER", "FLOAT", "TEXT", " RANGE") if word in out]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['edgefer', '--help']\n"
        "from edgefer.cli import main\n"
        "main()\n"
        "print({'numpy', 'torch', 'rich', 'PIL', 'cattrs'} & set(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "set()\n"


def test_without_a_command_a_newcomer_sees_three(run: Run) -> None:
    out = run().fine()
    assert [line.split()[1] for line in out.splitlines() if line.startswith("  edgefer ")] == [
        "build",
        "verify",
        "bench",
    ]
    assert out.count("                   edgefer ") == 3, "an example of each"


def test_help_lists_every_command_in_whole_sentences(run: Run) -> None:
    out = run("--help").fine()
    assert "..." not in out.split("Options:")[1]
    for name in cli.commands:
        assert f"\n  {name} " in out


def test_json_is_a_flag_wherever_it_is() -> None:
    without = {"device add", "device remove", "device setup", *(f"plot {name}" for name in PLOTS)}
    for path in every(cli):
        command: click.Command = cli
        for name in path:
            assert isinstance(command, click.Group)
            command = command.commands[name]
        if not isinstance(command, click.Group):
            flags = [each for each in command.params if isinstance(each, click.Option) and "--json" in each.opts]
            assert [each.is_flag for each in flags] == ([] if " ".join(path) in without else [True]), path


@pytest.mark.parametrize("arguments", LISTS, ids=lambda arguments: " ".join(map(str, arguments[:2])))
def test_json_is_all_that_is_printed(run: Run, arguments: tuple[object, ...]) -> None:
    assert json.loads(run(*arguments, "--json").fine())


def test_device_list_is_devices(run: Run) -> None:
    assert run("device", "list").fine() == run("devices").fine()


def test_count_takes_the_network_both_ways(run: Run) -> None:
    assert run("count", "--arch", "ean").fine() == run("count", "ean").fine()
    for words in ((), ("ean", "--arch", "ean")):
        ran = run("count", *words)
        assert ran.code == 2 and "name one network" in ran.err


@pytest.mark.parametrize(
    ("name", "known"), [("archs", "model_f-noatt"), ("targets", "tflite-int8-floatio"), ("recipes", "plain")]
)
def test_lists(run: Run, name: str, known: str) -> None:
    assert known in run(name).fine()
    assert known in str(json.loads(run(name, "--json").fine()))
