"""From a detector's box to FER2013's framing: derives the maps, and measures what is lost on the way.

    pip install 'edgefer[predict]'; edgefer detector setup mtcnn; edgefer detector setup blazeface
    python benchmarks/detectors.py maps --data fer2013.csv
    edgefer build --arch ean --target tflite-int8
    python benchmarks/detectors.py accuracy --data fer2013.csv --bundle dist/ean.tflite-int8

A picture is made from a face of FER2013: enlarged four times (bicubic), with half a face of margin on each side, every
other one grey and the border repeated in the others, and turned about its centre. So the detector's box can be
compared with FER2013's own square. `maps` takes the medians over faces of Training and writes
edgefer/runtime/detectors/maps.json; `accuracy` shows faces of PrivateTest, none of which had a part in the maps, and
writes benchmarks/results/detectors.json and benchmarks/tables/detectors.md. Which way each detector's faces are turned
(`ALIGN`) was first chosen where PrivateTest was seen too; 500 faces of PublicTest agree, of BlazeFace and MTCNN.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from detectors_page import render
from PIL import Image

from edgefer.arch import get_arch
from edgefer.data.dataset import match_classes
from edgefer.data.load import load as load_data
from edgefer.runtime import __version__, detectors
from edgefer.runtime.classifier import Classifier
from edgefer.runtime.classifier import load as load_bundle
from edgefer.runtime.detectors import Detector, Face, FaceMap, Point, crop_face, face_map

HERE = Path(__file__).parent
RECORD, TABLE = HERE / "results" / "detectors.json", HERE / "tables" / "detectors.md"
MAPS = Path(detectors.__file__).with_name("maps.json")
ALIGN = {"mtcnn": "points", "blazeface": "points", "haar": "box"}
BOX_SHARE = {"blazeface": 0.5}
ROLLS = (0, 10, 20, 30, 45)
SIDE, SCALE = 48, 4
INNER, OUTER = SIDE * SCALE, 2 * SIDE * SCALE  # pixels of the face, and of the picture
SEED = 0


class Faces(NamedTuple):
    """Faces uint8 (N, 48, 48), and their labels as numbers."""

    pixels: np.ndarray
    labels: np.ndarray


def some_faces(path: Path, split: str, count: int) -> Faces:
    """`count` faces of a split, drawn with SEED."""
    faces = match_classes(load_data(path, SIDE), get_arch("ean").labels, "ean").faces.split(split)
    rows = np.sort(np.random.default_rng(SEED).permutation(len(faces.labels))[:count])
    return Faces(faces.pixels[rows][..., 0], faces.labels[rows])


def picture(pixels: np.ndarray, number: int, roll: float) -> np.ndarray:
    """A face (48, 48) in a picture, turned clockwise by `roll` degrees: uint8 (OUTER, OUTER, 3)."""
    large = np.asarray(Image.fromarray(pixels).resize((INNER, INNER), Image.Resampling.BICUBIC))
    padded = np.pad(large, INNER, mode="edge") if number % 2 else np.pad(large, INNER, constant_values=128)
    turned = Image.fromarray(padded).rotate(-roll, Image.Resampling.BICUBIC)
    start = (turned.width - OUTER) // 2
    return np.asarray(turned.crop((start, start, start + OUTER, start + OUTER)).convert("RGB"))


def find(detector: Detector, image: np.ndarray) -> Face | None:
    """The best face whose centre is in the middle of the picture, where the face is."""
    for face in detector.detect(image):
        centre = np.array([face.left + face.width / 2, face.top + face.height / 2])
        if (np.abs(centre - OUTER / 2) < INNER / 2).all():
            return face
    return None


def derive(faces: Faces, detector: Detector, align: str) -> tuple[FaceMap, dict[str, Any]]:
    """The map of a detector, and its evidence: how many faces were found, and the robust deviations."""
    rows, points = [], []
    for number, pixels in enumerate(faces.pixels):
        face = find(detector, picture(pixels, number, 0))
        if face is None:
            continue
        longer = max(face.width, face.height)
        x, y = face.left + face.width / 2, face.top + face.height / 2
        rows.append(((OUTER / 2 - x) / longer, (OUTER / 2 - y) / longer, INNER / longer))
        points.append((np.array(face.points) - (OUTER - INNER) / 2) / INNER)
    values = np.array(rows)
    dx, dy, side = (round(float(value), 3) for value in np.median(values, axis=0))
    spread = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    middle: tuple[Point, ...] = ()
    if align == "points":
        middle = tuple((round(float(u), 3), round(float(v), 3)) for u, v in np.median(points, axis=0))
    evidence = {
        "faces": len(faces.pixels),
        "found": len(rows),
        "deviation": dict(zip(("dx", "dy", "side"), (round(float(value), 3) for value in spread), strict=True)),
    }
    return FaceMap(dx, dy, side, align, middle), evidence  # type: ignore[arg-type]


def write_maps(data: Path, count: int) -> None:
    """Derive all maps that can be, and write them into the package."""
    faces = some_faces(data, "Training", count)
    maps: dict[str, Any] = {"none": {"align": "stretch"}}
    evidence = {}
    for name, align in ALIGN.items():
        derived, evidence[name] = derive(faces, detectors.load_detector(name), align)
        maps[name] = {"dx": derived.dx, "dy": derived.dy, "side": derived.side, "align": align}
        if derived.points:
            maps[name]["points"] = derived.points
        if name in BOX_SHARE:
            maps[name]["box_share"] = BOX_SHARE[name]
        print(name, maps[name], evidence[name], flush=True)
    maps["yunet"] = maps["mtcnn"]
    record = {
        "schema": "edgefer/face-maps/1",
        "source": (
            f"python benchmarks/detectors.py maps --faces {count}: medians over faces of FER2013's Training (seed"
            f" {SEED}); yunet has the points of mtcnn, for want of a file to derive them with"
        ),
        "evidence": evidence,
        "maps": maps,
    }
    MAPS.write_text(json.dumps(record, indent=1) + "\n")


def answers(network: Classifier, crops: list[np.ndarray]) -> np.ndarray:
    """The network's answers as numbers."""
    return np.array([network.labels.index(network.classify(crop).label) for crop in crops])


