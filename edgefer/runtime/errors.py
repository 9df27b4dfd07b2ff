"""One class per failure, each with an exit code of its own.

A message is one line: what happened, which value, what is allowed, what to do next.
Exit code 1 is an unexpected error, 2 a wrong command line (click's too), 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
MESSAGE_LIMIT = 1_900  # characters of a failure: with what stands before it a line has less than 2,000
_MIDDLE = " ... ({:,} characters left out) ... "
_LISTED = ("arch", "device", "recipe", "target")  # kinds of names that a command lists


class EdgeferError(Exception):
    """Base of every failure that edgefer explains itself."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))

    @property
    def parts(self) -> Sequence[EdgeferError]:
        """The failures that this one stands for."""
        return (self,)


def one_line(text: object) -> str:
    """`text` on one printable line: what a library says, or a file is called, may have line breaks in it."""
    line = " ".join(str(text).split())
    return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def shortened(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """`text` on one printable line of at most `limit` characters: of a longer one the begin and the end."""
    if len(text) > 8 * limit:  # so that megabytes are not gone through
        text = f"{text[: 4 * limit]}{text[-4 * limit :]}"
    line = one_line(text)
    if len(line) <= limit:
        return line
    kept = limit - len(_MIDDLE) - 10
    return f"{line[: kept * 2 // 3]}{_MIDDLE.format(len(line) - kept)}{line[len(line) - kept // 3 :]}"


def listed(names: Iterable[object], shown: int = 5, between: str = ", ") -> str:
    """The first few of what a message lists, and how many there are besides."""
    texts = list(names)
    more = f" and {len(texts) - shown:,} more" if len(texts) > shown else ""
    return between.join(f"{each!s:.200}" for each in texts[:shown]) + more


def has_controls(text: str) -> bool:
    """Whether a text holds what moves a terminal's cursor, breaks a line or turns the direction of writing."""
    return _CONTROLS.search(text) is not None


def without_controls(text: str) -> str:
    """The text with such characters written as Python writes them: `\\n`, `\\x1b`."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)


class WrongOptions(EdgeferError):
    """Options of a command or a function that don't go together, or one that is missing."""

    exit_code = 2


class UnknownName(EdgeferError):
    """A network, target, recipe or engine that no registry holds."""

    exit_code = 3

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """`name` is not one of the `known` names of this kind: says the nearest ones, or all."""
        names = {each.lower(): each for each in known}
        near = [names[key] for key in difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)]
        hints = [f"did you mean {' or '.join(near)}?"] if near else []
        if kind not in _LISTED or not near:
            hints.append(f"known: {', '.join(names.values())}.")
        if kind in _LISTED:
            hints.append(f"`edgefer {kind}s` lists them all.")
        return cls(f"unknown {kind} {name!r}: {' '.join(hints)}")


class MissingFile(EdgeferError):
    """A path that does not exist or can't be opened."""

    exit_code = 4


class BadData(EdgeferError):
    """A data set that can't be read as it stands: broken row, broken image, wrong shape."""

    exit_code = 5


class EmptyData(EdgeferError):
    """A data set, split or class without a single image."""

    exit_code = 6


class BadCalibration(EdgeferError):
    """A calibration set or recorded ranges that can't be used for these weights."""

    exit_code = 7


class BadWeights(EdgeferError):
    """A weights file that is broken or belongs to another network."""

    exit_code = 8


class ExportFailed(EdgeferError):
    """An engine's converter refused the network."""

    exit_code = 9


class NotInteger(EdgeferError):
    """An int8 target whose file kept float tensors or operators inside."""

    exit_code = 10


class BrokenBundle(EdgeferError):
    """A bundle with a changed, missing or foreign file, or an unreadable manifest."""

    exit_code = 11


class GoldenMismatch(EdgeferError):
    """A bundle whose model does not give the golden output for the golden input."""

    exit_code = 12


class OutputFailed(EdgeferError):
    """A result that could not be written: read-only or full folder, name taken."""

    exit_code = 13


class MissingEngine(EdgeferError):
    """A package that an extra of edgefer would install."""

    exit_code = 14

    @classmethod
    def of(cls, package: str, extra: str) -> MissingEngine:
        """The package is missing; edgefer's extra of that name has it."""
        return cls(f"the package {package} is not installed: run pip install 'edgefer[{extra}]'.")


