"""--model mypkg.net:make: the code that the user names, and no other, makes the network."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from edgefer.runtime.errors import BadNetwork, BadWeights
from edgefer.training import weights

_COUNTER = ".num_batches_tracked"  # of batch norms, for training only; some files leave it out


def default_name(spec: str) -> str:
    """What the network is called if the user says nothing: mypkg.net:make -> net."""
    return spec.partition(":")[0].rpartition(".")[2]


def make(spec: str) -> nn.Module:
    """The network that <module>:<callable> returns, in float32; raises BadNetwork.

    Modules of the working directory are found, as `python -m` finds them.
    """
    module, _, attribute = spec.partition(":")
    if not (module and attribute):
        raise BadNetwork(f"{spec!r} names no network: give --model as module:callable, like mypkg.net:make.")
    with _working_directory():
        maker = _find(_import(module), module, attribute)
        network = maker if isinstance(maker, nn.Module) else _call(maker, spec)
    if not isinstance(network, nn.Module):
        raise BadNetwork(f"{spec} returned a {type(network).__name__}: it must return a torch.nn.Module.")
    return network.float()


@contextlib.contextmanager
def _working_directory() -> Iterator[None]:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _import(module: str) -> object:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise BadNetwork(
                f"there is no module {error.name}: install it, or run in the folder that it lies in."
            ) from error
        raise _raised(f"importing {module}", error) from error
    except (Exception, SystemExit) as error:  # the user's code raises what it likes
        raise _raised(f"importing {module}", error) from error


def _find(found: object, module: str, path: str) -> Any:
    for part in path.split("."):
        if not hasattr(found, part):
            raise BadNetwork(f"the module {module} has no {path}: give --model as module:callable.")
        found = getattr(found, part)
    if not callable(found):
        raise BadNetwork(f"{module}:{path} is a {type(found).__name__}: it must be callable, or a torch.nn.Module.")
    return found


def _call(maker: Any, spec: str) -> object:
    try:
        return maker()
    except (Exception, SystemExit) as error:
        raise _raised(f"{spec}()", error) from error


def _raised(what: str, error: BaseException) -> BadNetwork:
    return BadNetwork(f"{what} raised {type(error).__name__}: {str(error)[:300]} (`edgefer --debug` shows where).")


def fill(network: nn.Module, path: Path, spec: str) -> None:
    """Give the network the weights of a .safetensors file; raises MissingFile or BadWeights."""
    found = weights.read_tensors(path)
    expected: dict[str, Tensor] = network.state_dict()
    missing = [name for name in expected if name not in found and not name.endswith(_COUNTER)]
    unexpected = [name for name in found if name not in expected]
    if missing or unexpected:
        parts = [f"{_listed(missing)} missing"] * bool(missing) + [f"{_listed(unexpected)} unknown"] * bool(unexpected)
        raise BadWeights(f"{path} does not fit {spec}: {', '.join(parts)}. Give the weights of this network.")
    for name, value in found.items():
        if value.shape != expected[name].shape:
            raise BadWeights(
                f"{path} does not fit {spec}: {name} is {tuple(value.shape)}, the network has "
                f"{tuple(expected[name].shape)}. Give the weights of this network."
            )
    weights.require_finite(path, found)
    network.load_state_dict(found, strict=False)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
