"""What `edgefer build` builds: a network of the table, or one of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.common import PATH

if TYPE_CHECKING:
    from edgefer.arch import Arch
    from edgefer.training.weights import Weights

KEYS = """\b
Keys of a contract (TOML), all optional but labels and, with --model, input:
  name = "mynet"              the bundle is mynet.<target>
  labels = ["happy", "sad"]   in the order of the outputs
  input = "1x64x64"           channels x height x width
  resize = 72, crop = 64      pixels; by default both are the input's
  color = "grey"              or "rgb", "bgr"
  range = [0, 1]              what pixel values 0 and 255 become; also [-1, 1], [0, 255]
  mean = [0.5], std = [0.5]   per channel, of values in that range: (value - mean) / std
  output = "logits"           or "probabilities"; by default as the outputs look
  layout = "NCHW"             or "NHWC", of an ONNX file; by default as its shape looks
The built model takes RGB pixels 0..255 and gives probabilities, whatever the network does.
"""

_OPTIONS = (
    click.option("--arch", metavar="NAME", help="Network of edgefer's; `edgefer archs` lists them."),
    click.option("--model", metavar="MODULE:CALLABLE", help="Your own: what the callable returns, with --weights."),
    click.option("--onnx", type=PATH, metavar="FILE", help="Your own, as an ONNX file."),
    click.option("--contract", type=PATH, metavar="FILE", help="TOML: what your own network takes, see below."),
    click.option("--input", metavar="CxHxW", help="Its input, like 1x64x64; goes before the contract."),
    click.option("--labels", metavar="A,B,...", help="Its labels by output; goes before the contract."),
    click.option("--name", metavar="NAME", help="Its name; by default that of the contract, module or file."),
)


@dataclass(frozen=True)
class Asked:
    """The options that name a network."""

    arch: str | None
    model: str | None
    onnx: Path | None
    contract: Path | None
    input: str | None
    labels: str | None
    name: str | None
    weights: Path | None
    untrained: int | None

    def check(self) -> None:
        """Raise UsageError for options that don't go together, UnknownName for a network that there is none of."""
        if self.untrained is not None and self.weights is not None:
            raise click.UsageError("--untrained takes no --weights: give one of the two.")
        if sum(each is not None for each in (self.arch, self.model, self.onnx)) != 1:
            raise click.UsageError("give one of --arch, --model and --onnx.")
        if self.arch is not None:
            self._require_none("--arch", contract=self.contract, input=self.input, labels=self.labels, name=self.name)
            from edgefer.arch import get_arch

            get_arch(self.arch)
        elif self.model is not None:
            self._require_none("--model", untrained=self.untrained)
            if self.weights is None:
                raise click.UsageError("--model needs --weights: a .safetensors file.")
        else:
            self._require_none("--onnx", untrained=self.untrained, weights=self.weights)

    def _require_none(self, given: str, **others: object) -> None:
        for name, value in others.items():
            if value is not None:
                raise click.UsageError(f"--{name} does not go with {given}.")

    def load(self) -> tuple[Arch, Weights]:
        """The network and its weights; needs torch."""
        if self.arch is not None:
            from edgefer.arch import get_arch
            from edgefer.training import random_init as untrained
            from edgefer.training import weights

            arch = get_arch(self.arch)
            if self.untrained is not None:
                return arch, untrained.make(arch, self.untrained)
            return arch, weights.load(arch, self.weights)
        from edgefer.pipeline.user_model import contract_file

        contract = contract_file.read(self.contract, name=self.name, labels=self.labels, input=self.input)
        from edgefer.pipeline.user_model import load

        if self.onnx is not None:
            return load.from_onnx(self.onnx, contract)
        assert self.model is not None and self.weights is not None
        return load.from_torch(self.model, self.weights, contract)


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `Asked` to a command, but those for weights."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
