"""Signatures of bundles: what is signed, and whether a bundle has a signature of a trusted key.

What is signed is a statement: the SHA-256 of manifest.json as it lies there, and a version, as canonical JSON. The
manifest holds the checksums of all other files, so a statement is about every byte of the bundle. Keys and signatures
are Ed25519 (RFC 8032), computed by the package cryptography.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgefer.runtime import records
from edgefer.runtime.errors import (
    BadKey,
    BadRecord,
    BadSignature,
    MissingEngine,
    MissingFile,
    NotSigned,
    NotTrusted,
    Outdated,
    WrongOptions,
)
from edgefer.runtime.files import digest
from edgefer.runtime.names import NAMES_ARE, is_name

SIGNATURE = "manifest.sig"
PUBLIC = ".pub"  # how the name of a public key's file ends
EXTRA = "sign"
VERSION_LIMIT = 2**53 - 1  # the largest whole number that every JSON reader has
KEY_LIMIT = 16 * 2**10  # bytes of a key's file
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_SHORT = 16  # digits of a fingerprint in a line


@dataclass(frozen=True)
class Statement:
    """What is signed, as `records.canonical` writes it."""

    schema: str = field(default="edgefer/statement/1", kw_only=True)
    manifest_sha256: str
    version: int


@dataclass(frozen=True)
class Signature:
    """manifest.sig: the version that is signed too, the fingerprint of the key, the signature in hexadecimal digits."""

    schema: str = field(default="edgefer/signature/1", kw_only=True)
    version: int
    fingerprint: str
    signature: str


@dataclass(frozen=True)
class PublicKey:
    """A public key by the name that its owner gave it.

    key          its 32 bytes in hexadecimal digits
    fingerprint  their SHA-256, 64 hexadecimal digits: what people compare
    """

    schema: str = field(default="edgefer/public-key/1", kw_only=True)
    name: str
    fingerprint: str
    key: str

    @property
    def words(self) -> str:
        """For a line: its name and the beginning of its fingerprint."""
        return f"{self.name} ({self.fingerprint[:_SHORT]})"


@dataclass(frozen=True)
class Signer:
    """Who signed a bundle, and as what version: checked, not claimed."""

    key: PublicKey
    version: int

    @property
    def words(self) -> str:
        """For a line."""
        return f"{self.key.words}, version {self.version}"

    def record(self) -> dict[str, str | int]:
        """What --json prints of it."""
        return {"name": self.key.name, "fingerprint": self.key.fingerprint, "version": self.version}


@dataclass(frozen=True)
class Trust:
    """What the signature of a bundle has to be: of one of these keys, and of this version or a later one."""

    keys: tuple[PublicKey, ...]
    min_version: int = 0

    def check(self, folder: Path, manifest: bytes, text: str | None) -> Signer:
        """Who signed these bytes of the bundle's manifest.json; `text` is its manifest.sig's, None without one.

        Raises NotSigned, NotTrusted, BadSignature or Outdated.
        """
        names = ", ".join(key.words for key in self.keys)
        if text is None:
            raise NotSigned(
                f"{folder} is not signed (it has no {SIGNATURE}), and a signature of {names} is demanded: get the "
                "signed bundle, or sign it with `edgefer sign` where the key is."
            )
        signature = _parse_signature(folder, text)
        key = next((key for key in self.keys if key.fingerprint == signature.fingerprint), None)
        if key is None:
            raise NotTrusted(
                f"{folder} is signed by the key {signature.fingerprint[:_SHORT]!r}, and trusted are {names}: don't use "
                "it, or add its public key to --trusted if you know whose it is."
            )
        statement = Statement(digest(manifest), signature.version)
        if not _is_signed(key, records.canonical(statement), signature.signature):
            raise BadSignature(
                f"{folder}: its signature is not that of {key.words} for this manifest.json and version "
                f"{signature.version}: one of them was changed after signing; get the bundle again from who signed it."
            )
        if signature.version < self.min_version:
            raise Outdated(
                f"{folder} is signed by {key.words} as version {signature.version}, at least {self.min_version} is "
                "demanded: get the newer bundle."
            )
        return Signer(key, signature.version)


def trust_of(trusted: str | os.PathLike[str] | None, min_version: int | None = None) -> Trust | None:
    """What `--trusted` and `--min-version` demand; None: nothing.

    Raises WrongOptions for a version without keys or out of range, else what `read_public_keys` raises, and
    MissingEngine without cryptography.
    """
    if min_version is not None and not 0 <= min_version <= VERSION_LIMIT:
        raise WrongOptions(f"the lowest version {min_version} is out of range: give 0 to {VERSION_LIMIT}.")
    if trusted is None:
        if min_version is not None:
            raise WrongOptions("--min-version is of a signature: say with --trusted whose.")
        return None
    ed25519()  # better said before a bundle is looked at
    return Trust(read_public_keys(Path(trusted)), min_version or 0)


def read_public_keys(path: Path) -> tuple[PublicKey, ...]:
    """The public key in a file, or those in a folder's .pub files; raises MissingFile or BadKey."""
    if not path.is_dir():
        return (read_public_key(path),)
    files = sorted(each for each in path.iterdir() if each.name.endswith(PUBLIC))
    if not files:
        raise BadKey(f"{path} holds no file *{PUBLIC}: give the folder or the file of the public keys that you trust.")
    return tuple(map(read_public_key, files))


