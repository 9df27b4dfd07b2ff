"""A run over sources: what is told of each, what is written, and what is left after an interrupt."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefer.runtime import predict_run
from edgefer.runtime.annotation import Window
from edgefer.runtime.errors import EdgeferError, NotSetUp, OutputFailed, WrongOptions
from edgefer.runtime.frames import Frame, frames
from edgefer.runtime.predict_run import FrameResult, RunOptions, Summary, load_detectors
from edgefer.runtime.preprocess import Pixels
from edgefer.runtime.process import Terminated
from edgefer.runtime.sources import Source, list_sources
from tests.data.made import fails, write_image
from tests.runtime.made_model import Halves, half_white
from tests.runtime.made_video import FRAMES, count_frames, write_video

STREAM = Source("rtsp://made", "stream", "rtsp://made")


def run(
    sources: list[Source] | Path,
    options: RunOptions = RunOptions(),  # noqa: B008 (frozen)
    tell: Callable[[FrameResult], None] = lambda result: None,
) -> Summary:
    listed = list(list_sources([str(sources)]).sources) if isinstance(sources, Path) else sources
    return predict_run.run(Halves(), load_detectors("none", listed), listed, options, tell, lambda *_: None)


def stream(monkeypatch: pytest.MonkeyPatch, count: int, end: BaseException | None = None) -> None:
    """Make streams of so many frames, after which this is raised."""

    def made(source: Source) -> Generator[Frame, None, None]:
        for index in range(count):
            yield Frame(index, index / 10, half_white(64, left=index % 2 == 0))
        if end is not None:
            raise end

    monkeypatch.setattr(predict_run, "frames", lambda source: made(source) if source.live else frames(source))
    monkeypatch.setattr(predict_run, "import_decoders", lambda sources: None)


def test_one_bad_picture_does_not_stop_the_others(tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        write_image(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"broken")
    told: list[FrameResult] = []
    failed: list[tuple[str, EdgeferError]] = []
    sources = list_sources([str(tmp_path)]).sources
    summary = predict_run.run(
        *(Halves(), load_detectors("none", sources), sources, RunOptions(out=tmp_path / "out")),
        told.append,
        lambda source, error: failed.append((source.name, error)),
    )
    assert [Path(each.source.name).name for each in told] == ["a.png", "c.png"]
    assert [(Path(name).name, error.exit_code) for name, error in failed] == [("b.png", 5)]
    assert (summary.frames, summary.faces, len(summary.failures)) == (2, 2, 1)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_annotated_pictures_differ_where_the_face_is(tmp_path: Path) -> None:
    plain = write_image(tmp_path / "a.png", shape=(120, 160, 3))
    (written,) = run(plain, RunOptions(out=tmp_path / "annotated.jpg")).written
    with Image.open(written) as image:
        assert (image.format, image.size) == ("JPEG", (160, 120))
        red, green, blue = np.asarray(image)[60, 0]
    assert red > 150 and green > 150 and blue < 120, "the yellow box"


def test_names_in_a_folder_do_not_meet(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_image(tmp_path / "in" / folder / "a.png")
    write_image(tmp_path / "in" / "b.pgm")
    run(tmp_path / "in", RunOptions(out=tmp_path / "out"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a-2.png", "a.png", "b.pgm.png"]


def test_a_source_is_never_overwritten(tmp_path: Path) -> None:
    first, second = (write_image(tmp_path / name / "a.png") for name in ("one", "two"))
    before = first.read_bytes(), second.read_bytes()
    for sources, out in (([first], first), ([first], first.parent), ([second, first], first.parent)):
        listed = list(list_sources(list(map(str, sources))).sources)
        with fails(OutputFailed, 13, str(first), "is one of the sources"):
            run(listed, RunOptions(out=out))
    assert (first.read_bytes(), second.read_bytes()) == before


def test_out_that_does_not_fit(tmp_path: Path) -> None:
    pictures = [write_image(tmp_path / "in" / name) for name in ("a.png", "b.png")]
    with fails(WrongOptions, 2, "out.png is one file for 2 sources", "give a folder"):
        run(tmp_path / "in", RunOptions(out=tmp_path / "out.png"))
    with fails(WrongOptions, 2, "out.mp4 can't hold a picture", ".png"):
        run(pictures[0], RunOptions(out=tmp_path / "out.mp4"))
    with fails(WrongOptions, 2, "out.gif can't be written", ".png", "give a folder"):
        run(pictures[0], RunOptions(out=tmp_path / "out.gif"))
    (tmp_path / "notes.txt").touch()
    with fails(OutputFailed, 13, "notes.txt is a file"):
        run(pictures[0], RunOptions(out=tmp_path / "notes.txt"))


def test_a_video_is_annotated(tmp_path: Path) -> None:
    told: list[FrameResult] = []
    source = write_video(tmp_path / "v.mp4")
    summary = run(source, RunOptions(out=tmp_path / "out"), told.append)
    assert summary.written == [tmp_path / "out" / "v.mp4"] and count_frames(summary.written[0]) == FRAMES
    assert {each.track for result in told for each in result.faces} == {1}
    assert all(summary.stages[stage] > 0 for stage in summary.stages)
    assert sum(summary.stages.values()) <= summary.seconds


def test_of_a_video_that_ends_broken_the_readable_part_is_kept(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.avi", 30).read_bytes()
    (tmp_path / "v.avi").write_bytes(whole[: len(whole) // 2])
    summary = run(tmp_path / "v.avi", RunOptions(out=tmp_path / "out"))
    assert len(summary.failures) == 1 and 0 < count_frames(tmp_path / "out" / "v.avi") == summary.frames < 30


@pytest.mark.parametrize("end", [KeyboardInterrupt(), Terminated()], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_stream_leaves_a_whole_video(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: BaseException
) -> None:
    pytest.importorskip("cv2", reason="needs opencv-python-headless: pip install 'edgefer[predict]'")
    stream(monkeypatch, 7, end)
    options = RunOptions(out=tmp_path / "out.mp4")
    if isinstance(end, Terminated):
        with pytest.raises(Terminated):
            run([STREAM], options)
    else:
        summary = run([STREAM], options)
        assert summary.stopped and summary.frames == 7
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert count_frames(tmp_path / "out.mp4") == 7


def test_an_interrupted_video_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(result: FrameResult) -> None:
        if result.index == 3:
            raise KeyboardInterrupt

    source = write_video(tmp_path / "v.mp4")
    with pytest.raises(KeyboardInterrupt):
        run(source, RunOptions(out=tmp_path / "out"), interrupt)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_stream_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {}

    def watch(result: FrameResult) -> None:
        if result.index in (200, 1999):
            sizes[result.index] = tracemalloc.get_traced_memory()[0]

    stream(monkeypatch, 2000)
    tracemalloc.start()
    try:
        run([STREAM], tell=watch)
    finally:
        tracemalloc.stop()
    assert sizes[1999] - sizes[200] < 20_000, "bytes; a frame has 12,288"


def test_no_screen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs opencv-python-headless: pip install 'edgefer[predict]'")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with fails(NotSetUp, 23, "--show needs a screen"):
        run(write_image(tmp_path / "a.png"), RunOptions(show=True))
    monkeypatch.setenv("DISPLAY", ":97")

    def no_windows(*_: object) -> None:
        raise cv2.error("not implemented")

    monkeypatch.setattr(cv2, "namedWindow", no_windows)
    with fails(NotSetUp, 23, "an OpenCV with windows", "pip install opencv-python "):
        run(write_image(tmp_path / "a.png"), RunOptions(show=True))


class Screen:
    """What Window uses of OpenCV: the user presses these keys, one at each look."""

    WND_PROP_VISIBLE = 4

    def __init__(self, *keys: int) -> None:
        self._keys = list(keys)
        self.shown = 0

    def imshow(self, title: str, image: Pixels) -> None:
        self.shown += 1

    def waitKey(self, milliseconds: int) -> int:
        return self._keys.pop(0) if self._keys else -1

    def getWindowProperty(self, title: str, which: int) -> float:
        return 1.0


def test_a_window_goes_on_with_any_key_and_ends_with_q(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    screen = Screen(-1, ord(" "), ord("q"))
    monkeypatch.setattr(predict_run, "window", lambda: contextlib.nullcontext(Window(screen)))
    for name in "abc":
        write_image(tmp_path / f"{name}.png")
    summary = run(tmp_path, RunOptions(show=True))
    assert summary.stopped and screen.shown == 2, "a space shows the next picture, q ends"


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from edgefer.runtime.annotation import VideoFile
from edgefer.runtime.frames import Frame
video, image = VideoFile(Path(sys.argv[1])), np.zeros((64, 64, 3), np.uint8)
video.add(Frame(0, 0.0, image), image)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_of_a_video_is_swept_by_the_next(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", KILLED, str(out / "v.mp4")], check=False)
    (left,) = out.iterdir()
    assert done.returncode == -signal.SIGKILL and left.is_dir()
    os.utime(left, (0, 0))  # a minute is enough
    run(write_video(tmp_path / "v.mp4"), RunOptions(out=out))
    assert [path.name for path in out.iterdir()] == ["v.mp4"]