class AccuracyDropped(EdgeferError):
    """An artifact that is further from its float model than the limits allow."""

    exit_code = 15


class BadRecord(EdgeferError):
    """A TOML or JSON file of edgefer's with an unknown key, a wrong type or a foreign schema."""

    exit_code = 16


class UnknownSchema(BadRecord):
    """A record of a schema that this edgefer doesn't read."""


class BadCheckpoint(EdgeferError):
    """A training checkpoint of other settings or one that can't be read."""

    exit_code = 17


class Regressed(EdgeferError):
    """A gate whose HEAD is slower, larger or less accurate than its BASE by more than the limits allow."""

    exit_code = 18


class Inconclusive(EdgeferError):
    """A gate that can't tell: too few processes, or more noise than the limit."""

    exit_code = 19


class SeveralFailures(EdgeferError):
    """All that went wrong in a command that goes on after a failure; the exit code is the first's, or the highest."""

    def __init__(self, message: str, failures: Sequence[EdgeferError] = (), highest: bool = False) -> None:
        super().__init__(message)
        self._failures = failures or (self,)
        if failures:
            codes = [failure.exit_code for failure in failures]
            self.exit_code = max(codes) if highest else codes[0]

    @classmethod
    def of(cls, failures: Sequence[EdgeferError], highest: bool = False) -> SeveralFailures:
        """These failures, of which there is at least one."""
        return cls(" ".join(map(str, failures)), failures, highest)

    @property
    def parts(self) -> Sequence[EdgeferError]:
        """The failures in the order in which they came."""
        return self._failures


class WorkerFailed(EdgeferError):
    """A process that measures or runs a model, and ended without an answer."""

    exit_code = 20


class Unreachable(EdgeferError):
    """A board that does not answer, or whose connection was lost and did not come back."""

    exit_code = 21


class AccessDenied(EdgeferError):
    """A board that refuses the key, or whose own key is not the one that is known."""

    exit_code = 22


class NotSetUp(EdgeferError):
    """A device or a face detector that lacks what a run needs: Python, an engine, an emulator, disk, weights."""

    exit_code = 23


class Throttled(EdgeferError):
    """Runs during which the board slowed itself down: their latencies are not the board's."""

    exit_code = 24


class NoGpu(EdgeferError):
    """No GPU, or none that the installed packages can use."""

    exit_code = 25


class BadNetwork(EdgeferError):
    """A network of the user's own that can't be used: not found, not a network, wrong inputs or outputs."""

    exit_code = 26


class BadSetting(EdgeferError):
    """A setting of a recipe or a sweep that does not exist, or a value that it can't have."""

    exit_code = 27


class BadBank(EdgeferError):
    """A bank of teacher logits that is broken, unfinished, or of other faces or teachers."""

    exit_code = 28


class Diverged(EdgeferError):
    """A training whose loss or weights are no finite numbers any more."""

    exit_code = 29


class NoFrames(EdgeferError):
    """A camera, stream or video that is not there, can't be opened, or gives no frame."""

    exit_code = 30


class CompilerFailed(EdgeferError):
    """A C compiler that can't compile what edgefer wrote."""

    exit_code = 31


class BadKey(EdgeferError):
    """A file of a key that is none, is of another kind, or has another passphrase; a folder without one."""

    exit_code = 32


class NotSigned(EdgeferError):
    """A bundle without a signature, where one is demanded."""

    exit_code = 33


class NotTrusted(EdgeferError):
    """A bundle that is signed by a key which is none of the trusted ones."""

    exit_code = 34


class BadSignature(EdgeferError):
    """A signature that is not the key's for this manifest: one of the two was changed after signing."""

    exit_code = 35


class Outdated(EdgeferError):
    """A bundle that is rightly signed, as a lower version than is demanded."""

    exit_code = 36


class NothingFits(EdgeferError):
    """No bundle of a network meets the limits that were set for a device."""

    exit_code = 37


def of_kind(kind: str, message: str) -> EdgeferError:
    """The failure that another process told of: an object of the class called `kind`, else an EdgeferError."""
    named = globals().get(kind)
    return named(message) if isinstance(named, type) and issubclass(named, EdgeferError) else EdgeferError(message)
