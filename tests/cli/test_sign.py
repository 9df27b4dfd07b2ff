"""edgefer key and sign, and what every command says of a bundle that is not signed as it should be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgefer.runtime import engines
from tests.cli.made import FP32, INT8, Run, raising
from tests.made import write_sure_csv

DEMANDING: tuple[tuple[str, ...], ...] = (
    ("verify", "{bundle}"),
    ("bench", "{bundle}", "--samples", "2", "--processes", "1", "--no-instructions"),
    ("gate", "{bundle}", "{bundle}", "--exact-only", "--no-instructions"),
    ("predict", "{photo}", "--bundle", "{bundle}", "--detector", "none"),
    ("app", "web", "{bundle}", "--detector", "none"),
    ("app", "android", "{bundle}"),
    ("app", "ios", "{bundle}"),
)


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Path:
    """A folder with the keys release and other; only release.pub is in its folder `trusted`."""
    folder = tmp_path / "keys"
    for name in ("release", "other"):
        run("key", "new", name, "--out", folder).fine()
    (folder / "trusted").mkdir()
    shutil.copy(folder / "release.pub", folder / "trusted")
    return folder


@pytest.fixture
def bundle(earlier: Path) -> Path:
    return earlier / FP32


def words(command: tuple[str, ...], bundle: Path) -> list[str]:
    from edgefer.runtime.golden import golden_png

    photo = bundle.parent / "photo.png"
    photo.write_bytes(golden_png())
    return [word.format(bundle=bundle, photo=photo) for word in command]


def test_a_key_is_new_and_is_never_shown(run: Run, tmp_path: Path) -> None:
    out = run("key", "new", "release", "--out", tmp_path).fine()
    secret = (tmp_path / "release.key").read_text().splitlines()[1]
    public = json.loads((tmp_path / "release.pub").read_text())
    assert public["fingerprint"] in out and "without a passphrase" in out
    run("key", "new", "release", "--out", tmp_path).fails(13, "never replaced")
    assert run("key", "show", tmp_path).fine() == f"release  {public['fingerprint']}\n"
    shown = json.loads(run("key", "show", tmp_path / "release.pub", "--json").fine())
    assert shown == [public]
    refusal = run("key", "show", tmp_path / "release.key")
    refusal.fails(32, "is a private key")
    debugged = run("--debug", "key", "show", tmp_path / "release.key")
    assert not any(secret in text for text in (out, refusal.err, debugged.err))
    made = json.loads(run("key", "new", "second", "--out", tmp_path, "--json").fine())
    assert made["private"] == str(tmp_path / "second.key") and "PRIVATE" not in str(made)


def test_a_passphrase_comes_from_the_environment(
    run: Run, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("key", "new", "k", "--out", tmp_path, "--passphrase").code == 2, "there is no terminal"
    monkeypatch.setenv("EDGEFER_KEY_PASSPHRASE", "correct horse")
    assert "with a passphrase" in run("key", "new", "k", "--out", tmp_path, "--passphrase").fine()
    run("sign", bundle, "--key", tmp_path / "k.key").fine()
    monkeypatch.setenv("EDGEFER_KEY_PASSPHRASE", "wrong")
    run("sign", bundle, "--key", tmp_path / "k.key").fails(32, "another passphrase")
    monkeypatch.delenv("EDGEFER_KEY_PASSPHRASE")
    run("sign", bundle, "--key", tmp_path / "k.key").fails(32, "has a passphrase", "EDGEFER_KEY_PASSPHRASE")


@pytest.mark.parametrize("command", DEMANDING, ids=lambda command: "-".join(command[:2]))
def test_commands_refuse_before_the_model_is_touched(
    run: Run, bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(bundle.parent)
    monkeypatch.setattr(engines, "load", raising(AssertionError("the model was loaded")))
    line = words(command, bundle)
    demand = ("--trusted", keys / "trusted")
    run(*line, *demand).fails(33, "is not signed", "release (")
    run("sign", bundle, "--key", keys / "other.key", "--version", 3).fine()
    run(*line, *demand).fails(34, "is signed by the key")
    run("sign", bundle, "--key", keys / "release.key", "--version", 3).fine()
    run(*line, *demand, "--min-version", 4).fails(36, "as version 3, at least 4")
    manifest = bundle / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    run(*line, *demand).fails(35, "changed after signing")
    usage = run(*line, "--min-version", 3)
    assert usage.code == 2 and "--trusted" in usage.err


def test_commands_take_what_is_signed(run: Run, bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    demand = ("--trusted", keys / "trusted", "--min-version", 2)
    run("sign", bundle, "--key", keys / "release.key", "--version", 2).fine()
    out = run("verify", bundle, *demand).fine()
    assert "; signed by release (" in out and "), version 2\n" in out
    assert "its signature was not checked" in run("verify", bundle).fine()
    signer = json.loads(run("verify", bundle, *demand, "--json").fine())[0]["signer"]
    assert (signer["name"], signer["version"]) == ("release", 2)
    for command in DEMANDING[1:4]:
        done = run(*words(command, bundle), *demand)
        assert done.code == 0, done
    shutil.copy(keys / "other.pub", keys / "trusted")
    run("verify", bundle, *demand).fine()
    assert run("predict", bundle / "golden" / "picture.png", *demand).code == 2, "the shipped one is not signed"


def test_the_float_bundle_has_to_be_signed_too(run: Run, made: Path, keys: Path, tmp_path: Path) -> None:
    csv = write_sure_csv(tmp_path / "fer2013.csv")
    folders = [shutil.copytree(made / name, tmp_path / "both" / name) for name in (FP32, INT8)]
    run("sign", folders[1], "--key", keys / "release.key").fine()
    verify = ("verify", folders[1], "--data", csv, "--float", folders[0], "--trusted", keys / "trusted")
    done = run(*verify)
    assert done.code == 33 and f"{folders[0]} is not signed" in done.err
    run("sign", *folders, "--key", keys / "release.key").fine()
    assert run(*verify).code == 0


def test_several_are_signed_and_all_that_failed_is_told(run: Run, bundle: Path, keys: Path, tmp_path: Path) -> None:
    done = run("sign", tmp_path / "gone", bundle, "--key", keys / "release.key", "--json")
    assert done.code == 4 and "gone" in done.err
    assert [each["folder"] for each in json.loads(done.out)] == [str(bundle)]
    (keys / "release.key").chmod(0o644)
    assert "others can read" in run("sign", bundle, "--key", keys / "release.key").err


def test_a_signed_bundle_is_built_again_unsigned(run: Run, quick: None, bundle: Path, keys: Path) -> None:
    run("sign", bundle, "--key", keys / "release.key").fine()
    assert run("build", "--arch", "ean", "--target", "onnx-fp32", "--out", bundle.parent).code == 0
    assert not (bundle / "manifest.sig").exists()
    run("verify", bundle, "--trusted", keys / "trusted").fails(33)


def test_without_cryptography(run: Run, bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for line in (
        ("verify", bundle, "--trusted", keys / "trusted"),
        ("sign", bundle, "--key", keys / "release.key"),
        ("key", "new", "another", "--out", keys),
    ):
        run(*line).fails(14, "pip install 'edgefer[sign]'")
    run("verify", bundle).fine()


def test_a_folders_name_breaks_no_line_and_moves_no_cursor(run: Run, tmp_path: Path) -> None:
    out = run("key", "new", "k", "--out", tmp_path / "a\x1b[31mb\nwrote all").fine()
    assert out.count("\n") == 3 and out.replace("\n", "").isprintable()
    assert "a\\x1b[31mb\\nwrote all" in out
