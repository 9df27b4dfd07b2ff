"""The classes of all commands: an option that takes one value is refused when it is given again."""

from __future__ import annotations

import copy

import click

from edgefer.runtime.errors import listed, without_controls


class Command(click.Command):
    """Refuses a repeated option of one value, of which click silently keeps the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises click.UsageError."""
        self._refuse_repeated(ctx, args)
        return super().parse_args(ctx, args)

    def _refuse_repeated(self, ctx: click.Context, args: list[str]) -> None:
        parser = self.make_parser(ctx)
        options = [each for each in self.params if isinstance(each, click.Option)]
        single = [each for each in options if not (each.multiple or each.is_flag)]
        for option in single:
            collected = copy.copy(option)
            collected.multiple = True
            collected.add_to_parser(parser, ctx)  # in the place of the option itself
        values, _, order = parser.parse_args(list(args))
        if any(each.is_eager for each in order):  # --help and --version say their text, whatever else there is
            return
        for option in single:
            texts = [_words(option, value) for value in values.get(option.name or "", ())]
            if len(texts) > 1:
                raise click.UsageError(
                    f"{option.opts[0]} takes one value, and was given {len(texts)}: {listed(texts, between=' and ')}. "
                    "Give it once.",
                    ctx,
                )


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type


def _words(option: click.Option, value: object) -> str:
    """The option as it was given; a value that may be left out is no text."""
    return without_controls(f"{option.opts[0]} {value}") if isinstance(value, str) else option.opts[0]
