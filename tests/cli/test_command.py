"""An option of one value that is given twice is refused, in every command."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from edgefer.cli import cli
from edgefer.cli.command import Command, Group
from edgefer.cli.train import pairs
from tests.cli.made import Run
from tests.cli.test_help import every


@click.command(cls=Command)
@click.option("--name")
@click.option("--seed", is_flag=False, flag_value="0")
@click.option("--target", multiple=True)
@click.option("--quiet", is_flag=True)
def example(name: str | None, seed: str | None, target: tuple[str, ...], quiet: bool) -> None:
    """Print its options."""
    click.echo(f"{name} {seed} {target} {quiet}")


def found(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", every(cli), ids=" ".join)
def test_a_second_value_is_refused(run: Run, path: tuple[str, ...]) -> None:
    command = found(path)
    assert isinstance(command, Group if isinstance(command, click.Group) else Command)
    for option in command.params:
        if isinstance(option, click.Option) and not (option.multiple or option.is_flag):
            name = option.opts[0]
            ran = run(*path, name, "first", f"{name}=second")
            assert ran.code == 2 and ran.out == ""
            assert f"{name} takes one value, and was given 2: {name} first and {name} second. Give it once." in ran.err


def test_what_may_be_repeated_is_not_refused() -> None:
    words = ("--target", "b", "--name", "x", "--quiet", "--target", "a", "--quiet", "--seed")
    assert CliRunner().invoke(example, words).output == "x 0 ('b', 'a') True\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--seed", "--seed", "3"), "given 2: --seed and --seed 3."),
        (("--name", "a", "--name", "a"), "given 2: --name a and --name a."),
        (("--name", "a\x1b[2J", "--name", "b\nc"), r"given 2: --name a\x1b[2J and --name b\nc."),
        (("--name", "a") * 9, "given 9: " + "--name a and " * 4 + "--name a and 4 more."),
    ],
)
def test_what_is_refused(words: tuple[str, ...], told: str) -> None:
    result = CliRunner().invoke(example, words)
    assert result.exit_code == 2 and told in result.output


def test_help_is_shown_whatever_else_is_wrong(run: Run) -> None:
    assert "Usage:" in run("build", "--arch", "a", "--arch", "b", "--help").fine()


@pytest.mark.parametrize(
    ("settings", "epochs", "told"),
    [
        (("alpha=1", "alpha=2"), None, "'alpha' takes one value, and has two: '--set alpha=1' and '--set alpha=2'"),
        (("turn=1", "rotation=2"), None, "'rotation' takes one value, and has two: '--set turn=1'"),
        (("epochs=2",), 3, "'epochs' takes one value, and has two: '--epochs 3' and '--set epochs=2'"),
    ],
)
def test_a_setting_has_one_value(settings: tuple[str, ...], epochs: int | None, told: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        pairs(settings, epochs=epochs)
    assert told in caught.value.message


def test_settings_and_epochs_go_together() -> None:
    assert pairs(("alpha=1", "scale=a=b"), epochs=3) == {"alpha": "1", "scale": "a=b", "epochs": "3"}
