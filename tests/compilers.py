"""Whether generated C can be compiled here: on a bare machine tests of C are skipped with the reason."""

from __future__ import annotations

from functools import cache

from edgefer.runtime.c.compiler import find_compiler
from edgefer.runtime.errors import EdgeferError

C_TARGET = "c-int8"


@cache
def lacking() -> str | None:
    """Why nothing can be compiled, None if it can."""
    try:
        find_compiler()
    except EdgeferError as error:
        return str(error)
    return None


def buildable(target: str) -> bool:
    """Whether bundles for the target can be built and run here."""
    return target != C_TARGET or lacking() is None