def percent(right: np.ndarray) -> float | None:
    """Percent of right answers, None if there is no face."""
    return round(100 * float(right.mean()), 2) if len(right) else None


def interval(differences: np.ndarray) -> float | None:
    """Half the 95 % interval of a mean difference in points, from those of each face; None for fewer than 2 faces."""
    if len(differences) < 2:
        return None
    return round(196 * float(differences.std(ddof=1)) / len(differences) ** 0.5, 2)


class Found(NamedTuple):
    """What a detector found in one picture, and how long it took in milliseconds."""

    face: Face | None
    milliseconds: float


def timed(detector: Detector, image: np.ndarray) -> Found:
    """Let the detector look."""
    start = time.perf_counter()
    face = find(detector, image)
    return Found(face, 1000 * (time.perf_counter() - start))


def measure(bundle: Path, faces: Faces, names: Sequence[str], roll: float) -> list[dict[str, Any]]:
    """For each detector the share of the faces found, time, and the accuracy on those found."""
    network = load_bundle(bundle)
    ready = {name: detectors.load_detector(name) for name in names}
    images = [picture(pixels, number, roll) for number, pixels in enumerate(faces.pixels)]
    found = {name: [timed(detector, image) for image in images] for name, detector in ready.items()}
    return scores(network, faces, images, found, roll)


def scores(
    network: Classifier, faces: Faces, images: list[np.ndarray], found: dict[str, list[Found]], roll: float
) -> list[dict[str, Any]]:
    """The rows of all detectors at an angle, and of those that photographs are searched by."""
    first, *others = detectors.POLICIES["photographs"]
    if {first, *others} <= found.keys():
        together = found[first]
        for name in others:  # as FirstThatFinds does, with the times added up
            together = [
                one if one.face else Found(other.face, one.milliseconds + other.milliseconds)
                for one, other in zip(together, found[name], strict=True)
            ]
        found = found | {"photographs": together}
    return [{"detector": name, "roll": roll} | score(network, faces, images, each) for name, each in found.items()]


def score(network: Classifier, faces: Faces, images: list[np.ndarray], found: list[Found]) -> dict[str, Any]:
    """Accuracy on the faces that were found: as given, by the raw box, by the map."""
    kept = [number for number, each in enumerate(found) if each.face]
    labels, size = faces.labels[kept], network.contract.resize
    there = [(images[number], face) for number in kept if (face := found[number].face)]
    raw = [crop_face(image, face, FaceMap(), size) for image, face in there]
    mapped = [crop_face(image, face, face_map(face.detector), size) for image, face in there]
    right = {
        name: (answers(network, crops) == labels).astype(float)
        for name, crops in (("given", list(faces.pixels[kept])), ("raw", raw), ("mapped", mapped))
    }
    return {
        "faces": len(found),
        "found": round(100 * len(kept) / len(found), 1),
        "milliseconds": round(float(np.median([each.milliseconds for each in found])), 1),
        **{name: percent(each) for name, each in right.items()},
        "interval": interval(right["mapped"] - right["given"]),
    }


def write_accuracy(data: Path, bundle: Path, count: int, split: str, names: Sequence[str]) -> None:
    """Measure these detectors at all angles, and write the record and the table; rows of other detectors stay."""
    faces, network = some_faces(data, split, count), load_bundle(bundle)
    with ProcessPoolExecutor(2) as pool:
        measured = list(pool.map(measure, *zip(*((bundle, faces, names, roll) for roll in ROLLS), strict=True)))
    write_record(network, split, [row for rows in measured for row in rows])


def write_record(network: Classifier, split: str, new: list[dict[str, Any]]) -> None:
    """Write the record and the table with these rows in place of those of the same detectors."""
    renewed = {row["detector"] for row in new}
    old = [row for row in json.loads(RECORD.read_text())["rows"] if row["detector"] not in renewed]
    rows = sorted([*old, *new], key=lambda row: (row["detector"], row["roll"]))
    record = {
        "schema": "edgefer/detectors-benchmark/1",
        "edgefer": __version__,
        "bundle": network.manifest.name,
        "split": split,
        "seed": SEED,
        "picture": OUTER,
        "face": INNER,
        "machine": platform.machine(),
        "maps": json.loads(MAPS.read_text()),
        "rows": rows,
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    TABLE.write_text(render(record))


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("maps", "accuracy", "render"))
    parser.add_argument("--data", type=Path, default=Path("fer2013.csv"))
    parser.add_argument("--bundle", type=Path, default=Path("dist/ean.tflite-int8"))
    parser.add_argument("--faces", type=int, default=2000)
    parser.add_argument("--split", default="PrivateTest")
    parser.add_argument("--detectors", nargs="+", choices=tuple(ALIGN), default=tuple(ALIGN))
    options = parser.parse_args()
    if options.command == "maps":
        write_maps(options.data, options.faces)
    elif options.command == "accuracy":
        write_accuracy(options.data, options.bundle, options.faces, options.split, options.detectors)
    else:
        TABLE.write_text(render(json.loads(RECORD.read_text())))


if __name__ == "__main__":
    main()
