"""edgefer takes a compact facial expression recognition network from data to a device.

The functions below are resolved when they are used, so that `import edgefer` loads neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer.runtime import __version__ as __version__

if TYPE_CHECKING:
    from edgefer.api import bench, build, compare, recommend, sign, verify
    from edgefer.runtime.classifier import Classification, Classifier, load
    from edgefer.runtime.errors import EdgeferError
    from edgefer.runtime.progress import Progress

__all__ = [
    "Classification",
    "Classifier",
    "EdgeferError",
    "Progress",
    "__version__",
    "bench",
    "build",
    "compare",
    "load",
    "recommend",
    "sign",
    "verify",
]

_MODULES = {
    "bench": "edgefer.api",
    "build": "edgefer.api",
    "compare": "edgefer.api",
    "recommend": "edgefer.api",
    "sign": "edgefer.api",
    "verify": "edgefer.api",
    "Classification": "edgefer.runtime.classifier",
    "Classifier": "edgefer.runtime.classifier",
    "load": "edgefer.runtime.classifier",
    "EdgeferError": "edgefer.runtime.errors",
    "Progress": "edgefer.runtime.progress",
}


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
