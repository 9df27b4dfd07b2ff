"""Which classes a data set has: the words that folders are called by, and what the user states with --classes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgefer.data.dataset import Dataset, class_of
from edgefer.data.listing import StatedClasses, printable
from edgefer.runtime import records
from edgefer.runtime.errors import BadData, BadRecord, WrongOptions, one_line
from edgefer.runtime.labels import CLASS_WORDS, FERPLUS, FERPLUS_NAME, LABELS

KNOWN = (*LABELS, "contempt")
_FROM_FERPLUS = {word: name for name, word in FERPLUS_NAME.items()}
_AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
_RAF_DB = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
_CK_PLUS = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
# what a class folder's number means, for each set that people hand on in numbered folders
ORDERS: dict[str, dict[str, str]] = {
    "fer2013": {str(number): name for number, name in enumerate(LABELS)},
    "ferplus": {str(number): _FROM_FERPLUS.get(name, name) for number, name in enumerate(FERPLUS[:8])},
    "affectnet": {str(number): name for number, name in enumerate(_AFFECTNET)},
    "raf-db": {str(number): name for number, name in enumerate(_RAF_DB, start=1)},
    "ck+": {str(number): name for number, name in enumerate(_CK_PLUS)},
}
_FILES = (".toml", ".json")


def apply(stated: StatedClasses, data: Dataset, say: Callable[[str], None]) -> Dataset:
    """The faces of these classes; tells what is left out. Raises BadData for a class that is not stated."""
    meaning = {name: _meaning(stated, name, data) for name in data.names}
    names = stated.names or tuple(name for name in KNOWN if name in meaning.values())
    if not any(meaning.values()):
        raise BadData(f"{data.source} has the classes {_listed(data.names)}, none of --classes {stated.text}.")
    places = np.array([names.index(new) if new else -1 for new in meaning.values()], dtype=np.int64)
    for number, name in enumerate(data.names):
        count = int((data.labels == number).sum())
        if count and places[number] < 0:
            say(one_line(f"{data.source}: {count:,} images of class {name} are left out"))
    labels = places[data.labels]
    return replace(data, names=names, labels=labels).take(np.flatnonzero(labels >= 0))


def _meaning(stated: StatedClasses, name: str, data: Dataset) -> str:
    """What a class of the source is called here, "" for one that is left out."""
    if stated.mapping:
        found = stated.mapping.get(name.lower())
        found = stated.mapping.get(class_of(name)) if found is None else found
        if found is None:
            raise BadData(
                f"{data.source}: --classes {stated.text} says nothing of the class {printable(name)!r}, it has "
                f'{_listed(stated.mapping)}: add it, as "" if it is to be left out.'
            )
        return found
    if all(map(_is_number, data.names)):
        return _numbered(stated, int(name), data)
    same = {class_of(each): each for each in stated.names}
    if class_of(name) not in same and class_of(name) not in KNOWN:
        raise BadData(unknown_class(data.source, name, [*stated.names, *_WORDS]))
    return same.get(class_of(name), "")


def _numbered(stated: StatedClasses, number: int, data: Dataset) -> str:
    """The class of a numbered folder, counted from 0 or 1, whichever the folders certainly are."""
    numbers = set(map(int, data.names))
    first = 0 if 0 in numbers else 1
    count = len(stated.names)
    if (first == 1 and count not in numbers) or not numbers <= set(range(first, count + first)):
        raise BadData(
            f"{data.source}: the class folders {_listed(data.names)} are not the numbers of {count} classes "
            "from 0 or from 1: say what each means in a file (--classes classes.toml)."
        )
    return stated.names[number - first]


def parse(text: str) -> StatedClasses:
    """What the user gave: the name of a numbered order, a file, or a list with commas.

    Raises WrongOptions, MissingFile or BadRecord.
    """
    if text.lower() in ORDERS:
        return StatedClasses(text, ORDERS[text.lower()], ())
    if text.lower().endswith(_FILES):
        mapping = _read(Path(text))
        return StatedClasses(text, mapping, tuple(dict.fromkeys(name for name in mapping.values() if name)))
    names = tuple(name.strip() for name in text.split(","))
    if len(names) < 2 or not all(names) or len(set(map(class_of, names))) < len(names):
        near = difflib.get_close_matches(text.lower(), ORDERS, n=1)
        raise WrongOptions(
            f"--classes {text!r} must be two or more classes with commas between them, each once, "
            f"a .toml or .json file, or the numbers of {', '.join(ORDERS)}"
            f"{f': did you mean {near[0]}?' if near else '.'}"
        )
    return StatedClasses(text, {}, names)


def _read(path: Path) -> dict[str, str]:
    """What a file says: under [classes], what a class folder is called -> its class, "" to leave it out."""
    read = records.read_toml if path.suffix.lower() == ".toml" else records.read_json
    content = read(path, "correct it")
    table = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(table, dict) or not all(isinstance(name, str) for name in table.values()):
        raise BadRecord(f'{path} must have a table "classes" of lines like 0 = "neutral" or bored = "", and no others.')
    if len({name for name in table.values() if name}) < 2:
        raise BadRecord(f"{path} names less than two classes: name those that the network is to tell.")
    return {folder.lower(): name for folder, name in table.items()}


_WORDS = [*(word for words in CLASS_WORDS.values() for word in words)]


def unknown_class(source: object, name: str, known: Iterable[str], allowed: str = "") -> str:
    """A line about a class folder that is not known, with the nearest word if there is one."""
    words = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name.lower(), words, n=1, cutoff=0.7)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"{source}: unknown class folder '{printable(name)}'{meant}, must be one of {allowed or ', '.join(words)}; "
        "--classes states other ones."
    )


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(printable, names))
