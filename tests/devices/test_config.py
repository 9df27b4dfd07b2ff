"""The tables of devices, and the user's own file."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefer.devices import config
from edgefer.devices.config import RemoteBoard
from edgefer.runtime.errors import BadRecord, OutputFailed, UnknownName


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for the user's file."""
    monkeypatch.setenv("EDGEFER_DEVICES", str(tmp_path / "devices.toml"))
    return tmp_path / "devices.toml"


def test_every_emulated_board_is_one_that_can_be_bought() -> None:
    assert config.emulated_processors()
    for row in config.emulated_processors().values():
        assert row.board in config.board_kinds()


@pytest.mark.parametrize("name", config.board_kinds())
def test_every_fact_has_a_source(name: str) -> None:
    board = config.board_kinds()[name]
    assert all(source.startswith("https://") for source in (board.source, *(f.source for f in board.facts.values())))
    assert all(fact.value for fact in board.facts.values())


def test_no_file_is_no_device() -> None:
    assert config.remote_boards() == {}


NAMES = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=12)
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)


PORTS = st.none() | st.integers(1, 65535)
BOARDS = st.lists(
    st.builds(RemoteBoard, NAMES, TEXTS, PORTS, TEXTS).filter(lambda board: config.board_fault(board) is None),
    max_size=3,
    unique_by=lambda board: board.name,
)


@given(BOARDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_saved_is_read(boards: list[RemoteBoard]) -> None:
    config.save_remote_boards(boards)
    assert config.remote_boards() == {board.name: board for board in boards}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[kitchen", "is not TOML"),
        ("[kitchen]\nhots = 'x'", "hots"),
        ("[kitchen]\nhost = 'x'\nport = 'y'", "port"),
        ("[kitchen]\nhost = 'x'\nport = 0", "0 is no port"),
        ("[kitchen]\nhost = ''", "'' is no host: give user@address"),
        ("[kitchen]\nhost = '-oProxyCommand=x'", "is no host"),
        ("[kitchen]\nhost = 'pi@$(reboot)'", "is no host"),
        ("[kitchen]\nhost = 'x'\nfolder = ''", "'' is no such folder: give a folder in the home folder"),
        ("[kitchen]\nhost = 'x'\nfolder = '.'", "is no such folder"),
        ("[kitchen]\nhost = 'x'\nfolder = './'", "is no such folder"),
        ("[kitchen]\nhost = 'x'\nfolder = 'a/../..'", "is no such folder"),
        ("[kitchen]\nhost = 'x'\nfolder = '/home'", "is no such folder"),
        ("[kitchen]\nhost = 'x'\nfolder = '~pi'", "is no such folder"),
        ("['../kitchen']\nhost = 'x'", "can't be a device's name"),
        ("['-rf']\nhost = 'x'", "can't be a device's name"),
        ('["a\\u001b[31m"]\nhost = "x"', "can't be a device's name"),
        ("[kitchen]\nhost = 'x'\nname = 'y'", "'name', which is its heading"),
        ("kitchen = 5", "kitchen"),
    ],
)
def test_a_damaged_file_is_one_line(own_file: Path, text: str, words: str) -> None:
    own_file.write_text(text)
    with pytest.raises(BadRecord, match=words):
        config.remote_boards()


def test_a_file_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEFER_DEVICES", str(tmp_path / "file" / "devices.toml"))
    with pytest.raises(OutputFailed, match=r"devices\.toml"):
        config.save_remote_boards([RemoteBoard("kitchen", "pi@10.0.0.7")])


def test_an_unknown_name_names_the_nearest() -> None:
    config.save_remote_boards([RemoteBoard("kitchen", "pi@10.0.0.7")])
    assert config.row("kitchen") == RemoteBoard("kitchen", "pi@10.0.0.7")
    with pytest.raises(UnknownName, match="did you mean kitchen"):
        config.row("kitchn")
    with pytest.raises(UnknownName, match="edgefer devices"):
        config.row("kitchn")
