"""What a signature covers, and what is refused before anything of a bundle is parsed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.pipeline.signing import KeyFiles, load_key, new_key, sign_bundle
from edgefer.runtime import bundle as bundles
from edgefer.runtime import records
from edgefer.runtime.bundle import MANIFEST, read_bundle
from edgefer.runtime.errors import (
    BadKey,
    BadSignature,
    BrokenBundle,
    EdgeferError,
    MissingFile,
    NotSigned,
    NotTrusted,
    Outdated,
    WrongOptions,
)
from edgefer.runtime.signature import SIGNATURE, PublicKey, Signature, Statement, Trust, read_public_keys, trust_of
from tests.gate.made import bundle

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_canonical_json_is_one_text_for_one_value(value: Any) -> None:
    text = records.canonical(value)
    assert json.loads(text) == value and text.isascii()
    assert records.canonical(json.loads(text)) == text
    assert b"\n" not in text


@given(st.dictionaries(st.text(), st.integers()), st.randoms())
def test_canonical_json_has_no_order_of_its_own(value: dict[str, int], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert records.canonical(dict(items)) == records.canonical(value)


@given(st.builds(Statement, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 2**53)))
def test_a_statement_is_what_docs_say(statement: Statement) -> None:
    checksum, version = statement.manifest_sha256, statement.version
    expected = f'{{"manifest_sha256":"{checksum}","schema":"edgefer/statement/1","version":{version}}}'
    assert records.canonical(statement).decode() == expected


@pytest.fixture
def keys(tmp_path: Path) -> KeyFiles:
    return new_key("release", tmp_path / "keys")


@pytest.fixture
def signed(tmp_path: Path, keys: KeyFiles) -> Path:
    """A bundle that is signed as version 3."""
    folder = bundle(tmp_path / "dist", seconds=0.001)
    sign_bundle(folder, load_key(keys.private), 3)
    return folder


@pytest.fixture
def trust(keys: KeyFiles) -> Trust:
    return Trust((keys.key,), 3)


def refused(folder: Path, trust: Trust, kind: type[EdgeferError], monkeypatch: pytest.MonkeyPatch) -> str:
    """The line of the refusal, which came before the manifest was parsed or a file was hashed."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("something of the bundle was looked at")

    with monkeypatch.context() as patch:
        patch.setattr(records, "parse_any", _only_signatures(fail))
        patch.setattr(bundles, "_check", fail)
        with pytest.raises(EdgeferError) as caught:
            read_bundle(folder, trust)
    assert type(caught.value) is kind, caught.value
    return str(caught.value)


def _only_signatures(fail: Any) -> Any:
    parse = records.parse_any

    def parse_any(kinds: Any, text: str, *more: Any, **named: Any) -> Any:
        return parse(kinds, text, *more, **named) if kinds == (Signature,) else fail()

    return parse_any


def test_a_signed_bundle_opens_and_says_whose_it_is(signed: Path, trust: Trust, keys: KeyFiles) -> None:
    opened = read_bundle(signed, trust)
    assert opened.signer is not None and opened.signer.words == f"release ({keys.key.fingerprint[:16]}), version 3"
    assert read_bundle(signed).signer is None, "it was not asked"
    assert read_bundle(signed).is_signed


