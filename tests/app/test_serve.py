"""The server of a page."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgefer.app import certificate, serve
from edgefer.app.web import SETTINGS
from edgefer.runtime.errors import MissingFile, WrongOptions


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "engine").mkdir(parents=True)
    (folder / SETTINGS).write_text("{}")
    (folder / "index.html").write_text("<p>here")
    for name in ("a.js", "a.mjs", "a.wasm", "page.webmanifest"):
        (folder / "engine" / name).touch()
    return folder


@contextmanager
def serving(folder: Path, lan: bool = False) -> Iterator[str]:
    with serve.server(folder, 0, lan) as (server, address):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield address
        finally:
            server.shutdown()
            thread.join()


def test_files_have_the_types_that_browsers_insist_on(page: Path) -> None:
    with serving(page) as address:
        assert address.startswith("http://127.0.0.1:")
        types = {}
        for name in ("", "engine/a.js", "engine/a.mjs", "engine/a.wasm", "engine/page.webmanifest"):
            with urllib.request.urlopen(address + name, timeout=10) as answer:
                types[name] = answer.headers["Content-Type"]
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert list(types.values()) == [
        "text/html",
        "text/javascript",
        "text/javascript",
        "application/wasm",
        "application/manifest+json",
    ]


@pytest.mark.parametrize("path", ["engine/", "none", "../secret", "%2e%2e/secret"])
def test_nothing_else_is_served(page: Path, path: str) -> None:
    (page.parent / "secret").write_text("secret")
    with serving(page) as address, pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(address + path, timeout=10)


def test_a_port_in_use(page: Path) -> None:
    with serve.server(page, 0) as (server, _):
        port = server.server_address[1]
        with pytest.raises(WrongOptions, match=f"port {port} of 127.0.0.1 is in use"), serve.server(page, int(port)):
            pass


def test_what_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="is no page"), serve.server(tmp_path, 0):
        pass


def test_https_with_a_certificate_of_its_own(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setattr(certificate, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(serve, "lan_address", lambda: "127.0.0.1")
    with serving(page, lan=True) as address:
        kept = certificate.certificate_path("127.0.0.1")
        made = kept.read_bytes()
        context = ssl.create_default_context(cafile=kept)
        with urllib.request.urlopen(address, timeout=10, context=context) as answer:
            assert answer.read() == b"<p>here"
    assert kept.stat().st_mode & 0o077 == 0
    assert len(certificate.fingerprint("127.0.0.1").split(":")) == 32
    with serving(page, lan=True):
        assert kept.read_bytes() == made


def test_a_browser_that_goes_away_is_not_told_of(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setattr(certificate, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(serve, "lan_address", lambda: "127.0.0.1")
    answered: list[Any] = []
    monkeypatch.setattr(serve._Server, "shutdown_request", lambda self, request: answered.append(request))
    with serving(page, lan=True) as address:
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(address, timeout=10)
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        end = time.monotonic() + 10
        while len(answered) < 2 and time.monotonic() < end:
            time.sleep(0.01)
    assert len(answered) == 2
    assert capfd.readouterr() == ("", "")


def test_a_damaged_certificate_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography")
    monkeypatch.setattr(certificate, "cache_folder", lambda: tmp_path)
    path = certificate.certificate_path("127.0.0.1")
    path.parent.mkdir(parents=True)
    path.write_text("-----BEGIN CERTIFICATE-----\nno\n")
    certificate.server_context("127.0.0.1")
    assert "PRIVATE KEY" in path.read_text()


def test_the_code_of_an_address() -> None:
    pytest.importorskip("segno")
    lines = serve.qr_code("https://192.168.1.20:8000/").splitlines()
    assert len(lines) > 10 and {len(line) for line in lines} == {len(lines[0])}
