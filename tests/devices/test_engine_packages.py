"""Wheels for another machine, fetched by this Python's pip."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from edgefer.devices import engine_packages
from edgefer.runtime import shell
from edgefer.runtime.errors import NotSetUp, UnknownName
from edgefer.runtime.shell import Done

TINY = "typing-extensions==4.16.0"


def said(monkeypatch: pytest.MonkeyPatch, done: Done) -> list[list[str]]:
    """pip, which ends as told."""
    lines: list[list[str]] = []

    def run(line: list[str], environment: dict[str, str]) -> Done:
        assert not environment.keys() & {"PIP_TARGET", "PIP_PREFIX", "PIP_USER"}
        lines.append(line)
        return done

    monkeypatch.setattr(shell, "run", run)
    return lines


def test_tags_are_newest_first_and_end_with_the_oldest() -> None:
    found = engine_packages.platform_tags(28)
    assert found[0] == "manylinux_2_28_aarch64"
    assert found[-2:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
    assert "manylinux_2_34_aarch64" in engine_packages.platform_tags()
    assert engine_packages.platform_tags(17, "x86_64") == ("manylinux_2_17_x86_64", "manylinux2014_x86_64")


def test_pip_resolves_nothing_for_a_foreign_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_TARGET", "/nowhere")
    lines = said(monkeypatch, Done(0, "", ""))
    engine_packages.install_wheels([TINY], tmp_path / "into", "3.13")
    assert lines[0][:4] == [sys.executable, "-m", "pip", "install"]
    assert {"--no-deps", "--only-binary=:all:", "--no-compile", "3.13", TINY} <= set(lines[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ERROR: Could not find a version\nERROR: No matching distribution found for x==1", "No matching distribution"),
        ("/usr/bin/python3: No module named pip", "has no pip"),
        ("", "it said nothing"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said(monkeypatch, Done(1, "", text))
    with pytest.raises(NotSetUp, match=words) as caught:
        engine_packages.install_wheels([TINY], tmp_path / "into")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", engine_packages.engine_sets())
def test_every_set_is_exactly_pinned(name: str) -> None:
    row = engine_packages.engine_sets()[name]
    assert row.formats and row.modules and row.title
    assert all(package.count("==") == 1 and not set("<>~*") & set(package) for package in row.packages)
    names = [package.partition("==")[0] for package in row.packages]
    assert names == sorted(set(names))
    assert {"numpy", "pillow", "cattrs"} <= set(names)


def test_engines_are_those_that_are_built_with() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    built = set(project["optional-dependencies"]["build"])
    pinned = set(engine_packages.engine_sets()["default"].packages)
    for engine in ("ai-edge-litert", "onnxruntime", "ncnn"):
        (one,) = (package for package in pinned if package.startswith(f"{engine}=="))
        assert one in built


def test_an_unknown_set_names_the_known_ones() -> None:
    assert engine_packages.engine_set(None).name == engine_packages.DEFAULT
    with pytest.raises(UnknownName, match="unknown engine 'tflite-runtme': did you mean tflite-runtime"):
        engine_packages.engine_set("tflite-runtme")


@pytest.mark.usefixtures("cache_home")  # skips where there is no network either
def test_a_wheel_is_fetched(tmp_path: Path) -> None:
    (found,) = engine_packages.download_wheels([TINY], tmp_path)
    assert found.name.startswith("typing_extensions-4.16.0-")
    with pytest.raises(NotSetUp, match=r"pip can't fetch the wheels for aarch64 \(.*typing-extensions==0"):
        engine_packages.download_wheels(["typing-extensions==0"], tmp_path)


def index(monkeypatch: pytest.MonkeyPatch, *wheels: tuple[str, str]) -> list[str]:
    """pip with an index that has wheels of these packages for these Pythons."""
    asked: list[str] = []

    def run(line: list[str], environment: dict[str, str]) -> Done:
        del environment
        python = line[line.index("--python-version") + 1]
        asked.append(python)
        lacking = [word for word in line if "==" in word and (word, python) not in wheels]
        return Done(1, "", f"ERROR: No matching distribution found for {lacking[0]}") if lacking else Done(0, "", "")

    monkeypatch.setattr(shell, "run", run)
    return asked


def test_a_package_without_a_wheel_for_a_python_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = [("a==1", "3.11"), ("a==1", "3.13"), ("b==2", "3.10"), ("b==2", "3.11")]
    asked, tags = index(monkeypatch, *wheels), engine_packages.platform_tags(36, "x86_64")
    with pytest.raises(NotSetUp, match=r"b 2 has no wheel for Python 3\.13 on x86_64, it has for 3\.10, 3\.11:"):
        engine_packages.require_wheels(["a==1", "b==2"], "3.13", "x86_64", tags)
    engine_packages.require_wheels(["a==1", "b==2"], "3.11", "x86_64", tags)
    assert asked[-1] == "3.11"
    engine_packages.require_wheels(["c==1"], "3.11", "x86_64", tags)  # for no Python: no network, or no such package
