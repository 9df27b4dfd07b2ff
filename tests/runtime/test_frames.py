"""What the user names as a source, and the frames that it gives."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgefer.runtime import frames as frames_module
from edgefer.runtime.errors import BadData, EmptyData, MissingEngine, MissingFile, NoFrames
from edgefer.runtime.frames import frames
from edgefer.runtime.sources import Source, list_sources
from tests.data.made import fails, noise, save_turned, write_image
from tests.runtime.made_video import FRAMES, RATE, SIZE, write_video

CAMERA = 97  # there is none of that number


def picture(path: Path) -> Source:
    return Source(str(path), "picture", str(path))


def video(path: Path) -> Source:
    return Source(str(path), "video", str(path))


def test_sources_are_told_apart_by_content(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "inner/c.png", ".hidden/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        write_image(path)
    (tmp_path / "a.jpg").rename(tmp_path / "picture-without-suffix")
    (tmp_path / "empty.png").touch()
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "film").write_bytes(b"\0\0\0\x18ftypmp42")
    listing = list_sources([str(tmp_path), "rtsp://camera/1"], camera=2)
    assert [(Path(each.name).name, each.kind) for each in listing.sources] == [
        ("b.png", "picture"),
        ("empty.png", "picture"),
        ("film", "video"),
        ("c.png", "picture"),
        ("picture-without-suffix", "picture"),
        ("1", "stream"),
        ("camera 2", "camera"),
    ]
    assert [path.name for path in listing.others] == ["notes.txt"]


def test_globs(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "c[1].png"):
        write_image(tmp_path / name)
    assert [Path(each.name).name for each in list_sources([f"{tmp_path}/[ab].png"]).sources] == ["a.png", "b.png"]
    assert len(list_sources([f"{tmp_path}/c[1].png"]).sources) == 1, "a file of that very name"
    with fails(MissingFile, 4, "no file matches", "*.gif"):
        list_sources([f"{tmp_path}/*.gif"])


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    with fails(MissingFile, 4, "no picture, video or folder at", "none.png"):
        list_sources([str(tmp_path / "none.png")])
    with fails(EmptyData, 6, "no picture and no video", str(tmp_path)):
        list_sources([str(tmp_path)])


def test_pipes_and_devices_are_not_looked_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    listed = list_sources([str(tmp_path / "pipe"), "-"]).sources
    assert [(each.kind, each.live) for each in listed] == [("stream", True)] * 2
    with fails(BadData, 5, "/dev/null is neither a file nor a pipe nor a camera"):
        list_sources(["/dev/null"])
    (tmp_path / "link").symlink_to("/dev/null")
    with fails(BadData, 5, "link is neither a file"):
        list_sources([str(tmp_path / "link")])
    with fails(MissingFile, 4, "no picture, video or folder at an empty path"):
        list_sources([""])


def test_an_address_is_shown_without_its_password() -> None:
    for text in ("rtsp://me:secret@camera/1?a=b@c", "rtsp://me@camera/", "http://camera/1"):
        (source,) = list_sources([text]).sources
        assert "secret" not in source.name and source.place == text
    assert list_sources(["rtsp://me:secret@camera/1?a=b@c"]).sources[0].name == "rtsp://camera/1?a=b@c"


def test_a_pipe_is_read_as_its_frames_come(tmp_path: Path) -> None:
    """FFmpeg by itself looks at 5 MB of a pipe first: here that would be its end."""
    jpegs = b"".join(written(noise(index, 120, 160, 3)) for index in range(60))
    code = (
        "import sys\nfrom edgefer.runtime.frames import frames\nfrom edgefer.runtime.sources import list_sources\n"
        "for frame in frames(list_sources(['-']).sources[0]):\n    print(frame.index, flush=True)"
    )
    pytest.importorskip("cv2", reason="needs opencv-python-headless: pip install 'edgefer[predict]'")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        late = threading.Timer(30, process.kill)
        late.start()
        process.stdin.write(jpegs)
        process.stdin.flush()
        assert process.stdout.readline() == b"0\n", "before the pipe is closed"
        process.stdin.close()
        assert process.stdout.read().split()[-1] == b"59"
        late.cancel()


def written(pixels: NDArray[np.uint8]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG")
    return content.getvalue()


def test_a_picture_is_upright_and_rgb(tmp_path: Path) -> None:
    pixels = noise(0, 20, 30, 3)
    turned = save_turned(tmp_path / "turned.png", pixels, 6)
    (frame,) = frames(picture(turned))
    assert (frame.index, frame.seconds) == (0, None)
    assert np.array_equal(frame.image, pixels)
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "alpha.png")
    assert np.array_equal(next(frames(picture(tmp_path / "alpha.png"))).image, pixels)
    deep = noise(1, 8, 9).astype(np.uint16) << 8 | 0xFF
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(next(frames(picture(tmp_path / "deep.png"))).image, np.repeat((deep >> 8)[..., None], 3, 2))


def test_pictures_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.png").touch()
    with fails(BadData, 5, "empty.png", "broken, or no image", "the file is empty"):
        next(frames(picture(tmp_path / "empty.png")))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with fails(BadData, 5, "huge.png", "too large"):
        next(frames(picture(write_image(tmp_path / "huge.png"))))


@pytest.mark.parametrize("name", ["v.mp4", "v.avi"])
def test_a_video(tmp_path: Path, name: str) -> None:
    read = list(frames(video(write_video(tmp_path / name))))
    assert [each.index for each in read] == list(range(FRAMES))
    assert [each.seconds for each in read] == pytest.approx([index / RATE for index in range(FRAMES)], abs=0.001)
    assert {each.image.shape for each in read} == {(SIZE[1], SIZE[0], 3)}
    red, green, blue = read[0].image[16, 8]
    assert red > 200 and green < 60 and blue < 60, "OpenCV's blue, green, red is turned round"
    assert read[0].rate == pytest.approx(RATE)


def test_a_video_that_is_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.avi", 30).read_bytes()
    (tmp_path / "v.avi").write_bytes(whole[: len(whole) // 2])
    read = []
    with fails(BadData, 5, "v.avi ends after", "it promises 30"):
        for each in frames(video(tmp_path / "v.avi")):
            read.append(each.index)
    assert read == list(range(len(read))) and 5 < len(read) < 30
    with fails(BadData, 5, "begins like a video"):
        (tmp_path / "v.mp4").write_bytes(write_video(tmp_path / "v.mp4").read_bytes()[:300])
        next(frames(video(tmp_path / "v.mp4")))


def test_what_is_no_video(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="needs opencv-python-headless: pip install 'edgefer[predict]'")
    (tmp_path / "empty.mp4").touch()
    with fails(BadData, 5, "empty.mp4 is empty"):
        next(frames(video(tmp_path / "empty.mp4")))
    (tmp_path / "notes.txt").write_text("no video")
    with fails(BadData, 5, "notes.txt is neither an image of the kinds", "nor a video"):
        next(frames(video(tmp_path / "notes.txt")))
    with fails(NoFrames, 30, "can't open the stream", "nowhere"):
        next(frames(Source("file:///nowhere", "stream", "file:///nowhere")))


@pytest.mark.skipif(sys.platform != "linux", reason="cameras are files on Linux only")
def test_a_camera_that_is_not_there() -> None:
    with fails(NoFrames, 30, f"no camera {CAMERA}", f"there is no /dev/video{CAMERA}"):
        next(frames(Source(f"camera {CAMERA}", "camera", str(CAMERA))))


def test_without_opencv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    (tmp_path / "film").write_bytes(b"\0\0\0\x18ftypmp42")
    with fails(MissingEngine, 14, "opencv-python-headless", "edgefer[predict]"):
        next(frames(video(tmp_path / "film")))


class Camera:
    """What is used of OpenCV: a camera that gives so many frames."""

    CAP_PROP_FPS, CAP_PROP_FRAME_COUNT, CAP_PROP_POS_MSEC = 5, 7, 0

    def __init__(self, opens: bool, count: int) -> None:
        self._opens, self._left, self.released = opens, count, False

    def VideoCapture(self, place: int) -> Camera:
        return self

    def isOpened(self) -> bool:
        return self._opens

    def get(self, which: int) -> float:
        return 30.0 if which == self.CAP_PROP_FPS else -1.0

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        self._left -= 1
        return (True, noise(0, 6, 8, 3)) if self._left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        (Camera(False, 0), "another program has it"),
        (Camera(True, 0), "opens, but gives no frame: check that nothing else has it open"),
        (Camera(True, 3), "gave 3 frames and then none"),
    ],
    ids=["taken", "silent", "unplugged"],
)
def test_a_camera_that_fails(monkeypatch: pytest.MonkeyPatch, camera: Camera, words: str) -> None:
    monkeypatch.setattr(frames_module, "open_cv", lambda: camera)
    monkeypatch.setattr(frames_module, "_require_readable", lambda source: None)
    with fails(NoFrames, 30, "camera 0", words):
        for _ in frames(Source("camera 0", "camera", "0")):
            pass
    assert camera.released
