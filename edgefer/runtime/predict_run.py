"""`edgefer predict` as a function: sources in, a result for each frame, files beside, and where the time went."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgefer.runtime.annotation import Output, VideoFile, Window, annotated, window, write_picture
from edgefer.runtime.detectors import Detector, load_detector, load_policy
from edgefer.runtime.errors import BadData, EdgeferError, MissingFile, NoFrames
from edgefer.runtime.frames import Frame, frames, import_decoders
from edgefer.runtime.predict import FaceModel, FacePrediction, Predictor, Stage, Stopwatch
from edgefer.runtime.process import Terminated, defer_signals
from edgefer.runtime.progress import SILENT, Progress
from edgefer.runtime.sources import Kind, Source
from edgefer.runtime.tracking import Tracker

_OF_A_SOURCE = (BadData, MissingFile, NoFrames)  # failures after which the other sources are still read


@dataclass(frozen=True)
class RunOptions:
    """How sources are gone through.

    mirror     average each face with its mirror image
    smoothing  seconds over which a face's probabilities are smoothed in what moves; 0: not at all
    out        a folder, or a file for a single source, for annotated pictures and videos
    show       in a window too
    """

    mirror: bool = False
    smoothing: float = 0.3
    out: Path | None = None
    show: bool = False


@dataclass(frozen=True)
class FrameResult:
    """The faces of one frame; `seconds` is its time in a video or since a stream was opened, None for a picture."""

    source: Source
    index: int
    seconds: float | None
    width: int
    height: int
    faces: Sequence[FacePrediction]


@dataclass
class Summary:
    """What a run did.

    seconds   from the first source's opening to the end; `stages` those of each stage of all frames
    written   annotated files
    failures  of single sources
    stopped   whether somebody ended a live source or closed the window
    """

    frames: int = 0
    faces: int = 0
    seconds: float = 0.0
    stages: dict[Stage, float] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    failures: list[EdgeferError] = field(default_factory=list)
    stopped: bool = False


class _Ended(Exception):
    """The user closed the window."""


def load_detectors(name: str | None, sources: Sequence[Source], threads: int = 1) -> dict[Kind, Detector]:
    """What finds the faces of each kind of source: the detector of this name, or by default those that are set up.

    By default pictures are searched by the detectors for photographs, what moves by those for cameras. Raises
    UnknownName, NotSetUp or MissingEngine.
    """
    kinds = {source.kind for source in sources}
    if name is not None:
        return dict.fromkeys(kinds, load_detector(name, threads))
    return {kind: load_policy("photographs" if kind == "picture" else "camera", threads) for kind in kinds}


def run(
    model: FaceModel,
    detectors: Mapping[Kind, Detector],
    sources: Sequence[Source],
    options: RunOptions,
    tell: Callable[[FrameResult], None],
    fail: Callable[[Source, EdgeferError], None],
    progress: Progress = SILENT,
) -> Summary:
    """Go through the sources, and tell of each frame as it is done; one that can't be read does not stop the others.

    A stream or camera goes on until Ctrl-C, which ends the run well: what was written is whole. Of a video that was
    interrupted no file is left. Raises WrongOptions or OutputFailed for `out`, NotSetUp for `show`.
    """
    stopwatch = Stopwatch()
    predictors = {kind: Predictor(model, detector, options.mirror, stopwatch) for kind, detector in detectors.items()}
    output = None if options.out is None else Output.of(options.out, sources)
    summary = Summary(stages=stopwatch.seconds)
    import_decoders(sources)
    start = time.perf_counter()
    with window() if options.show else contextlib.nullcontext() as shown:
        passing = _Pass(predictors, options, output, shown, tell, summary)
        for number, source in enumerate(sources):
            progress.step("", source.name, number, len(sources))
            try:
                passing.through(source)
            except _OF_A_SOURCE as error:
                summary.failures.append(error)
                fail(source, error)
            except _Ended:
                summary.stopped = True
            if summary.stopped:
                break
    summary.seconds = time.perf_counter() - start
    return summary


@dataclass(frozen=True)
class _Pass:
    """What all sources of a run share."""

    predictors: Mapping[Kind, Predictor]
    options: RunOptions
    output: Output | None
    window: Window | None
    tell: Callable[[FrameResult], None]
    summary: Summary

    def through(self, source: Source) -> None:
        """Go through one source."""
        path = None if self.output is None else self.output.path_for(source)
        video = VideoFile(path) if path is not None and source.kind != "picture" else None
        try:
            self._each(source, path, video)
            with self.predictors[source.kind].stopwatch.time("draw"):
                self._finish(video)
        except (KeyboardInterrupt, Terminated, _Ended) as end:
            if not source.live and not isinstance(end, _Ended):
                raise
            self._finish(video)
            self.summary.stopped = True
            if isinstance(end, Terminated):
                raise
        except _OF_A_SOURCE:
            self._finish(video)  # of a video that ends broken, what could be read
            raise
        finally:
            if video is not None:
                video.discard()

    def _finish(self, video: VideoFile | None) -> None:
        written = None if video is None else video.finish()
        if written is not None:
            self.summary.written.append(written)

    def _each(self, source: Source, path: Path | None, video: VideoFile | None) -> None:
        tracker = None if source.kind == "picture" else Tracker(self.options.smoothing)
        predictor = self.predictors[source.kind]
        with contextlib.closing(_timed(predictor, source)) as timed:
            for frame in timed:
                faces = predictor.predict(frame.image)
                if tracker is not None:
                    faces = tracker.update(faces, frame.seconds or 0.0)
                with predictor.stopwatch.time("draw"):
                    self._draw(source, frame, faces, path, video)
                height, width, _ = frame.image.shape
                with defer_signals():
                    self.tell(FrameResult(source, frame.index, frame.seconds, width, height, faces))
                self.summary.frames += 1
                self.summary.faces += len(faces)

    def _draw(
        self, source: Source, frame: Frame, faces: Sequence[FacePrediction], path: Path | None, video: VideoFile | None
    ) -> None:
        if path is None and self.window is None:
            return
        drawn = annotated(frame.image, faces)
        if video is not None:
            video.add(frame, drawn)
        elif path is not None:
            write_picture(path, drawn)
            self.summary.written.append(path)
        if self.window is not None and not self.window.show(drawn, wait=source.kind == "picture"):
            raise _Ended


def _timed(predictor: Predictor, source: Source) -> Generator[Frame, None, None]:
    """The frames of a source, their decoding timed."""
    with contextlib.closing(frames(source)) as decoded:
        while True:
            with predictor.stopwatch.time("decode"):
                frame = next(decoded, None)
            if frame is None:
                return
            yield frame
