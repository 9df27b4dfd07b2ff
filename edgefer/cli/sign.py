"""edgefer key: pairs of keys; edgefer sign: bundles that a board or an app can tell from others."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edgefer.cli.command import Command, Group
from edgefer.cli.common import PATH, json_option, print_json
from edgefer.cli.streams import say


@click.group(cls=Group)
def key() -> None:
    """Make the keys that bundles are signed with, and show whose they are.

    \b
    Example: edgefer key new release --out keys
             edgefer key show keys/release.pub
    """


@key.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--out", type=PATH, default=Path(), metavar="FOLDER", help="Where NAME.key and NAME.pub go; default: this folder."
)
@click.option(
    "--passphrase",
    "wanted",
    is_flag=True,
    help="Ask for a passphrase; EDGEFER_KEY_PASSPHRASE, where it is set, is taken without asking.",
)
@json_option
def new(name: str, out: Path, wanted: bool, as_json: bool) -> None:
    """Make a pair of keys: NAME.key, which signs and stays secret, and NAME.pub for whoever checks.

    No file is ever replaced. Only you can read NAME.key. Give NAME.pub to the machines that check, and its fingerprint
    to people by another way, so that they can compare.

    \b
    Example: edgefer key new release --out keys --passphrase
    """
    import os

    from edgefer.pipeline.signing import PASSPHRASE, new_key
    from edgefer.runtime.records import plain

    passphrase = os.environ.get(PASSPHRASE) or None
    if wanted and passphrase is None:
        passphrase = _ask(twice=True)
        if passphrase is None:
            raise click.UsageError(f"--passphrase asks in a terminal: set {PASSPHRASE} instead.")
    made = new_key(name, out, passphrase)
    if as_json:
        print_json({"private": str(made.private), "public": str(made.public), **plain(made.key)})
        return
    guarded = "with a passphrase" if passphrase else "without a passphrase"
    say(f"wrote {made.private} (secret, {guarded}) and {made.public}")
    say(f"fingerprint {made.key.fingerprint}")
    say(f"next: edgefer sign dist/ean.tflite-int8 --key {made.private}")


@key.command()
@click.argument("keys", type=PATH, metavar="KEYS")
@json_option
def show(keys: Path, as_json: bool) -> None:
    """Show the names and fingerprints of public keys: a .pub file, or a folder of them.

    \b
    Example: edgefer key show keys/
    """
    from edgefer.runtime.signature import read_public_keys

    found = read_public_keys(keys)
    if as_json:
        print_json(found)
        return
    for each in found:
        click.echo(f"{each.name}  {each.fingerprint}")


@click.command(cls=Command)
@click.argument("bundles", nargs=-1, required=True, type=PATH, metavar="BUNDLE...")
@click.option("--key", "key_file", required=True, type=PATH, metavar="FILE", help="The private key, NAME.key.")
@click.option(
    "--version",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    metavar="N",
    help="Signed too; --min-version refuses lower ones: count it up with each release.",
)
@json_option
def sign(bundles: tuple[Path, ...], key_file: Path, version: int, as_json: bool) -> None:
    """Sign bundles, so that `--trusted` tells them from what somebody else made or changed.

    The signature (manifest.sig) covers every file of the bundle, and the version. A bundle that is changed or not whole
    is refused. If the key has a passphrase, EDGEFER_KEY_PASSPHRASE has it, or you are asked.

    \b
    Example: edgefer sign dist/ean.tflite-int8 --key keys/release.key --version 3
             edgefer verify dist/ean.tflite-int8 --trusted keys/release.pub --min-version 3
    """
    from edgefer.pipeline.signing import load_key, sign_bundle
    from edgefer.runtime.errors import EdgeferError, SeveralFailures
    from edgefer.runtime.signature import Signer

    signing = load_key(key_file, _ask)
    if signing.readable:
        say(f"edgefer: others can read {key_file}: chmod 600 keeps it secret.", err=True)
    signers: dict[str, Signer] = {}
    failures = []
    for folder in bundles:
        try:
            signers[str(folder)] = sign_bundle(folder, signing, version)
        except EdgeferError as error:
            failures.append(error)
            continue
        if not as_json:
            say(f"signed {folder}, key {signing.public.fingerprint[:16]}, version {version}")
    if as_json:
        print_json(
            [
                {"folder": folder, "fingerprint": signer.key.fingerprint, "version": signer.version}
                for folder, signer in signers.items()
            ]
        )
    if failures:
        raise SeveralFailures.of(failures)


def _ask(twice: bool = False) -> str | None:
    """The passphrase that somebody types, None without a terminal."""
    if not sys.stdin.isatty():
        return None
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True))
