"""The table of folder layouts: how each data set lies on disk, and which reader lists its images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgefer.data.listing import READ_DEFAULTS, Entry, Listing, ReadOptions, UnreadableFile
from edgefer.data.readers import affectnet, ckplus, ferplus, folders, jaffe, kdef, oulu_casia, rafdb
from edgefer.data.source_files import Source
from edgefer.runtime.errors import BadData, MissingFile, UnknownName
from edgefer.runtime.labels import LABELS

UNLABELLED = "unlabelled"
CONTEMPT = (*LABELS, "contempt")


@dataclass(frozen=True)
class Layout:
    """A row of the table.

    entries  lists a folder: every image in a fixed order, and what is wrong with some; raises BadData, EmptyData
             or MissingFile for a folder that is not of this layout
    names    the classes that labels are an index into
    looks    what lies in the folder, for messages and documentation
    signs    whether a folder certainly is of this layout; None where it must be asked for by name
    by_name  whether folders say what the classes are: with one of contempt there are eight, or those that are stated
    """

    entries: Callable[[Source], Iterator[Entry | UnreadableFile]]
    names: tuple[str, ...]
    looks: str
    signs: Callable[[Source], object] | None = None
    by_name: bool = False


def _oulu(camera: str, light: str) -> Layout:
    read = partial(oulu_casia.entries, camera=camera, light=light)
    return Layout(read, oulu_casia.NAMES, f"{camera}/{light}/P001/Anger/000.jpeg", oulu_casia.base_folders)


LAYOUTS: dict[str, Layout] = {
    "folders": Layout(folders.entries, LABELS, "train/angry/*.jpg, val, test; or angry/*.jpg", by_name=True),
    "caer-s": Layout(folders.entries, LABELS, "train/Anger/*.png, test/Anger/*.png", by_name=True),
    "raf-db": Layout(rafdb.entries, LABELS, "EmoLabel/list_patition_label.txt, Image/aligned/*.jpg", rafdb.base_folder),
    "affectnet-7": Layout(partial(affectnet.entries, classes=7), LABELS, affectnet.LOOKS, affectnet.lies_in),
    "affectnet-8": Layout(partial(affectnet.entries, classes=8), CONTEMPT, affectnet.LOOKS, affectnet.lies_in),
    "ck+": Layout(ckplus.entries, CONTEMPT, ckplus.LOOKS, ckplus.lies_in),
    "ferplus": Layout(ferplus.entries, CONTEMPT, ferplus.LOOKS, ferplus.folders_in),
    "jaffe": Layout(jaffe.entries, LABELS, jaffe.LOOKS, jaffe.base_folder),
    "kdef": Layout(partial(kdef.entries, views=("S",)), LABELS, kdef.LOOKS, kdef.base_folder),
    "kdef-all-views": Layout(partial(kdef.entries, views=kdef.VIEWS), LABELS, kdef.LOOKS),
    "oulu-casia-vl-strong": _oulu("VL", "Strong"),
    "oulu-casia-vl-weak": _oulu("VL", "Weak"),
    "oulu-casia-vl-dark": _oulu("VL", "Dark"),
    "oulu-casia-ni-strong": _oulu("NI", "Strong"),
    "oulu-casia-ni-weak": _oulu("NI", "Weak"),
    "oulu-casia-ni-dark": _oulu("NI", "Dark"),
}


def detect(path: Path, options: ReadOptions = READ_DEFAULTS) -> str:
    """The name of the layout that `path` certainly has, "folders" if it has the signs of none.

    Raises BadData naming the layouts that it may have, where that is more than one.
    """
    source = Source(path, options.follow_links)
    possible = [name for name, layout in LAYOUTS.items() if layout.signs is not None and layout.signs(source)]
    if len(possible) > 1:
        raise BadData(f"{path} can be read as {', '.join(possible)}: choose one with --layout NAME.")
    return possible[0] if possible else "folders"


def list_images(path: Path, name: str | None, options: ReadOptions = READ_DEFAULTS) -> Listing:
    """What a folder holds, read as the layout `name`, or as the one that it certainly has.

    Where the options allow that, a folder of images alone has the one class UNLABELLED.
    Raises UnknownName, MissingFile (no such folder), BadData or EmptyData.
    """
    if name is not None and name not in LAYOUTS:
        raise UnknownName.of("layout", name, LAYOUTS)
    if not path.is_dir():
        raise MissingFile(f"{path} is not a folder: a layout is of a folder of images.")
    chosen, source, stated = name or detect(path, options), Source(path, options.follow_links), bool(options.classes)
    unlabelled = options.unlabelled and not stated and name is None and chosen == "folders"
    if unlabelled and folders.is_flat(source):
        return Listing(path, UNLABELLED, (UNLABELLED,), folders.flat_entries(source))
    layout = LAYOUTS[chosen]
    if layout.by_name:
        found = folders.classes(source, stated)
        return Listing(path, chosen, found.names, folders.entries(source, found), found.assumed)
    return Listing(path, chosen, layout.names, layout.entries(source))
