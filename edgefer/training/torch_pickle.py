"""What a pickle of torch's would take in memory, before torch builds it: torch.load allocates what a file promises.

The pickle is gone through with objects that do nothing in place of all that it names, so no code of it runs, and what
it would allocate by a number alone is compared with the size of the file. torch.save writes no tensor that is larger.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

from edgefer.runtime.files import BoundedFile

_BYTES = {  # of a number in a storage, by the name of its class; the others have the least, so that none is refused
    "Double": 8,
    "Float": 4,
    "Half": 2,
    "BFloat16": 2,
    "Long": 8,
    "Int": 4,
    "Short": 2,
    "ComplexFloat": 8,
    "ComplexDouble": 16,
}
_PICKLES = 5  # of a file from before torch 1.6: a mark, a version, the machine, the content, its storages' order
_ZIP, _DATA = b"PK\x03\x04", "data.pkl"


class _Nothing:
    """In place of whatever the pickle names: takes all that is done with it. `path` is the name."""

    path = ""
    calls: list[tuple[str, tuple[Any, ...]]]

    def __new__(cls, *args: Any) -> _Nothing:
        cls.calls.append((cls.path, args))
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        pass

    def __call__(self, *_: Any) -> _Nothing:
        return self

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        """As a list's."""

    extend = add = update = append


class _Promises(pickle._Unpickler):  # type: ignore[name-defined,misc,unused-ignore] # its memo is a dict: C's is an array
    """Goes through a pickle; `storages` are the bytes of each, `calls` what is called with what.

    Without the operation that allocates before it reads, which torch's reader does not know either.
    """

    dispatch = {  # noqa: RUF012 - as in pickle
        key: load for key, load in pickle._Unpickler.dispatch.items() if key != pickle.BYTEARRAY8[0]
    }

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="bytes")
        self.storages: dict[Any, int] = {}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def find_class(self, module: str, name: str) -> type[_Nothing]:
        """A class that does nothing."""
        return type(name, (_Nothing,), {"path": f"{module}.{name}", "calls": self.calls})

    def persistent_load(self, saved: Any) -> _Nothing:
        """A storage; raises ValueError for what is none."""
        match saved:
            case ("storage" | b"storage", type() as kind, key, _, int(count), *_) if count >= 0:
                name = str(getattr(kind, "path", "")).rpartition(".")[2].removesuffix("Storage")
                self.storages[key] = max(self.storages.get(key, 0), count * _BYTES.get(name, 1))
                return self.find_class("", "")()
        raise ValueError("it refers to something that is no storage")


def require_kept(file: Path | io.BytesIO, size: int) -> None:
    """Raise an exception for a file of torch's, of `size` bytes, that promises more than is in it or is broken.

    `file` is its path or its content; of a zip archive the parts are not compressed.
    """
    with file if isinstance(file, io.BytesIO) else BoundedFile(file) as content:
        zipped = content.read(len(_ZIP)) == _ZIP  # as torch tells them apart, whatever follows
        content.seek(0)
        if not zipped:
            _require(content, _PICKLES, size)
            return
        with zipfile.ZipFile(content) as archive:
            for name in archive.namelist():
                if name.rpartition("/")[2] == _DATA:
                    _require(io.BytesIO(archive.read(name)), 1, size)


def _require(content: IO[bytes], pickles: int, size: int) -> None:
    for _ in range(pickles):
        promises = _Promises(content)
        promises.load()
        largest = max([sum(promises.storages.values()), *(_amount(*call) for call in promises.calls)])
        if largest > size:
            raise ValueError(f"it promises {largest:,} bytes of tensors, and the file has {size:,}")


def _amount(path: str, args: tuple[Any, ...]) -> int:
    """How much a call allocates at least, by the numbers that it gets; 0 for those that only take what is there."""
    name = path.rpartition(".")[2]
    if not name.endswith(("Storage", "Tensor")) and name not in ("bytearray", "_rebuild_qtensor"):
        return 0
    several = [args, *(each for each in args if isinstance(each, tuple))]
    return max(abs(prod(value for value in each if isinstance(value, int))) for each in several)
