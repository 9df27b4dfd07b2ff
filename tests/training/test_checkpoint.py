"""Checkpoints and weights whose bytes changed are refused by name; those of earlier versions are read."""

from __future__ import annotations

import io
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from edgefer.arch import get_arch
from edgefer.runtime.errors import BadCheckpoint, BadWeights, EdgeferError
from edgefer.training import checkpoint, loop, recipes, weights

EAN = get_arch("ean")
RECIPE = replace(recipes.get_recipe("plain"), epochs=3, batch=16, warmup=1)
SETTINGS = {"arch": "ean", "recipe": asdict(RECIPE), "teachers": [], "seed": 7}


@pytest.fixture(scope="module")
def state() -> loop.State:
    return loop.start(EAN, RECIPE, "cpu")


@pytest.fixture(scope="module")
def saved(state: loop.State, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "ean.checkpoint"
    checkpoint.save_checkpoint(path, state, SETTINGS)
    return path.read_bytes()


def flipped(content: bytes, place: int, draw: random.Random) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << draw.randrange(8)
    return bytes(changed)


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Cut, with a part taken out, with a part twice, or with bytes that are others."""
    start, end = sorted(draw.choices(range(len(content)), k=2))
    middle = content[start : start + min(end - start, 64)]
    others = content[:start] + draw.randbytes(len(middle)) + content[start + len(middle) :]
    return draw.choice((content[:start], content[:start] + content[end:], content[:end] + content[start:], others))


def refused(content: bytes, path: Path, state: loop.State) -> None:
    path.write_bytes(content)
    with pytest.raises(BadCheckpoint) as failure:
        checkpoint.load_checkpoint(path, state, SETTINGS)
    assert str(path) in str(failure.value) and len(str(failure.value)) < 600


def test_a_flipped_byte_anywhere_is_refused(state: loop.State, saved: bytes, tmp_path: Path) -> None:
    draw = random.Random(1)
    places = [*range(32), *range(len(saved) - 160, len(saved)), *draw.choices(range(len(saved)), k=150)]
    for place in places:
        refused(flipped(saved, place, draw), tmp_path / "ean.checkpoint", state)


def test_the_same_file_is_read_silently(state: loop.State, saved: bytes, tmp_path: Path) -> None:
    (tmp_path / "ean.checkpoint").write_bytes(saved)
    said: list[str] = []
    checkpoint.load_checkpoint(tmp_path / "ean.checkpoint", state, SETTINGS, said.append)
    assert said == []


def earlier(saved: bytes) -> bytes:
    """As edgefer wrote it before there was a checksum."""
    return saved.partition(checkpoint._MARK)[0]


def test_a_file_without_a_checksum_is_read_and_told_of(state: loop.State, saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ean.checkpoint"
    path.write_bytes(earlier(saved))
    said: list[str] = []
    checkpoint.load_checkpoint(path, state, SETTINGS, said.append)
    assert said == [f"{path} is of an earlier edgefer and has no checksum of the whole; its parts' own hold"]


def test_an_earlier_file_is_right_or_refused(state: loop.State, saved: bytes, tmp_path: Path) -> None:
    draw, path, content = random.Random(2), tmp_path / "ean.checkpoint", earlier(saved)
    right = {name: value.clone() for name, value in state.network.state_dict().items()}
    for number in range(60):
        path.write_bytes(mutated(content, draw) if number % 2 else flipped(content, draw.randrange(len(content)), draw))
        try:
            checkpoint.load_checkpoint(path, state, SETTINGS)
        except BadCheckpoint as error:
            assert str(path) in str(error)
        else:
            assert all(torch.equal(right[name], value) for name, value in state.network.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"half", b"\x80\x04N.", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_checkpoint(state: loop.State, tmp_path: Path, content: bytes) -> None:
    refused(content, tmp_path / "ean.checkpoint", state)


@pytest.mark.parametrize("parts", [{}, [], {"settings": 3}, {"settings": {"recipe": {}}}, SETTINGS])
def test_other_content_with_a_right_checksum(state: loop.State, tmp_path: Path, parts: object) -> None:
    content = io.BytesIO()
    torch.save(parts, content)
    written = content.getvalue()
    refused(written + checkpoint._mark(written), tmp_path / "ean.checkpoint", state)


def test_a_pickle_that_calls_is_not_loaded(state: loop.State, tmp_path: Path) -> None:
    content = io.BytesIO()
    torch.save({"settings": Path("/")}, content)
    written = content.getvalue()
    refused(written + checkpoint._mark(written), tmp_path / "ean.checkpoint", state)


def test_weights_whose_bytes_changed_are_refused(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(64.0).reshape(8, 8), "b": torch.ones(3)}
    content, path, draw = weights.serialize(tensors, {"arch": "ean"}), tmp_path / "x.safetensors", random.Random(3)
    path.write_bytes(content)
    assert all(torch.equal(tensors[name], value) for name, value in weights.read_tensors(path).items())
    for place in range(len(content)):
        path.write_bytes(flipped(content, place, draw))
        try:
            read = weights.read_tensors(path)
        except BadWeights as error:
            assert str(path) in str(error)
        else:  # the name of the checksum's own key
            assert all(torch.equal(tensors[name], value) for name, value in read.items())
    for _ in range(300):
        path.write_bytes(mutated(content, draw))
        try:
            weights.read_tensors(path)
        except EdgeferError as error:
            assert str(path) in str(error) and len(str(error)) < 600


def test_equal_weights_have_equal_files() -> None:
    tensors = {name: torch.ones(2) for name in "abc"}
    assert weights.serialize(tensors, {"arch": "x"}) == weights.serialize(tensors, {"arch": "x"})
