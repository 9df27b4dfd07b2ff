"""BASE and HEAD: a bundle, a folder of bundles, or a git ref whose bundles are built first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from edgefer.gate import refs
from edgefer.runtime.bundle import MANIFEST, Bundle, read_bundle
from edgefer.runtime.errors import MissingFile

Built = Callable[[str], AbstractContextManager[Path]]


@dataclass(frozen=True)
class Side:
    """Bundles by name; `single` if one was given and not a folder of them."""

    bundles: dict[str, Bundle]
    single: bool


@dataclass(frozen=True)
class Pair:
    """A bundle of BASE and its counterpart; None: the side has none."""

    name: str
    base: Bundle | None
    head: Bundle | None


def is_ref(given: str) -> bool:
    """Whether `given` is no path but a commit of the repository around this folder."""
    return not Path(given).exists() and refs.commit(given) is not None


@contextmanager
def opened(given: str, built: Built) -> Iterator[Side]:
    """The side for as long as the block lasts; `built` makes a folder of bundles of a git ref.

    Raises MissingFile, BrokenBundle, or what `built` raises.
    """
    place: AbstractContextManager[Path] = nullcontext(Path(given))
    if is_ref(given):
        place = built(given)
    elif not Path(given).exists():
        raise MissingFile(f"{given} is no bundle, no folder of bundles and no git ref: `edgefer build` makes bundles.")
    with place as folder:
        yield read(folder)


def read(folder: Path) -> Side:
    """The bundle in `folder`, or the bundles in its subfolders; raises MissingFile or BrokenBundle."""
    if (folder / MANIFEST).is_file() or folder.is_file():
        bundle = read_bundle(folder)
        return Side({bundle.manifest.name: bundle}, True)
    places = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}") if path.parent.name[0] != ".")
    if not places:
        raise MissingFile(f"no bundles in {folder}: `edgefer build --out {folder}` makes one.")
    found = [read_bundle(place) for place in places]
    return Side({bundle.manifest.name: bundle for bundle in found}, False)


def pairs(base: Side, head: Side) -> list[Pair]:
    """What is compared: two single bundles whatever they are called, otherwise those of one name.

    If one side is a single bundle, only that one; raises MissingFile if the other has none of its name.
    """
    if base.single and head.single:
        (one,), (other,) = base.bundles.values(), head.bundles.values()
        return [Pair(other.manifest.name, one, other)]
    names = sorted(base.bundles.keys() | head.bundles.keys())
    if base.single or head.single:
        names = list((base if base.single else head).bundles)
        other_side = head if base.single else base
        if names[0] not in other_side.bundles:
            raise MissingFile(
                f"no bundle {names[0]} on the other side: it has {', '.join(sorted(other_side.bundles))}."
            )
    return [Pair(name, base.bundles.get(name), head.bundles.get(name)) for name in names]
