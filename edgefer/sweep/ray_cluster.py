"""A Ray cluster: one that is there, or one of this process's own. Ray is imported only here."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

from edgefer.runtime.errors import MissingEngine, Unreachable

KNOCK = 10.0  # seconds in which a cluster must answer


def _knock(address: str) -> None:
    """Raise OSError where nobody answers at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK).close()


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module ray, connected to the cluster for as long as the block runs; `local`: to one that ends with it.

    Raises MissingEngine, Unreachable.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingEngine.of("ray", "ray") from error
    heard = signal.getsignal(signal.SIGTERM)
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="WARNING", namespace="edgefer")
    except (OSError, ValueError, RuntimeError) as error:
        raise Unreachable(
            f"no Ray cluster at {address} ({error}): start one with `ray start --head` and give its address, "
            "or --ray local."
        ) from error
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, heard)  # Ray's own would exit with 15, which is another failure's code
        yield ray
    finally:
        ray.shutdown()  # what runs is stopped; checkpoints stay