def read_public_key(path: Path) -> PublicKey:
    """The public key in a file; raises MissingFile, or BadKey if it is none or has another fingerprint."""
    advice = f"give a file *{PUBLIC} that `edgefer key new` wrote"
    content = read_key_file(path)
    if b"PRIVATE KEY" in content:
        raise BadKey(f"{path} is a private key, which stays with who signs: {advice}.")
    try:
        key = records.parse(PublicKey, content.decode(), str(path), advice, plain_text=True)
    except UnicodeDecodeError as error:
        raise BadKey(f"{path} is no public key (it is no text): {advice}.") from error
    except BadRecord as error:
        raise BadKey(f"{error}") from error
    if not is_name(key.name):
        raise BadKey(f"{path}: {key.name!r:.99} is no name of a key: {NAMES_ARE}.")
    raw = _decode(key.key, _KEY_BYTES)
    if raw is None or fingerprint(raw) != key.fingerprint:
        raise BadKey(f"{path}: its fingerprint is not that of its key, so one of them was changed: {advice}.")
    return key


def make_public_key(name: str, raw: bytes) -> PublicKey:
    """The record of a key's 32 bytes; raises BadKey for a name that is none."""
    if not is_name(name):
        raise BadKey(f"{name!r:.99} is no name of a key: {NAMES_ARE}.")
    return PublicKey(name, fingerprint(raw), raw.hex())


def fingerprint(raw: bytes) -> str:
    """The SHA-256 of a public key's bytes, in hexadecimal digits."""
    return digest(raw)


def read_key_file(path: Path) -> bytes:
    """The bytes of a key's file; raises MissingFile, or BadKey for what is no regular file or too large for a key."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > KEY_LIMIT:
            raise BadKey(f"{path} is no file of a key: give a regular file of at most {KEY_LIMIT:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise MissingFile(f"can't read the key {path} ({error.strerror}): check the path.") from error


def ed25519() -> ModuleType:
    """The part of cryptography that signs and checks; raises MissingEngine if it is not installed."""
    try:
        return import_module("cryptography.hazmat.primitives.asymmetric.ed25519")
    except ModuleNotFoundError as error:
        raise MissingEngine.of("cryptography", EXTRA) from error


def _parse_signature(folder: Path, text: str) -> Signature:
    """The signature that manifest.sig holds; raises BadSignature, also for text that edgefer writes otherwise."""
    source, advice = str(folder / SIGNATURE), "get the bundle again from who signed it"
    try:
        signature = records.parse(Signature, text, source, advice, plain_text=True)
    except BadRecord as error:
        raise BadSignature(str(error)) from error
    if not 0 <= signature.version <= VERSION_LIMIT or records.dumps(signature) != text:
        raise BadSignature(f"{source} is not as `edgefer sign` writes it: {advice}.")
    return signature


def _is_signed(key: PublicKey, content: bytes, signature: str) -> bool:
    """Whether the signature is the key's for this content."""
    from cryptography.exceptions import InvalidSignature

    raw, given = _decode(key.key, _KEY_BYTES), _decode(signature, _SIGNATURE_BYTES)
    if raw is None or given is None:
        return False
    try:
        ed25519().Ed25519PublicKey.from_public_bytes(raw).verify(given, content)
    except InvalidSignature:
        return False
    return True


def _decode(text: str, count: int) -> bytes | None:
    """The bytes that so many pairs of lower-case hexadecimal digits stand for; None if they don't."""
    return bytes.fromhex(text) if re.fullmatch(f"[0-9a-f]{{{2 * count}}}", text) else None
