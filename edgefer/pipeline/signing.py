"""Keys for signing bundles, and the signing: what happens on the machine that builds, and never on a device.

A private key is a PKCS 8 file (PEM) that only its owner can read, with or without a passphrase. No message holds any
of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefer.runtime import records
from edgefer.runtime.bundle import read_bundle
from edgefer.runtime.errors import BadKey, MissingEngine, OutputFailed, WrongOptions
from edgefer.runtime.files import write_atomic
from edgefer.runtime.signature import (
    EXTRA,
    PUBLIC,
    SIGNATURE,
    VERSION_LIMIT,
    PublicKey,
    Signature,
    Signer,
    Statement,
    Trust,
    ed25519,
    make_public_key,
    read_key_file,
)

PRIVATE = ".key"  # how the name of a private key's file ends
PASSPHRASE, PASSPHRASE_LIMIT = "EDGEFER_KEY_PASSPHRASE", 1000  # cryptography takes 1,023 bytes
Ask = Callable[[], str | None]  # for a passphrase; None: there is nobody to ask


@dataclass(frozen=True)
class KeyFiles:
    """A pair of keys that was written."""

    private: Path
    public: Path
    key: PublicKey


@dataclass(frozen=True)
class SigningKey:
    """A private key, ready to sign; readable: by others than its owner, which a user should know."""

    path: Path
    key: Any  # an Ed25519PrivateKey
    readable: bool

    @property
    def public(self) -> PublicKey:
        """Its public half, by the name of its file where that can be a name."""
        stem = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in self.path.stem[:99])
        return make_public_key(stem if stem[:1].isalnum() else f"k{stem}", self.key.public_key().public_bytes_raw())


def new_key(name: str, folder: Path, passphrase: str | None = None) -> KeyFiles:
    """Write a new pair of keys: NAME.key, which only its owner can read, and NAME.pub.

    Neither is ever written over another file. Raises BadKey for a name that is none, WrongOptions for an empty or
    endless passphrase, OutputFailed, or MissingEngine without cryptography.
    """
    private = ed25519().Ed25519PrivateKey.generate()
    public = make_public_key(name, private.public_key().public_bytes_raw())
    files = KeyFiles(folder / f"{name}{PRIVATE}", folder / f"{name}{PUBLIC}", public)
    for path in (files.private, files.public):
        _require_new(path)
    write_atomic(files.private, _pem(private, passphrase), mode=0o600, replace=False)
    try:
        records.write(files.public, public)
    except BaseException:
        files.private.unlink(missing_ok=True)
        raise
    return files


def _pem(private: Any, passphrase: str | None) -> bytes:
    from cryptography.hazmat.primitives import serialization as formats

    secret = None if passphrase is None else os.fsencode(passphrase)
    if secret is not None and not 0 < len(secret) <= PASSPHRASE_LIMIT:
        raise WrongOptions(f"a passphrase has 1 to {PASSPHRASE_LIMIT} bytes, this one {len(secret)}: give another one.")
    cipher = formats.NoEncryption() if secret is None else formats.BestAvailableEncryption(secret)
    return bytes(private.private_bytes(formats.Encoding.PEM, formats.PrivateFormat.PKCS8, cipher))


def _require_new(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise OutputFailed(f"{path} is there, and a key is never replaced: choose another name or --out.")


def load_key(path: Path, ask: Ask = lambda: None) -> SigningKey:
    """The private key in a file; `ask` gives its passphrase, if it has one and EDGEFER_KEY_PASSPHRASE is not set.

    Raises MissingFile, or BadKey for what is no such key or has another passphrase.
    """
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ModuleNotFoundError as error:
        raise MissingEngine.of("cryptography", EXTRA) from error
    content = read_key_file(path)
    passphrase = None
    if b"ENCRYPTED" in content:
        passphrase = os.environ.get(PASSPHRASE) or ask()
        if not passphrase:
            raise BadKey(f"the key {path} has a passphrase: set {PASSPHRASE}, or run this in a terminal.")
    try:
        private = load_pem_private_key(content, None if passphrase is None else os.fsencode(passphrase))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if passphrase is not None:
            raise BadKey(f"the key {path} has another passphrase, or is damaged: try again.") from None
        raise BadKey(f"{path} is no private key: give the *{PRIVATE} that `edgefer key new` wrote.") from error
    if not isinstance(private, ed25519().Ed25519PrivateKey):
        raise BadKey(f"{path} is a private key, but no Ed25519 one: `edgefer key new` makes one.")
    return SigningKey(path, private, os.name == "posix" and bool(path.stat().st_mode & 0o077))


def sign_bundle(folder: Path, key: SigningKey, version: int = 1) -> Signer:
    """Sign a bundle, all of whose files are there and unchanged, as this version; an earlier signature is replaced.

    Raises what read_bundle raises, WrongOptions for a version out of range, OutputFailed.
    """
    if not 0 <= version <= VERSION_LIMIT:
        raise WrongOptions(f"the version {version} is out of range: give 0 to {VERSION_LIMIT}.")
    bundle = read_bundle(folder)
    statement = Statement(bundle.sha256, version)
    signed = key.key.sign(records.canonical(statement))
    write_atomic(folder / SIGNATURE, records.dumps(Signature(version, key.public.fingerprint, signed.hex())).encode())
    signer = read_bundle(folder, Trust((key.public,), version)).signer
    assert signer is not None
    return signer
