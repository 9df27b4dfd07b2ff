"""The detectors themselves on a drawn face, where they are set up: `edgefer detector setup`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from edgefer.runtime.detectors import Detector, face_map, load_detector, square_of
from edgefer.runtime.errors import MissingEngine, NotSetUp
from edgefer.runtime.preprocess import Pixels

BACKGROUND, HAIR, SKIN, SHADE = (150, 160, 170), (50, 35, 25), (222, 176, 146), (120, 70, 55)


def drawn_face(roll: float) -> Pixels:
    """Head and shoulders, turned clockwise by `roll` degrees: uint8 (480, 480, 3)."""
    picture = Image.new("RGB", (480, 480), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((120, 300, 360, 640), fill=(60, 70, 110))
    draw.ellipse((130, 70, 350, 330), fill=HAIR)
    draw.rectangle((205, 300, 275, 380), fill=(200, 150, 120))
    draw.ellipse((150, 100, 330, 350), fill=SKIN)
    draw.pieslice((140, 80, 340, 260), 185, 355, fill=HAIR)
    for x in (200, 280):
        draw.ellipse((x - 22, 205, x + 22, 229), fill=(245, 245, 245))
        draw.ellipse((x - 10, 206, x + 10, 228), fill=HAIR)
        draw.arc((x - 28, 180, x + 28, 215), 200, 340, fill=HAIR, width=7)
    draw.polygon([(240, 215), (226, 268), (254, 268)], fill=(205, 155, 126))
    draw.ellipse((228, 262, 236, 270), fill=SHADE)
    draw.ellipse((244, 262, 252, 270), fill=SHADE)
    draw.chord((205, 282, 275, 322), 10, 170, fill=(170, 60, 60))
    blurred = picture.filter(ImageFilter.GaussianBlur(2))
    return np.asarray(blurred.rotate(-roll, Image.Resampling.BICUBIC, fillcolor=BACKGROUND))


def detector(name: str) -> Detector:
    try:
        return load_detector(name)
    except (NotSetUp, MissingEngine) as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("name", "roll"), [("blazeface", 0), ("blazeface", 40), ("mtcnn", 0), ("mtcnn", 25), ("haar", 0)]
)
def test_a_drawn_face_is_found_where_it_is(name: str, roll: float) -> None:
    (face,) = detector(name).detect(drawn_face(roll))
    square = square_of(face, face_map(name))
    assert abs(square.roll - roll) < 8
    assert 150 < square.side < 290
    assert np.hypot(square.x - 240, square.y - 240) < 35
    assert face.detector == name


@pytest.mark.parametrize("name", ["blazeface", "mtcnn", "haar"])
def test_a_picture_without_a_face_gives_none(name: str) -> None:
    ready = detector(name)
    for shape in ((480, 640), (1, 1), (3, 900)):
        assert ready.detect(np.full((*shape, 3), 128, np.uint8)) == []
