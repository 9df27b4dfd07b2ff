"""A server for a page: on this machine only, or over HTTPS for phones in the same network."""

from __future__ import annotations

import errno
import functools
import io
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edgefer.app.certificate import EXTRA, server_context
from edgefer.app.web import SETTINGS
from edgefer.runtime.errors import MissingEngine, MissingFile, NotSetUp, WrongOptions

LOOPBACK = "127.0.0.1"
PORT = 8000
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the only part that a page can't say of itself
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Handler(SimpleHTTPRequestHandler):
    """Serves files only, says nothing of requests."""

    timeout = 60  # seconds that a connection may keep a thread waiting
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
    }

    def end_headers(self) -> None:
        """Add the headers of every answer."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def list_directory(self, path: object) -> None:
        """Lists no folder."""
        del path
        self.send_error(404, "File not found")

    def log_message(self, *words: object) -> None:
        """Logs nothing."""


class _Server(ThreadingHTTPServer):
    """Answers each request in a thread of its own."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away or does not trust the certificate yet, as every phone at first."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def server(folder: Path, port: int = PORT, lan: bool = False) -> Iterator[tuple[ThreadingHTTPServer, str]]:
    """A server of a page's folder, and the page's address; the caller lets it serve.

    Raises MissingFile if the folder is no page, WrongOptions if the port can't be had, NotSetUp without a network.
    """
    if not (folder / SETTINGS).is_file():
        raise MissingFile(f"{folder} is no page: `edgefer app web BUNDLE` writes one.")
    host = lan_address() if lan else LOOPBACK
    handler = functools.partial(_Handler, directory=str(folder))
    try:
        made = _Server((host, port), handler)
    except OSError as error:
        raise _refused(error, host, port) from error
    with made:
        if lan:
            made.socket = _wrapped(server_context(host), made.socket)
        yield made, f"{'https' if lan else 'http'}://{host}:{made.server_address[1]}/"


def _wrapped(context: ssl.SSLContext, listening: socket.socket) -> ssl.SSLSocket:
    """A TLS socket whose handshakes are done by the threads that answer, so that one slow client stops no other."""
    return context.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)


def _refused(error: OSError, host: str, port: int) -> WrongOptions:
    if error.errno == errno.EADDRINUSE:
        return WrongOptions(f"port {port} of {host} is in use: choose another with --port, 0 takes any free one.")
    return WrongOptions(f"port {port} of {host} can't be had ({error.strerror}): choose another with --port.")


def lan_address() -> str:
    """This machine's address in its network; raises NotSetUp if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outgoing:
        try:
            outgoing.connect(("192.0.2.1", 9))  # an address for documentation; a datagram socket sends nothing yet
            address = str(outgoing.getsockname()[0])
        except OSError as error:
            raise NotSetUp(f"this machine has no network for --lan ({error.strerror}): connect it to one.") from error
    if address.startswith("127."):
        raise NotSetUp("this machine has no network for --lan, only the loopback: connect it to one.")
    return address


def qr_code(address: str) -> str:
    """The address as a QR code of characters; raises MissingEngine without segno."""
    try:
        import segno
    except ModuleNotFoundError as error:
        raise MissingEngine.of("segno", EXTRA) from error
    drawn = io.StringIO()
    segno.make(address, error="m", micro=False).terminal(drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n")
