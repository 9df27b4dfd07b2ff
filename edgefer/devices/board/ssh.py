"""A board over the system's OpenSSH: ~/.ssh/config, keys, agents and jump hosts work as in a terminal."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from edgefer.devices.config import RemoteBoard
from edgefer.runtime import ending, shell
from edgefer.runtime.errors import AccessDenied, EdgeferError, NotSetUp, OutputFailed, Unreachable, WorkerFailed

CONNECT = 10  # seconds that a connection may take
ALIVE, DEATHS = 30, 4  # after so many seconds of silence OpenSSH asks, and gives up after so many without an answer
OPTIONS = {
    "BatchMode": "yes",  # a question would wait for ever
    "ClearAllForwardings": "yes",  # those of ~/.ssh/config belong to the user's own sessions
    "ConnectTimeout": str(CONNECT),
    "RemoteCommand": "none",
    "ServerAliveCountMax": str(DEATHS),
    "ServerAliveInterval": str(ALIVE),
}
OWN_FAILURE = 255  # OpenSSH's exit code where it is not the command's
# What OpenSSH writes (its messages are not translated; those of the system behind a colon are English too).
_CHANGED = ("REMOTE HOST IDENTIFICATION HAS CHANGED",)
_UNKNOWN = ("Host key verification failed", "No ED25519 host key is known", "host key is known for")
_DENIED = ("Permission denied", "Too many authentication failures", "No supported authentication methods")
_FULL = ("No space left on device", "Disk quota exceeded")
_LOST = ("closed by remote host", "Broken pipe", "not responding", "Connection reset by peer")
_NOISE = ("Warning: Permanently added", "@@@", "debug1:")


@dataclass(frozen=True)
class Link:
    """The way to the user's board; each call is a connection of its own."""

    board: RemoteBoard
    accept_new: bool = False

    def run(self, script: str, *words: str, stdin: str | IO[bytes] = "", timeout: float | None = None) -> shell.Done:
        """Run a POSIX shell script there in the home folder, `words` are its $1, $2...; `timeout` in seconds.

        How the script ended is the caller's to judge. Raises Unreachable, AccessDenied, NotSetUp (no ssh here).
        """
        program = _program(script, words)
        try:
            with tempfile.TemporaryFile() as sent:
                sent.write(program)
                if isinstance(stdin, str):
                    sent.write(stdin.encode())
                else:
                    shutil.copyfileobj(stdin, sent)
                sent.seek(0)
                done = shell.run(self.line(program), sent, timeout=timeout, apart=True)
        except FileNotFoundError as error:
            raise NotSetUp("OpenSSH's client is not installed here: install openssh-client, then try again.") from error
        except subprocess.TimeoutExpired as error:
            raise Unreachable(
                f"{self.board.name} did not answer within {error.timeout:g} s: `{self.by_hand()}` shows whether it "
                "answers at all."
            ) from error
        if done.code == OWN_FAILURE:
            raise explained(self, done.err)
        return done

    def line(self, program: bytes = b"") -> list[str]:
        """The command that runs a program which comes first on standard input.

        The board's sshd hands it to the account's login shell, whatever that is, so it is one line in which every
        shell reads the same. The inner shell runs the program and is a process of its own: the outer one tells
        how it ended, where ssh would say 255 of a signal as of a lost connection.
        """
        accept = {"StrictHostKeyChecking": "accept-new"} if self.accept_new else {}
        options = [word for key, value in {**OPTIONS, **accept}.items() for word in ("-o", f"{key}={value}")]
        port = [] if self.board.port is None else ["-p", str(self.board.port)]
        # dd takes its bytes one by one, and leaves the rest to the program.
        remote = f"sh -c 'sh -c \"$(dd bs=1 count={len(program)} 2>/dev/null)\"; exit $?'"
        return ["ssh", "-T", "-a", "-x", *options, *port, "--", self.board.host, remote]

    def by_hand(self) -> str:
        """The command with which a person reaches the board."""
        port = [] if self.board.port is None else ["-p", str(self.board.port)]
        return shlex.join(["ssh", *port, self.board.host])


def _program(script: str, words: Sequence[str]) -> bytes:
    """The script with its words as $1, $2..., for a POSIX shell."""
    return f"LC_ALL=C; export LC_ALL; set -- {shlex.join(words)}\n{script}\n".encode(errors="surrogateescape")


def explained(link: Link, said: str) -> EdgeferError:
    """What OpenSSH itself complained of, as one clear line."""
    name, host = link.board.name, link.board.host
    if any(text in said for text in _CHANGED):
        return AccessDenied(
            f"{name} ({host}) shows another host key than before: if it was installed anew, forget the old key with "
            f"`ssh-keygen -R {shlex.quote(known_as(link))}` and accept the new one with `{link.by_hand()}`; "
            "if it was not, someone may stand in between."
        )
    if any(text in said for text in _UNKNOWN):
        return AccessDenied(
            f"{name} ({host}) is new to this machine, its host key is not known: run `{link.by_hand()}` once and "
            "accept it, or give --accept-new-host-key to `edgefer device add`."
        )
    if any(text in said for text in _DENIED):
        return AccessDenied(
            f"{name} ({host}) refuses this user and key ({_last(said)}): `{link.by_hand()}` must work without a "
            "password; `ssh-copy-id` installs a key, and an agent holds one that has a passphrase."
        )
    return Unreachable(f"can't reach {name} ({_last(said)}): `{link.by_hand()}` must reach it.")


def was_lost(error: Unreachable) -> bool:
    """Whether there was a connection, which broke: what was begun may go on there."""
    return any(text in str(error) for text in _LOST)


def known_as(link: Link) -> str:
    """Under what name known_hosts holds the board."""
    port = [] if link.board.port is None else ["-p", str(link.board.port)]
    printed = shell.run_or_none(["ssh", "-G", *port, "--", link.board.host]) or ""
    settings = dict(line.partition(" ")[::2] for line in printed.splitlines())
    alias = settings.get("hostkeyalias", "none")
    if alias != "none":
        return alias
    name, number = settings.get("hostname", link.board.host), settings.get("port", "22")
    return name if number == "22" else f"[{name}]:{number}"


def kernel_log(link: Link) -> tuple[str, float | None]:
    """The end of the board's kernel log and its uptime in seconds, as far as the account may read them."""
    with suppress(EdgeferError):
        done = link.run(f"cat /proc/uptime; {ending.KERNEL_LOG}", timeout=30)
        first, _, log = done.out.partition("\n")
        with suppress(ValueError):
            return log, float(first.partition(" ")[0])
    return "", None


def refused(link: Link, action: str, done: shell.Done) -> EdgeferError:
    """Why a script on the board failed: a full disk, a signal, or the last thing that it wrote, on either stream."""
    name, said = link.board.name, _last(done.err if done.err.strip() else done.out)
    number = ending.signal_of(done.code)
    if number is not None:
        how = ending.words(done.code, *(kernel_log(link) if number == signal.SIGKILL else ("", None)))
        kind = NotSetUp if number == signal.SIGILL else WorkerFailed
        return kind(f"can't {action} on {name}: the command there {how} ({said}).")
    if any(text in done.err for text in _FULL):
        return OutputFailed(f"can't {action} on {name}: its disk is full; free some space there.")
    return NotSetUp(f"can't {action} on {name} ({said}): `edgefer device doctor {name}` tells what it lacks.")


def _last(said: str) -> str:
    """The last line that is a complaint."""
    lines = [line.strip() for line in said.splitlines() if not line.strip().startswith(_NOISE)]
    return shell.last_line("\n".join(lines)).rstrip(".")
