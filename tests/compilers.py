"""Whether generated C can be compiled here: on a bare machine tests of C are skipped with the reason."""

from __future__ import annotations

from functools import cache

from edgefer.runtime.c.compiler import find_compiler
from edgefer.runtime.errors import EdgeferError

NEEDING = ("c", "c-int8")  # the format and its target


@cache
def lacking() -> str | None:
    """Why nothing can be compiled, None if it can."""
    try:
        find_compiler()
    except EdgeferError as error:
        return str(error)
    return None


def buildable(target: str) -> bool:
    """Whether bundles for the target (or of the format) can be built and run here."""
    return target not in NEEDING or lacking() is None
