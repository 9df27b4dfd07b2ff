"""edgefer app: a bundle as a web page, and a server for it; a bundle as a part of a phone's app."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Group
from edgefer.cli.common import PATH, json_option, print_json
from edgefer.cli.streams import say
from edgefer.cli.trust import trust_options

if TYPE_CHECKING:
    from edgefer.app.phone import PhoneApp

_MEGA = 1_000_000


@click.group(cls=Group)
def app() -> None:
    """Turn a bundle into an app: a web page that runs it on a phone or a laptop, or code for an app of your own.

    \b
    Example: edgefer app setup tflite
             edgefer app web dist/ean.tflite-int8-floatio
             edgefer app serve web/ean.tflite-int8-floatio
             edgefer app android dist/ean.tflite-int8
             edgefer app ios dist/ean.tflite-int8-floatio
    """


@app.command()
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option("--out", type=PATH, metavar="FOLDER", help="The page's folder; default: web/ and the bundle's name.")
@click.option(
    "--detector",
    default="blazeface",
    show_default=True,
    metavar="NAME",
    help="What finds the face: blazeface, or none: a photo, or the middle of the camera's picture, is the face.",
)
@trust_options
@json_option
def web(as_json: bool, **options: Any) -> None:
    """Write a folder that is a page: camera or photo in, expression out, all in the browser.

    The page checks the bundle's golden pair on the device that it is opened on, works offline and sends no picture
    anywhere. It runs networks as C (c-int8), which need no engine, TFLite bundles with float32 input and output, and
    ONNX ones.

    \b
    Example: edgefer detector setup blazeface
             edgefer app setup tflite
             edgefer app web dist/ean.tflite-int8-floatio
             edgefer app serve web/ean.tflite-int8-floatio
    """
    from edgefer.app.web import WebOptions, write_page
    from edgefer.runtime.records import plain

    page = write_page(WebOptions(**options))
    if as_json:
        print_json({"folder": str(page.folder), "bytes": page.bytes, **plain(page.settings)})
        return
    size = f"{page.bytes / _MEGA:.1f} MB, {' and '.join(page.settings.engines)} included"
    say(f"wrote {page.folder} ({len(page.settings.files)} files, {size}); next: edgefer app serve {page.folder}")


@app.command()
@click.argument("folder", type=PATH, metavar="FOLDER")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    metavar="PORT",
    help="0 takes any free one.",
)
@click.option("--lan", is_flag=True, help="Serve the local network over HTTPS, and show the address as a QR code.")
@json_option
def serve(folder: Path, port: int, lan: bool, as_json: bool) -> None:
    """Serve a page until Ctrl-C: to this machine only, or with --lan to phones in the same network.

    Phones give a page the camera over HTTPS only. The certificate is made here and signed by itself, so the phone's
    browser warns of it once; compare the fingerprint. The extra edgefer[web] has what --lan needs.

    \b
    Example: edgefer app serve web/ean.tflite-int8-floatio
             edgefer app serve web/ean.tflite-int8-floatio --lan
    """
    from edgefer.app.certificate import fingerprint
    from edgefer.app.serve import qr_code, server

    with server(folder, port, lan) as (serving, address), contextlib.suppress(KeyboardInterrupt):
        digest = fingerprint(str(serving.server_address[0])) if lan else None
        if as_json:
            print_json({"address": address, "certificate_sha256": digest})
        else:
            if lan:
                click.echo(f"{qr_code(address)}\ncertificate's SHA-256: {digest}")
            say(f"{folder} is at {address} until Ctrl-C")
        serving.serve_forever()


@app.command()
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option(
    "--out", type=PATH, metavar="FOLDER", help="The module's folder; default: android/ and the bundle's name."
)
@click.option(
    "--package",
    default="edgefer.expressions",
    show_default=True,
    metavar="NAME",
    help="The package of the Kotlin code.",
)
@trust_options
@json_option
def android(as_json: bool, **options: Any) -> None:
    """Write a Gradle module for an Android app: a TFLite bundle's model, labels, Kotlin code and tests.

    The Kotlin code prepares a face byte for byte as edgefer does; a unit test shows it with the bundle's golden
    picture, and an instrumented one runs the model on a phone. All TFLite bundles do, also those with int8 input and
    output.

    \b
    Example: edgefer app android dist/ean.tflite-int8
             edgefer app android dist/ean.tflite-int8 --package org.example.faces --out expressions
    """
    from edgefer.app.phone import PhoneOptions, write_android

    _say(write_android(PhoneOptions(**options)), as_json)


@app.command()
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.option("--out", type=PATH, metavar="FOLDER", help="Where to; default: ios/ and the bundle's name.")
@trust_options
@json_option
def ios(as_json: bool, **options: Any) -> None:
    """Write a folder for an iOS app in Xcode: a TFLite bundle's model, labels, Swift code and a test.

    The Swift code prepares a face byte for byte as edgefer does; its XCTest shows it with the bundle's golden picture,
    and runs the model. TensorFlowLiteSwift takes float32 input and output only.

    \b
    Example: edgefer app ios dist/ean.tflite-int8-floatio
    """
    from edgefer.app.phone import PhoneOptions, write_ios

    _say(write_ios(PhoneOptions(**options)), as_json)


def _say(made: PhoneApp, as_json: bool) -> None:
    """What was written for a phone."""
    from edgefer.runtime.records import plain

    record = made.record
    if as_json:
        print_json({"folder": str(made.folder), "bytes": made.bytes, **plain(record)})
        return
    size = f"{made.bytes / _MEGA:.1f} MB, {record.input} input and {record.output} output"
    say(f"wrote {made.folder} ({len(record.files)} files, {size}); next: {made.folder / 'README.md'}")


@app.command()
@click.argument("formats", nargs=-1, metavar="[FORMAT...]")
@click.option(
    "--package",
    "given",
    type=PATH,
    multiple=True,
    metavar="FILE",
    help="Take this .tgz file of a package instead of fetching it; may be repeated.",
)
@json_option
def setup(formats: tuple[str, ...], given: tuple[Path, ...], as_json: bool) -> None:
    """Fetch what runs models in a browser, once: pinned packages, with npm, checked by SHA-512.

    FORMAT is tflite (LiteRT.js) or onnx (onnxruntime-web); default: both. They are kept in the user's cache.

    \b
    Example: edgefer app setup tflite
             edgefer app setup tflite --package litertjs-core-2.5.3.tgz --package litertjs-wasm-utils-2.5.3.tgz
    """
    from edgefer.app.web_engines import set_up, web_engines

    engines = web_engines()
    ready = set_up(formats or tuple(engines), given)
    if as_json:
        print_json([{"package": each.name, "version": each.version, "file": str(path)} for each, path in ready])
        return
    for package, path in ready:
        say(f"{package.name} {package.version} ({package.licence}) is at {path}")
    for name in formats:
        if not engines[name].packages:
            click.echo(f"{name} needs nothing: a page has {engines[name].title}")
