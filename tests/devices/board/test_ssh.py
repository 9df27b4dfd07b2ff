"""What OpenSSH says, as one clear line; and what it is told."""

from __future__ import annotations

import io
import shlex
import tempfile
from pathlib import Path

import pytest

from edgefer.devices.board import ssh
from edgefer.devices.board.ssh import Link
from edgefer.devices.config import RemoteBoard
from edgefer.runtime import shell
from edgefer.runtime.errors import AccessDenied, EdgeferError, NotSetUp, OutputFailed, Unreachable
from tests.devices.fake import Fake

KITCHEN = Link(RemoteBoard("kitchen", "pi@10.0.0.7", 2222))
CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
Offending ED25519 key in /home/me/.ssh/known_hosts:3
Host key for [10.0.0.7]:2222 has changed and you have requested strict checking.
Host key verification failed."""
SAID = [
    ("ssh: connect to host 10.0.0.7 port 2222: Connection refused", Unreachable, "Connection refused"),
    ("ssh: connect to host 10.0.0.7 port 22: No route to host", Unreachable, "No route to host"),
    ("ssh: connect to host 10.0.0.7 port 22: Connection timed out", Unreachable, "timed out"),
    ("ssh: Could not resolve hostname kichen: Name or service not known", Unreachable, "resolve"),
    ("kex_exchange_identification: Connection closed by remote host\n", Unreachable, "closed"),
    ("Timeout, server 10.0.0.7 not responding.", Unreachable, "not responding"),
    ("pi@10.0.0.7: Permission denied (publickey,password).", AccessDenied, "ssh-copy-id"),
    ("Received disconnect from 10.0.0.7: 2: Too many authentication failures", AccessDenied, "ssh-copy-id"),
    (CHANGED, AccessDenied, "ssh-keygen -R '[10.0.0.7]:2222'"),
    ("Host key verification failed.", AccessDenied, "--accept-new-host-key"),
    ("", Unreachable, "it said nothing"),
]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(tmp_path / "fake", monkeypatch)


@pytest.mark.parametrize(("said", "kind", "words"), SAID)
def test_each_failure_is_one_line_of_its_class(fake: Fake, said: str, kind: type[EdgeferError], words: str) -> None:
    error = ssh.explained(KITCHEN, said)
    assert type(error) is kind
    assert words in str(error)
    assert "kitchen" in str(error)
    assert str(error).isprintable()


def test_only_a_connection_that_was_there_can_be_lost() -> None:
    lost = "Connection to 10.0.0.7 closed by remote host.", "client_loop: send disconnect: Broken pipe"
    for said in lost:
        error = ssh.explained(KITCHEN, said)
        assert isinstance(error, Unreachable)
        assert ssh.was_lost(error)
    assert not ssh.was_lost(Unreachable("ssh: connect to host 10.0.0.7 port 22: Connection refused"))


def test_words_reach_the_board_as_they_are(fake: Fake) -> None:
    odd = ["a b", "'", '"$HOME"', "`ls`", "*", "", "é\n2"]
    done = KITCHEN.run('for word; do printf "%s|" "$word"; done', *odd)
    assert done.out == "".join(f"{word}|" for word in odd)


def test_no_question_and_no_check_left_out() -> None:
    line = KITCHEN.line("true")
    assert "BatchMode=yes" in line
    assert not any("StrictHostKeyChecking" in word for word in line)
    assert line[line.index("--") + 1] == "pi@10.0.0.7"
    assert line[line.index("-p") + 1] == "2222"
    assert "StrictHostKeyChecking=accept-new" in Link(RemoteBoard("kitchen", "kitchen"), True).line("true")
    assert "-p" not in Link(RemoteBoard("kitchen", "kitchen")).line("true")
    assert shlex.split(line[-1])[:2] == ["sh", "-c"]


def test_a_file_is_sent_and_its_bytes_are_not_changed(fake: Fake) -> None:
    content = bytes(range(256)) * 1000
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0, io.SEEK_SET)
        KITCHEN.run("cat >sent", stdin=file)
    assert (fake.home / "sent").read_bytes() == content


def test_no_ssh_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotSetUp, match="install openssh-client"):
        KITCHEN.run("true")


def test_a_board_that_hangs(fake: Fake) -> None:
    with pytest.raises(Unreachable, match=r"did not answer within 0\.3 s"):
        KITCHEN.run("sleep 5", timeout=0.3)


def test_a_full_disk_is_told_apart() -> None:
    full = shell.Done(2, "", "tar: run/plan.json: Cannot write: No space left on device\ntar: Exiting with failure")
    assert isinstance(ssh.refused("kitchen", "send", full), OutputFailed)
    other = ssh.refused("kitchen", "send", shell.Done(127, "", "sh: 1: tar: not found\n"))
    assert isinstance(other, NotSetUp)
    assert "tar: not found" in str(other)
