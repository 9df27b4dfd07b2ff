"""What OpenSSH says, as one clear line; and what it is told."""

from __future__ import annotations

import io
import shlex
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from edgefer.devices.board import doctor, ssh
from edgefer.devices.board.ssh import Link
from edgefer.devices.config import RemoteBoard
from edgefer.runtime import shell
from edgefer.runtime.errors import AccessDenied, EdgeferError, NotSetUp, OutputFailed, Unreachable, WorkerFailed
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
    line = KITCHEN.line(b"true")
    assert "BatchMode=yes" in line
    assert not any("StrictHostKeyChecking" in word for word in line)
    assert line[line.index("--") + 1] == "pi@10.0.0.7"
    assert line[line.index("-p") + 1] == "2222"
    assert "StrictHostKeyChecking=accept-new" in Link(RemoteBoard("kitchen", "kitchen"), True).line(b"true")
    assert "-p" not in Link(RemoteBoard("kitchen", "kitchen")).line(b"true")
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
    assert isinstance(ssh.refused(KITCHEN, "send", full), OutputFailed)
    other = ssh.refused(KITCHEN, "send", shell.Done(127, "", "sh: 1: tar: not found\n"))
    assert isinstance(other, NotSetUp)
    assert "tar: not found" in str(other)


# How csh reads a command: a quoted text ends with its line, and `!` stands for an earlier command.
CSH = """#!/bin/sh
case $2 in *'
'*) echo "Unmatched '''." >&2; exit 1 ;; *!*) echo "${2##*!}: Event not found." >&2; exit 1 ;; esac
exec /bin/sh "$@"
"""


@pytest.mark.parametrize("shell_", ["csh", "tcsh", "fish", "rbash", "zsh", "made"])
def test_any_login_shell_will_do(fake: Fake, monkeypatch: pytest.MonkeyPatch, shell_: str) -> None:
    """The real ones where they are installed, and one made as csh is."""
    path = shutil.which(shell_)
    if shell_ == "made":
        path = str(fake.folder / "bin/made")
        fake.tool("made", CSH.partition("\n")[2])
    if path is None:
        pytest.skip(f"needs {shell_}")
    fake.login_shell(path)
    odd = ["a b", "'", "! !!", '"$HOME"', "`ls`", "*", "", "é\n2\\n", "~"]
    with tempfile.TemporaryFile() as file:
        file.write(b"payload")
        file.seek(0)
        done = KITCHEN.run('cat\nfor word; do\n  printf "|%s" "$word"\ndone\nexit 7', *odd, stdin=file)
    assert (done.code, done.out) == (7, "payload" + "".join(f"|{word}" for word in odd)), done


@pytest.mark.parametrize("stream", ["1", "2"])
def test_an_account_without_a_shell(fake: Fake, stream: str) -> None:
    fake.tool("nologin", f"echo 'This account is currently not available.' >&{stream}; exit 1")
    fake.login_shell(str(fake.folder / "bin/nologin"))
    with pytest.raises(NotSetUp, match=r"can't look around on kitchen \(This account is currently not available\)"):
        doctor.ask_facts(KITCHEN)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (signal.SIGILL, NotSetUp, "signal 4 (an illegal instruction: a package is built for another processor)"),
        (signal.SIGKILL, WorkerFailed, "signal 9 (killed)"),
        (signal.SIGTERM, WorkerFailed, "signal 15 (terminated)"),
    ],
)
def test_a_command_that_a_signal_ends_is_no_lost_connection(
    fake: Fake, number: int, kind: type[EdgeferError], words: str
) -> None:
    fake.tool("dmesg", "exit 1")
    fake.tool("journalctl", "exit 1")
    done = KITCHEN.run(f"exec sh -c 'kill -{int(number)} $$'")
    assert done.code == 128 + number
    error = ssh.refused(KITCHEN, "import LiteRT", done)
    assert type(error) is kind
    assert f"can't import LiteRT on kitchen: the command there ended with {words}" in str(error)


def test_the_kernels_word_for_a_kill(fake: Fake) -> None:
    line = "Out of memory: Killed process 812 (python3) total-vm:9kB"
    fake.tool(
        "dmesg", f'read up _ </proc/uptime; echo "[ 1.5] Out of memory: Killed process 7 (old)"; echo "[$up] {line}"'
    )
    error = ssh.refused(KITCHEN, "import LiteRT", shell.Done(137, "", "Killed"))
    assert "signal 9 (killed; the kernel says: Out of memory: Killed process 812 (python3))" in str(error)
