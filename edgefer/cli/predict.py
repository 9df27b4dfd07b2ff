"""edgefer predict: photographs, videos and cameras to faces and expressions."""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgefer.cli.command import Command
from edgefer.cli.common import PATH, json_option, usage_errors
from edgefer.cli.progress import Display, display
from edgefer.cli.threads import threads_option
from edgefer.cli.trust import trust_options
from edgefer.runtime import units
from edgefer.runtime.errors import one_line, without_controls
from edgefer.runtime.terminal_table import csv_cell

if TYPE_CHECKING:
    from edgefer.runtime.errors import EdgeferError
    from edgefer.runtime.predict_run import FrameResult, Summary
    from edgefer.runtime.sources import Source

_NAMED = 3  # files that are left out are named, so many of them


@click.command(cls=Command)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--camera", type=click.IntRange(0), metavar="N", help="Read the camera of this number.")
@click.option("--bundle", type=PATH, metavar="FOLDER", help="The model; default: the shipped EAN, built once.")
@click.option(
    "--detector",
    metavar="NAME",
    help="What finds the faces; `edgefer detector list` shows them, none takes a picture for a face; default: what is "
    "set up, for photographs or for what moves.",
)
@click.option("--mirror", is_flag=True, help="Average each face with its mirror image: one more inference.")
@click.option(
    "--smoothing",
    type=click.FloatRange(0, 60),
    default=0.3,
    show_default=True,
    metavar="SECONDS",
    help="In what moves, average each face's probabilities over so long; 0: each frame by itself.",
)
@click.option("--out", type=PATH, metavar="PATH", help="Write annotated pictures or videos to this folder or file.")
@click.option("--show", is_flag=True, help="Show them in a window; q ends.")
@threads_option
@click.option("--csv", "as_csv", is_flag=True, help="Print a line for each face as CSV, and nothing else.")
@trust_options
@json_option
def predict(sources: tuple[str, ...], as_csv: bool, as_json: bool, **options: Any) -> None:
    """Tell the expressions of the faces in pictures, folders, globs, videos, streams or of a camera.

    A stream is an address, a named pipe, or - for standard input.

    A picture without a face is a normal answer. Sources that can't be read are told of, the others go on; the exit
    code is the highest one of those that failed. With --json each frame is one line. A stream or camera goes on until
    Ctrl-C. Everything that moves needs pip install 'edgefer[predict]'.

    \b
    Example: edgefer predict photo.jpg --bundle dist/ean.tflite-int8
             edgefer predict holiday/ --bundle dist/ean.tflite-int8 --out annotated
             edgefer predict --camera 0 --json
    """
    from edgefer.runtime.errors import SeveralFailures

    if not sources and options["camera"] is None:
        raise click.UsageError("give pictures, folders, videos, an address or -, or --camera N.")
    if options["trust"] is not None and options["bundle"] is None:
        raise click.UsageError("--trusted is about the bundle of --bundle: the shipped EAN is built here, unsigned.")
    if as_csv and as_json:
        raise click.UsageError("give one of --json and --csv.")
    with usage_errors(), display() as shown:
        summary = _run(shown, sources, options, _JsonLines if as_json else _CsvLines if as_csv else _Table)
    if summary.failures:
        raise SeveralFailures.of(summary.failures, highest=True)


def _run(shown: Display, texts: Sequence[str], options: dict[str, Any], kind: type[_Printer]) -> Summary:
    from edgefer.runtime.classifier import load_apart
    from edgefer.runtime.predict_run import RunOptions, load_detectors, run
    from edgefer.runtime.sources import list_sources

    listing = list_sources(texts, options["camera"])
    if listing.others:
        names = one_line(", ".join(map(str, listing.others[:_NAMED]))) + (", ..." if listing.others[_NAMED:] else "")
        shown.progress.note(f"left out, because it is no picture or video: {names} ({len(listing.others):,} in all)")
    detectors = load_detectors(options["detector"], listing.sources, options["threads"])
    with load_apart(options["bundle"] or _shipped(shown), options["trust"], options["threads"]) as classifier:
        printer = kind(shown.print, classifier.labels, "bundle" if classifier.contract.face_maps else "edgefer")
        summary = run(
            classifier,
            detectors,
            listing.sources,
            RunOptions(options["mirror"], options["smoothing"], options["out"], options["show"]),
            printer.tell,
            printer.fail,
            shown.progress,
        )
    printer.end(summary)
    return summary


def _shipped(shown: Display) -> Path:
    from edgefer.pipeline.shipped import shipped_bundle

    return shipped_bundle(shown.progress)


