"""edgefer devices and device. EDGEFER_UPDATE_GOLDEN=1 writes tests/golden/ anew; read the difference then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgefer.cli import cli
from edgefer.devices import config
from edgefer.devices.config import RemoteBoard
from edgefer.runtime import machine
from edgefer.runtime.errors import NotSetUp, UnknownName
from tests.devices.fake import Fake

PAGE = Path(__file__).parents[1] / "golden/devices.txt"
ADD = ("device", "add", "kitchen", "--host", "pi@10.0.0.7")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(tmp_path / "fake", monkeypatch)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


def test_the_list_is_the_golden_one(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "local_device", lambda name=None: "x86")
    config.save_remote_boards(
        [RemoteBoard("kitchen", "pi@10.0.0.7", 2222, board="rpi4"), RemoteBoard("attic", "attic")]
    )
    text = run("devices").output
    if os.environ.get("EDGEFER_UPDATE_GOLDEN"):
        PAGE.write_text(text, encoding="utf-8")
    assert text == PAGE.read_text(encoding="utf-8")


def test_the_list_as_json_has_sources(fake: Fake) -> None:
    told = json.loads(run("devices", "--json").output)
    assert told["rpi5"]["kind"] == "board"
    assert told["rpi5"]["facts"]["int8 dot product"]["value"].startswith("SDOT and UDOT")
    facts = [fact for row in told.values() for fact in row.get("facts", {}).values()]
    assert facts and all(fact["source"].startswith("https://") for fact in facts)


def test_add_asks_the_board_what_it_is(fake: Fake) -> None:
    fake.tool("tr", "cat >/dev/null; echo Raspberry Pi 5 Model B Rev 1.0")
    done = run(*ADD, "--folder", "~/work/fer")
    assert done.exit_code == 0, done.output
    found = config.remote_boards()["kitchen"]
    assert (found.host, found.port, found.folder) == ("pi@10.0.0.7", None, "work/fer")
    assert fake.trips == 1


def test_add_without_reaching_it(fake: Fake) -> None:
    assert run(*ADD, "--no-check", "--board", "rpi4", "--port", 2222).exit_code == 0
    assert config.remote_boards() == {"kitchen": RemoteBoard("kitchen", "pi@10.0.0.7", 2222, board="rpi4")}
    assert fake.trips == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("device", "add", "my board", "--host", "h"), "letters, digits, - and _ only"),
        (("device", "add", "rpi4", "--host", "h"), "a name that edgefer has itself"),
        (("device", "add", "rpi", "--host", "h"), "a name that edgefer has itself"),
        (("device", "add", "gpu", "--host", "h"), "a name that edgefer has itself"),
        (("device", "add", "attic", "--host", "-oProxyCommand=x"), "give user@address"),
        (("device", "add", "attic", "--host", "a b"), "give user@address"),
        (("device", "add", "attic", "--host", "h", "--folder", "../x"), "a folder in the home folder"),
        (("device", "add", "attic", "--host", "h", "--folder", "/"), "a folder in the home folder"),
        (("device", "add", "attic", "--host", "h", "--folder", "."), "a folder in the home folder"),
        (("device", "add", "kitchen", "--host", "h"), "kitchen is there already"),
    ],
)
def test_what_can_not_be_added(fake: Fake, arguments: tuple[str, ...], words: str) -> None:
    run(*ADD, "--no-check")
    done = run(*arguments, "--no-check")
    assert (done.exit_code, words in done.output) == (2, True), done.output
    assert list(config.remote_boards()) == ["kitchen"]


def test_names_that_there_are_none_of(fake: Fake) -> None:
    run(*ADD, "--no-check")
    for arguments in (("doctor",), ("setup",), ("remove",)):
        assert isinstance(run("device", *arguments, "kichen").exception, UnknownName)
    assert isinstance(run(*ADD[:2], "attic", *ADD[3:], "--no-check", "--board", "rpi9").exception, UnknownName)


def test_wiping_takes_what_is_edgefers_and_nothing_else(fake: Fake) -> None:
    run(*ADD, "--no-check")
    fake.engines()
    (fake.home / ".edgefer/runs/abc").mkdir(parents=True)
    (fake.home / ".edgefer/.stage-1234").mkdir()
    assert run("device", "remove", "kitchen", "--wipe").exit_code == 0
    assert (config.remote_boards(), list(fake.home.iterdir())) == ({}, [])
    run(*ADD, "--no-check", "--folder", "photos")
    (fake.home / "photos").mkdir()
    (fake.home / "photos/me.png").touch()
    assert run("device", "remove", "kitchen", "--wipe").exit_code == 0
    assert [path.name for path in (fake.home / "photos").iterdir()] == ["me.png"]


def test_a_board_that_can_not_be_wiped_stays_in_the_list(fake: Fake) -> None:
    run(*ADD, "--no-check")
    fake.fails("ssh: connect to host 10.0.0.7 port 22: No route to host")
    assert run("device", "remove", "kitchen", "--wipe").exit_code != 0
    assert list(config.remote_boards()) == ["kitchen"]
    assert run("device", "remove", "kitchen").exit_code == 0
    assert config.remote_boards() == {}


def test_doctor_ends_with_a_failure_where_something_is_missing(fake: Fake) -> None:
    run(*ADD, "--no-check")
    done = run("device", "doctor", "kitchen")
    assert isinstance(done.exception, NotSetUp)
    assert "none: run `edgefer device setup kitchen`" in done.output
    told = json.loads(run("device", "doctor", "kitchen", "--json").output)
    assert {"subject": "reachable", "ok": True, "text": "pi@10.0.0.7 answers", "needed": True} in told


def test_what_rich_takes_for_markup_is_text(capfd: pytest.CaptureFixture[str]) -> None:
    from edgefer.cli.progress import console, display, line, status

    with status(console(), "setting [/red] up"):
        pass
    console().print(line("[/red] :smile:\n"))
    with display() as shown:
        shown.progress.note("[/red] :smile:")
    assert capfd.readouterr().err.split("\n")[-3:] == ["[/red] :smile:", "[/red] :smile:", ""]
