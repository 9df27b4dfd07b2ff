"""Running torch, converters and engines so that they neither print into a user's terminal nor are interrupted."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from importlib import import_module

from edgefer.runtime.interrupts import held
from edgefer.runtime.progress import SILENT, Progress


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what Python and native code write to stdout and stderr inside the block; interrupts wait for its end.

    If the block raises, what it wrote is attached to the exception as a note, so that nothing a
    person would need to find the cause is lost.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    level = logging.root.manager.disable
    with held(), tempfile.TemporaryFile() as sink, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        except Exception as error:
            sink.seek(0)
            error.add_note(sink.read().decode(errors="replace")[-4000:])
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])
            logging.disable(level)


def import_quietly(package: str, progress: Progress = SILENT) -> None:
    """Import a package that takes seconds and may print; raises ModuleNotFoundError."""
    progress.step("", f"loading {package}", 0, None)
    with quiet():
        import_module(package)