class _Printer(ABC):
    """Prints what a run tells; `framing` says whose maps faces are cut out by, the bundle's or edgefer's own."""

    def __init__(self, write: Callable[[str], None], labels: Sequence[str], framing: str) -> None:
        self.write = write
        self.labels = labels
        self.framing = framing

    @abstractmethod
    def tell(self, result: FrameResult) -> None:
        """One frame is done."""

    def fail(self, source: Source, error: EdgeferError) -> None:
        """A source could not be read: prints nothing, the command's error says so at the end."""
        del source, error

    def end(self, summary: Summary) -> None:
        """All sources are done: prints nothing more."""
        del summary


class _JsonLines(_Printer):
    """One line a frame, and one for each source that failed."""

    def tell(self, result: FrameResult) -> None:
        faces = [
            {
                "box": [round(value, 2) for value in each.box],
                "score": round(each.face.score, 4),
                "roll": round(each.face.roll, 2),
                "points": [[round(x, 2), round(y, 2)] for x, y in each.face.points],
                "detector": each.face.detector,
                "framing": self.framing,
                "track": each.track,
                "label": each.label,
                "probabilities": {label: round(value, 6) for label, value in each.probabilities.items()},
            }
            for each in result.faces
        ]
        frame = {"source": result.source.name, "frame": result.index, "seconds": result.seconds}
        self._line({**frame, "width": result.width, "height": result.height, "faces": faces})

    def fail(self, source: Source, error: EdgeferError) -> None:
        self._line({"source": source.name, "error": {"exit_code": error.exit_code, "message": str(error)}})

    def _line(self, content: dict[str, Any]) -> None:
        import json

        self.write(json.dumps(content))


class _CsvLines(_Printer):
    """A header, and a line for each face; a frame without a face has a line without one."""

    def __init__(self, write: Callable[[str], None], labels: Sequence[str], framing: str) -> None:
        super().__init__(write, labels, framing)
        self._line(
            ["source", "frame", "seconds", "face", "left", "top", "width", "height", "score", "track", "label", *labels]
        )

    def tell(self, result: FrameResult) -> None:
        start = [result.source.name, result.index, "" if result.seconds is None else result.seconds]
        for number, each in enumerate(result.faces, 1):
            box = [round(value, 2) for value in each.box]
            track = "" if each.track is None else each.track
            shares = [round(value, 6) for value in each.probabilities.values()]
            self._line([*start, number, *box, round(each.face.score, 4), track, each.label, *shares])
        if not result.faces:
            self._line([*start, 0, *[""] * (7 + len(self.labels))])

    def _line(self, values: Sequence[object]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([csv_cell(each) for each in values])
        self.write(text.getvalue().removesuffix("\n"))


class _Table(_Printer):
    """A table of the faces in pictures; of what moves a line for each frame, as it comes."""

    def __init__(self, write: Callable[[str], None], labels: Sequence[str], framing: str) -> None:
        super().__init__(write, labels, framing)
        self._rows: list[list[str]] = []

    def tell(self, result: FrameResult) -> None:
        if result.source.kind != "picture":
            said = "; ".join(
                f"face {each.track} {each.label} {_percent(each.probabilities[each.label])} at {_box(each.box)}"
                for each in result.faces
            )
            self.write(f"{one_line(result.source.name)} {result.seconds:.2f} s: {said or 'no face'}")
            return
        for number, each in enumerate(result.faces, 1):
            shares = [_percent(value) for value in each.probabilities.values()]
            self._rows.append([one_line(result.source.name), str(number), _box(each.box), each.label, *shares])
        if not result.faces:
            self._rows.append([one_line(result.source.name), "", "", "no face", *[""] * len(self.labels)])

    def end(self, summary: Summary) -> None:
        from edgefer.runtime.terminal_table import table

        if self._rows:
            self.write(table(("picture", "face", "box", "expression", *self.labels), self._rows))
        if summary.frames:
            self.write(_speed(summary))
        if len(summary.written) == 1:
            self.write(without_controls(f"wrote {summary.written[0]}"))
        elif summary.written:
            self.write(without_controls(f"wrote {len(summary.written)} files to {summary.written[0].parent}"))


def _box(box: Sequence[float]) -> str:
    left, top, width, height = (round(value) for value in box)
    return f"{left},{top} {width}x{height}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _speed(summary: Summary) -> str:
    """How many frames a second, and where the time went."""
    shares = [(str(stage), seconds / summary.seconds) for stage, seconds in summary.stages.items()]
    rest = max(0.0, 1 - sum(share for _, share in shares))
    parts = ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in (*shares, ("other", rest)))
    rate = f"{summary.frames / summary.seconds:.1f} frames per second"
    done = f"{units.counted(summary.frames, 'frame')}, {units.counted(summary.faces, 'face')}"
    return f"{done} in {summary.seconds:.2f} s, {rate}: {parts}"
