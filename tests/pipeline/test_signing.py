"""Keys: written once, for their owner only; and what may be signed."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from edgefer.pipeline import signing
from edgefer.pipeline.signing import PASSPHRASE, load_key, new_key, sign_bundle
from edgefer.runtime import records
from edgefer.runtime.bundle import read_bundle, require_replaceable
from edgefer.runtime.errors import BadKey, BrokenBundle, MissingFile, OutputFailed, WrongOptions
from edgefer.runtime.signature import SIGNATURE, Trust
from tests.gate.made import bundle


@pytest.fixture(autouse=True)
def no_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSPHRASE, raising=False)


def test_only_its_owner_reads_a_key(tmp_path: Path) -> None:
    made = new_key("release", tmp_path / "keys")
    assert stat.S_IMODE(made.private.stat().st_mode) == 0o600
    assert sorted(path.name for path in made.private.parent.iterdir()) == ["release.key", "release.pub"]
    assert load_key(made.private).public == made.key
    assert not load_key(made.private).readable
    made.private.chmod(0o644)
    assert load_key(made.private).readable


@pytest.mark.parametrize("taken", ["release.key", "release.pub"])
def test_no_key_is_replaced(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    with pytest.raises(OutputFailed, match=f"{taken} is there"):
        new_key("release", tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(taken, "precious")]


def test_half_a_pair_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OutputFailed("full")

    monkeypatch.setattr(records, "write", fail)
    with pytest.raises(OutputFailed):
        new_key("release", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a b", "-a", "a\n"])
def test_names_of_keys(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadKey):
        new_key(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_passphrases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_key("release", tmp_path, "correct horse")
    assert b"ENCRYPTED" in made.private.read_bytes()
    assert load_key(made.private, lambda: "correct horse").public == made.key
    with pytest.raises(BadKey, match="has a passphrase"):
        load_key(made.private)
    with pytest.raises(BadKey, match="another passphrase") as caught:
        load_key(made.private, lambda: "wrong")
    assert "wrong" not in str(caught.value)
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    assert load_key(made.private).public == made.key
    for passphrase in ("", "x" * 2000):
        with pytest.raises(WrongOptions):
            new_key("other", tmp_path, passphrase)
    assert not (tmp_path / "other.key").exists()


def test_files_that_are_no_keys(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        load_key(tmp_path / "gone.key")
    (tmp_path / "text.key").write_text("no key")
    with pytest.raises(BadKey, match="no private key"):
        load_key(tmp_path / "text.key")
    from cryptography.hazmat.primitives import serialization as formats
    from cryptography.hazmat.primitives.asymmetric import ec

    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(formats.Encoding.PEM, formats.PrivateFormat.PKCS8, formats.NoEncryption())
    (tmp_path / "ec.key").write_bytes(pem)
    with pytest.raises(BadKey, match="no Ed25519"):
        load_key(tmp_path / "ec.key")


def test_openssl_holds_a_signature_for_right(tmp_path: Path) -> None:
    """What docs/bundles.md tells those to do who check without edgefer."""
    made = new_key("release", tmp_path)
    folder = bundle(tmp_path / "dist", seconds=0.001)
    sign_bundle(folder, load_key(made.private), 7)
    digest = subprocess.run(["sha256sum", folder / "manifest.json"], capture_output=True, text=True, check=True).stdout
    statement = f'{{"manifest_sha256":"{digest[:64]}","schema":"edgefer/statement/1","version":7}}'
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = records.read_json(folder / SIGNATURE)["signature"]
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(made.key.key)).verify(bytes.fromhex(signature), statement.encode())


@pytest.mark.parametrize("damage", ["changed", "missing", "added"])
def test_a_damaged_bundle_is_not_signed(tmp_path: Path, damage: str) -> None:
    key = load_key(new_key("release", tmp_path).private)
    folder = bundle(tmp_path / "dist", seconds=0.001)
    if damage == "changed":
        (folder / "model.onnx").write_text("2")
    elif damage == "missing":
        (folder / "build.json").unlink()
    else:
        (folder / "more").write_text("")
    with pytest.raises(BrokenBundle):
        sign_bundle(folder, key)
    assert not (folder / SIGNATURE).exists()


def test_signed_again_and_built_again(tmp_path: Path) -> None:
    made = new_key("release", tmp_path)
    key, folder = load_key(made.private), bundle(tmp_path / "dist", seconds=0.001)
    assert sign_bundle(folder, key, 1).version == 1
    assert sign_bundle(folder, key, 2).version == 2
    for version in (-1, 2**53):
        with pytest.raises(WrongOptions):
            sign_bundle(folder, key, version)
    assert read_bundle(folder, Trust((made.key,), 2)).signer is not None
    require_replaceable(folder)


def test_a_key_whose_file_has_no_name_for_one(tmp_path: Path) -> None:
    made = new_key("release", tmp_path)
    odd = made.private.rename(tmp_path / ". ü .key")
    assert load_key(odd).public.fingerprint == made.key.fingerprint
    assert signing.PRIVATE == ".key"