def test_every_byte_of_the_manifest_counts(signed: Path, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    path = signed / MANIFEST
    content = path.read_bytes()
    for changed in (content + b" ", content.replace(b"\n", b"\n ", 1), content.replace(b'"name"', b'"nam\\u0065"', 1)):
        assert changed != content and json.loads(changed) == json.loads(content)
        path.write_bytes(changed)
        assert "changed after signing" in refused(signed, trust, BadSignature, monkeypatch)


def test_every_byte_of_the_signature_counts(signed: Path, trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (signed / SIGNATURE).read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1
        (signed / SIGNATURE).write_bytes(changed)
        with pytest.raises((BadSignature, NotTrusted, BrokenBundle)):
            read_bundle(signed, trust)
    for changed_text in (content + b"\n", content.upper(), b"", b"[]", b"null"):
        (signed / SIGNATURE).write_bytes(changed_text)
        refused(signed, trust, BadSignature, monkeypatch)


@pytest.mark.parametrize("name", ["model.onnx", "build.json", "golden/input.bin", "golden/picture.png"])
def test_every_file_counts(signed: Path, trust: Trust, name: str) -> None:
    path = signed / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if content else b"1")
    with pytest.raises(BrokenBundle, match=path.name):
        read_bundle(signed, trust)
    path.unlink()
    with pytest.raises(BrokenBundle, match=path.name):
        read_bundle(signed, trust)
    path.write_bytes(content)
    (signed / "added").write_text("")
    with pytest.raises(BrokenBundle, match="added"):
        read_bundle(signed, trust)


def test_another_bundles_manifest_and_signature_need_its_files(
    signed: Path, trust: Trust, keys: KeyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bundle(tmp_path / "other", seconds=0.002)
    shutil.copy(signed / SIGNATURE, other)
    refused(other, trust, BadSignature, monkeypatch)
    shutil.copy(signed / MANIFEST, other)
    with pytest.raises(BrokenBundle):
        read_bundle(other, trust)


def test_who_may_sign(
    signed: Path, trust: Trust, keys: KeyFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = new_key("release", tmp_path / "stranger")  # of the same name
    line = refused(signed, Trust((stranger.key,)), NotTrusted, monkeypatch)
    assert keys.key.fingerprint[:16] in line and stranger.key.fingerprint[:16] in line
    assert read_bundle(signed, Trust((stranger.key, keys.key))).signer is not None
    # a signature that names the trusted key and is another's
    sign_bundle(signed, load_key(stranger.private), 3)
    text = (signed / SIGNATURE).read_text().replace(stranger.key.fingerprint, keys.key.fingerprint)
    (signed / SIGNATURE).write_text(text)
    refused(signed, trust, BadSignature, monkeypatch)
    (signed / SIGNATURE).unlink()
    assert "is not signed" in refused(signed, trust, NotSigned, monkeypatch)
    (signed / SIGNATURE).symlink_to(keys.public)
    refused(signed, trust, BrokenBundle, monkeypatch)


def test_which_version(signed: Path, keys: KeyFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    line = refused(signed, Trust((keys.key,), 4), Outdated, monkeypatch)
    assert "as version 3, at least 4 is demanded" in line
    text = (signed / SIGNATURE).read_text()
    (signed / SIGNATURE).write_text(text.replace('"version": 3', '"version": 4'))
    refused(signed, Trust((keys.key,), 4), BadSignature, monkeypatch)


def test_keys_are_a_file_or_a_folder(keys: KeyFiles, tmp_path: Path) -> None:
    assert read_public_keys(keys.public) == read_public_keys(keys.public.parent) == (keys.key,)
    assert trust_of(keys.public, 2) == Trust((keys.key,), 2)
    assert trust_of(None) is None
    with pytest.raises(WrongOptions):
        trust_of(None, 1)
    with pytest.raises(MissingFile):
        trust_of(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadKey, match=r"\*\.pub"):
        trust_of(tmp_path / "empty")


@pytest.mark.parametrize("change", ["name", "key", "fingerprint", "text", "bytes", "large", "folder"])
def test_public_keys_that_are_none(keys: KeyFiles, change: str) -> None:
    path = keys.public
    content = json.loads(path.read_text())
    if change in content:
        content[change] = content[change][:-1] + ("0" if content[change][-1] != "0" else "1")
        content[change] = "a name" if change == "name" else content[change]
        path.write_text(json.dumps(content))
    elif change == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"text": b"no key", "bytes": b"\xff\xfe", "large": b" " * 20_000}[change])
    with pytest.raises(BadKey):
        read_public_keys(path.parent)


def test_a_private_key_is_no_public_one_and_is_not_shown(keys: KeyFiles) -> None:
    with pytest.raises(BadKey) as caught:
        read_public_keys(keys.private)
    secret = keys.private.read_text().splitlines()[1]
    assert secret not in str(caught.value)


def test_records_of_keys_go_there_and_back(keys: KeyFiles) -> None:
    assert records.parse(PublicKey, records.dumps(keys.key), "it") == keys.key
